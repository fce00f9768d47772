// Recorded ops, and the CUDA graph that they become on each stream that replays them.
#pragma once

#include <atomic>
#include <map>
#include <memory>

#include "frame/operands.h"
#include "runtime.h"

namespace ibert::cuda {

struct RecordingState {
  ~RecordingState() {
    for (const auto& [stream, graph] : graphs) (void)cudaGraphExecDestroy(graph.executable);
  }

  // A graph holds the addresses of its stream's scratch memory, which moves on a few devices, and record of
  // faults.
  struct Graph {
    cudaGraphExec_t executable;
    const std::byte* workspace;
  };

  std::shared_ptr<frame::OpList> ops = std::make_shared<frame::OpList>();
  // Of its first op in records of faults: beyond all that single ops get.
  const int64_t firstNumber = next() << 32;
  bool checked = false;             // some op may fail by what its operands hold
  std::map<int64_t, Graph> graphs;  // by the stream's number; the front of a stream touches its own alone
  std::mutex mutex;                 // of the map

 private:
  static int64_t next() {
    static std::atomic<int64_t> count{0};
    return ++count;
  }
};

}  // namespace ibert::cuda
