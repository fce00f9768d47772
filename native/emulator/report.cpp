#include "emulator/report.h"

#include <algorithm>
#include <bit>
#include <map>
#include <mutex>

#include "emulator/access_path.h"
#include "emulator/launch.h"
#include "emulator/memory.h"
#include "emulator/message.h"
#include "emulator/recorder.h"

namespace ibert::emulator {

namespace {

constexpr double kFlopsASecond = 989e12, kBytesASecond = 3.35e12;
constexpr double kBytesASecondOfM1 = 68.25e9;
constexpr size_t kMostThreadgroupBytes = 32 << 10;
constexpr size_t kSector = 32, kBanks = 32, kWord = 4;

std::mutex mutex;
std::map<std::string, KernelReport> collected;

template <class T>
size_t distinct(std::vector<T>& values) {
  std::sort(values.begin(), values.end());
  return size_t(std::unique(values.begin(), values.end()) - values.begin());
}

// The most distinct words in one bank.
size_t wavefrontsOf(std::vector<uintptr_t>& words) {
  const size_t count = distinct(words);
  std::array<size_t, kBanks> inBank{};
  for (size_t i = 0; i < count; ++i) ++inBank[words[i] % kBanks];
  return *std::max_element(inBank.begin(), inBank.end());
}

}  // namespace

void Recorder::access(Access access, const void* address, size_t bytes, const void* code) {
  const Thread& self = *current;
  if (!inShared(address)) {
    const Cell& cell = *cellsOf(address);
    const bool first = access == Access::write
                           ? cell.write < watch.launchEpoch
                           : cell.write < watch.launchEpoch && cell.read < watch.launchEpoch;
    (access == Access::write ? report.writtenBytes : report.readBytes) += bytes;
    if (first) report.distinctBytes += bytes;
  }
  Site& site = sites_[{code, self.block->number, self.warp->number}];
  const uint32_t time = site.times[self.lane]++ - site.closed;
  while (site.open.size() <= time) site.open.emplace_back();
  Request& request = site.open[time];
  request.lanes |= 1u << self.lane;
  request.addresses[self.lane] = uintptr_t(address);
  request.bytes = bytes;
  while (!site.open.empty() && site.open.front().lanes == self.warp->lanes) {
    count(site.open.front());
    site.open.pop_front();
    ++site.closed;
  }
}

void Recorder::count(const Request& request) {
  std::vector<uintptr_t> units;
  unsigned lanes = unsigned(std::popcount(request.lanes));
  const auto* any = reinterpret_cast<const void*>(request.addresses[size_t(std::countr_zero(request.lanes))]);
  if (!inShared(any)) {
    for (unsigned lane = 0; lane < kLanes; ++lane)
      if (request.lanes >> lane & 1)
        for (uintptr_t s = request.addresses[lane] / kSector;
             s <= (request.addresses[lane] + request.bytes - 1) / kSector; ++s)
          units.push_back(s);
    const size_t sectors = distinct(units);
    ++report.globalRequests;
    report.sectors += sectors;
    // Lanes that read the same need no more.
    report.fewestSectors += std::min(sectors, (lanes * request.bytes + kSector - 1) / kSector);
    return;
  }
  // 8 and 16 bytes a lane are served in halves and quarters of a warp.
  const unsigned together = unsigned(kLanes / std::max<size_t>(1, request.bytes / kWord));
  ++report.sharedRequests;
  for (unsigned begin = 0; begin < kLanes; begin += together) {
    units.clear();
    for (unsigned lane = begin; lane < begin + together; ++lane)
      if (request.lanes >> lane & 1)
        for (uintptr_t w = request.addresses[lane] / kWord;
             w <= (request.addresses[lane] + request.bytes - 1) / kWord; ++w)
          units.push_back(w);
    if (units.empty()) continue;
    report.wavefronts += wavefrontsOf(units);
    ++report.fewestWavefronts;
  }
}

void Recorder::matrixRows(const std::array<const void*, 8>& rows) {
  std::vector<uintptr_t> words;
  for (const void* row : rows)
    for (size_t w = 0; w < 16 / kWord; ++w) words.push_back(uintptr_t(row) / kWord + w);
  ++report.sharedRequests;
  report.wavefronts += wavefrontsOf(words);
  ++report.fewestWavefronts;
}

void Recorder::endBlock(unsigned block) {
  for (auto site = sites_.begin(); site != sites_.end();) {
    if (site->first.block != block) {
      ++site;
      continue;
    }
    for (const Request& request : site->second.open)
      if (request.lanes) count(request);
    site = sites_.erase(site);
  }
}

void addReport(KernelReport report) {
  std::lock_guard lock(mutex);
  KernelReport& all = collected[report.kernel];
  all.kernel = report.kernel;
  all.threads = std::max(all.threads, report.threads);
  all.sharedBytes = std::max(all.sharedBytes, report.sharedBytes);
  for (auto field :
       {&KernelReport::launches, &KernelReport::blocks, &KernelReport::mma, &KernelReport::ldmatrix,
        &KernelReport::shuffles, &KernelReport::barriers, &KernelReport::reductions, &KernelReport::products,
        &KernelReport::atomics, &KernelReport::asyncCopies, &KernelReport::readBytes,
        &KernelReport::writtenBytes, &KernelReport::distinctBytes, &KernelReport::globalRequests,
        &KernelReport::sectors, &KernelReport::fewestSectors, &KernelReport::sharedRequests,
        &KernelReport::wavefronts, &KernelReport::fewestWavefronts})
    all.*field += report.*field;
}

std::vector<KernelReport> reports() {
  std::lock_guard lock(mutex);
  std::vector<KernelReport> all;
  for (const auto& [name, report] : collected) all.push_back(report);
  return all;
}

void clearReports() {
  std::lock_guard lock(mutex);
  collected.clear();
}

double rooflineSeconds(const KernelReport& report) {
  return std::max(report.flops() / kFlopsASecond, double(report.distinctBytes) / kBytesASecond);
}

namespace {

double over(uint64_t actual, uint64_t fewest) {
  return fewest ? double(actual) / double(fewest) : 1.0;
}

std::string traffic(const KernelReport& r) {
  return message(r.readBytes, " bytes read, ", r.writtenBytes, " written, ", r.distinctBytes, " distinct; ",
                 r.sectors, " sectors in ", r.globalRequests, " requests, ", over(r.sectors, r.fewestSectors),
                 " of the fewest\n");
}

std::string sharedTraffic(const KernelReport& r) {
  return message(r.wavefronts, " wavefronts in ", r.sharedRequests, " requests, ",
                 over(r.wavefronts, r.fewestWavefronts), " of the fewest\n");
}

}  // namespace

std::string describe(const KernelReport& r) {
  const double compute = r.flops() / kFlopsASecond;
  return message(r.kernel, ": ", r.launches, " launches, ", r.blocks, " blocks\n", "  ", r.mma, " mma.sync, ",
                 r.ldmatrix, " ldmatrix, ", r.asyncCopies, " cp.async, ", r.shuffles, " shuffles, ",
                 r.barriers, " barriers, ", r.atomics, " atomics\n", "  global memory: ", traffic(r),
                 "  shared memory: ", sharedTraffic(r),
                 "  roofline of an H100 SXM, computed and not measured: ", rooflineSeconds(r) * 1e6,
                 " us, bound by ", compute >= rooflineSeconds(r) && r.mma ? "tensor cores" : "memory", "\n");
}

// Apple tells neither its sectors nor its banks: these are the same 32 bytes, and 32 of four bytes.
std::string describeMetal(const KernelReport& r) {
  return message(r.kernel, ": ", r.launches, " dispatches, ", r.blocks, " threadgroups of ", r.threads,
                 " threads and ", r.sharedBytes, " bytes of threadgroup memory, ",
                 100 * r.sharedBytes / kMostThreadgroupBytes, " % of the most\n", "  ", r.products,
                 " products of matrices, ", r.reductions, " reductions and ", r.shuffles,
                 " shuffles of a simdgroup, ", r.barriers, " threadgroup barriers\n",
                 "  device memory: ", traffic(r), "  threadgroup memory: ", sharedTraffic(r),
                 "  an M1 moves the distinct bytes, computed and not measured, in ",
                 double(r.distinctBytes) / kBytesASecondOfM1 * 1e6, " us\n");
}

}  // namespace ibert::emulator
