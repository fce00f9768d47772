// Streams, events and graphs of the emulated runtime.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "emulator/runtime/runtime.h"

namespace ibert::emulator {

// What is wrong with a stream: the first failure that nobody was told of.
class Failure {
 public:
  void set(const std::string& text);
  std::string text();
  void clear(const std::string& told);  // unless another came since

 private:
  std::mutex mutex_;
  std::string text_;
};

class EventState {
 public:
  int64_t record();
  int64_t last();
  void pass(int64_t place, const std::shared_ptr<Failure>& failure);
  void wait(int64_t place);
  // Waits for the last place; returns what had failed before it.
  std::string synchronize();
  // False where it was not passed yet.
  bool time(std::chrono::steady_clock::time_point* time);

 private:
  std::mutex mutex_;
  std::condition_variable passedOne_;
  int64_t recorded_ = 0, passed_ = 0;
  std::chrono::steady_clock::time_point time_;
  std::string error_;
  std::shared_ptr<Failure> failure_;
};

// Work of a stream, which it hands what is wrong with it.
using Node = std::function<void(const std::shared_ptr<Failure>&)>;

class StreamQueue final : public CUstream_st {
 public:
  StreamQueue();
  ~StreamQueue() override;  // when all has run

  cudaError_t enqueue(std::function<bool()> launch) override;
  // To run later, or into the graph that is captured. What it throws fails the stream.
  void post(Node node);
  std::string synchronize();
  // Waits for the node in hand; no other one runs any more.
  void halt();

  std::unique_ptr<std::vector<Node>> captured;  // while a graph is captured
  const std::shared_ptr<Failure> failure = std::make_shared<Failure>();

 private:
  void loop();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Node> queue_;
  bool stop_ = false, halted_ = false;
  std::thread thread_;
};

}  // namespace ibert::emulator

struct CUevent_st {
  std::shared_ptr<ibert::emulator::EventState> state = std::make_shared<ibert::emulator::EventState>();
};
struct CUgraph_st {
  std::vector<ibert::emulator::Node> nodes;
};
struct CUgraphExec_st {
  std::vector<ibert::emulator::Node> nodes;
};
