// Frozen weights in the form that a kernel wants. A model's are several gigabytes: the ranks of a host may
// hold them once between them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace sdlora::model::kernels {

// Made from the plain weight when it is first used, or put into memory that several processes share. The
// plain weight is let go then. For use by any number of threads.
class PreparedWeight {
 public:
  using Fill = std::function<void(void* place)>;  // writes all bytes, always the same ones

  PreparedWeight(int64_t byte_count, Fill fill) : byte_count_(byte_count), fill_(std::move(fill)) {}

  int64_t byte_count() const { return byte_count_; }

  void* data();

  // Keeps it at `place` from now on. Only one of the processes that share the memory fills it.
  void move_to(std::shared_ptr<void> place, bool fills);

 private:
  void place_at(std::shared_ptr<void> place, bool fills);

  int64_t byte_count_;
  std::mutex mutex_;
  Fill fill_;
  std::shared_ptr<void> place_;
};

// All of a model's.
class PreparedWeights {
 public:
  void add(std::shared_ptr<PreparedWeight> weight) { weights_.push_back(std::move(weight)); }

  int64_t byte_count() const;

  // Puts all of them into `memory` of byte_count() bytes. `sharers` processes share `memory`; this one,
  // number `sharer`, fills its part. Wait for all of them before computing.
  void move_to(const std::shared_ptr<void>& memory, int sharer, int sharers);

 private:
  std::vector<std::shared_ptr<PreparedWeight>> weights_;
};

}  // namespace sdlora::model::kernels
