#include "emulator/settings.h"

#include <array>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <stdexcept>

namespace ibert::emulator {

namespace {

constexpr std::array kSchedules{"last-first", "random", "priorities"};
static_assert(kSchedules.size() == kScheduleCount);
constexpr std::array kLateness{"at-once", "random", "last"};

std::mutex mutex;
std::optional<Settings> present;

template <class Names>
size_t choice(const char* variable, const Names& names, size_t usual) {
  const char* value = std::getenv(variable);
  if (!value || !*value) return usual;
  std::string known;
  for (size_t i = 0; i < names.size(); ++i) {
    if (std::string(value) == names[i]) return i;
    known += (i ? ", " : "") + std::string(names[i]);
  }
  throw std::invalid_argument(std::string(variable) + "=" + value + ": expected one of " + known);
}

uint64_t number(const char* variable, uint64_t usual) {
  const char* value = std::getenv(variable);
  if (!value || !*value) return usual;
  char* end = nullptr;
  const uint64_t read = std::strtoull(value, &end, 0);
  if (*end) throw std::invalid_argument(std::string(variable) + "=" + value + ": expected a whole number");
  return read;
}

}  // namespace

Settings settingsFromEnvironment() {
  Settings s;
  s.schedule = Schedule(choice("IBERT_EMULATOR_SCHEDULE", kSchedules, size_t(s.schedule)));
  s.lateness = Lateness(choice("IBERT_EMULATOR_LATENESS", kLateness, size_t(s.lateness)));
  s.seed = number("IBERT_EMULATOR_SEED", s.seed);
  s.checks = number("IBERT_EMULATOR_CHECKS", s.checks) != 0;
  return s;
}

Settings settings() {
  std::lock_guard lock(mutex);
  if (!present) present = settingsFromEnvironment();
  return *present;
}

void setSettings(const Settings& settings) {
  std::lock_guard lock(mutex);
  present = settings;
}

std::string describe(const Settings& s) {
  return std::string("IBERT_EMULATOR_SCHEDULE=") + kSchedules[size_t(s.schedule)] +
         " IBERT_EMULATOR_SEED=" + std::to_string(s.seed) +
         " IBERT_EMULATOR_LATENESS=" + kLateness[size_t(s.lateness)];
}

}  // namespace ibert::emulator
