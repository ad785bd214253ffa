// Which collectives a rank has been through lately, for the flight record (flight_record.h): every rank calls
// the same ones in the same order, so where their counts differ, the rank with the lowest is the one that is
// behind. One thread writes; another may read at any time, also while the writer is stuck in the library.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

namespace sdlora::comm {

// The parts of a run that the watchdog tells apart.
enum class Section { kStartUp, kStep, kReduction, kCheckpoint, kValidation, kPreviews, kFinish };

const char* name_of(Section section);

// How far a rank is; may lie in memory that the ranks of a host share.
struct RankProgress {
  std::atomic<int64_t> entered{0};   // sequence number of the last collective it has entered
  std::atomic<int64_t> left{0};      // and of the last it has left
  std::atomic<int64_t> alive_ns{0};  // CLOCK_MONOTONIC of its last sign of life; 0: none yet
  static_assert(std::atomic<int64_t>::is_always_lock_free, "processes share it");
};

// A rank of this host, and where it keeps its progress.
struct HostRank {
  int rank;
  RankProgress* progress;
};

class CollectiveLog {
 public:
  static constexpr int64_t kCapacity = 64;

  struct Entry {
    int64_t sequence;       // from 1
    const char* operation;  // "all_reduce_sum", …
    int64_t bytes;          // of this rank's part
    int64_t step;
    Section section;
    int64_t entered_ns;  // CLOCK_MONOTONIC
    int64_t left_ns;     // 0: still in it. A tensor on a GPU is left once it is handed to the device.
  };

  struct Entries {
    std::array<Entry, kCapacity> items;  // oldest first
    int64_t count;
  };

  // From its making until its end this rank is in a collective.
  class [[nodiscard]] Visit {
   public:
    Visit(CollectiveLog& log, const char* operation, int64_t bytes);
    ~Visit();
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

   private:
    CollectiveLog& log_;
  };

  // `host_ranks`: those of this host, this one among them; their memory must outlive the log. Empty: this
  // rank is alone.
  explicit CollectiveLog(int own_rank = 0, std::vector<HostRank> host_ranks = {});

  CollectiveLog(const CollectiveLog&) = delete;
  CollectiveLog& operator=(const CollectiveLog&) = delete;

  // What the collectives to come belong to.
  void set_section(Section section) { section_.store(section, std::memory_order_relaxed); }

  void set_step(int64_t step) { step_.store(step, std::memory_order_relaxed); }

  Section section() const { return section_.load(std::memory_order_relaxed); }

  int64_t step() const { return step_.load(std::memory_order_relaxed); }

  // The latest kCapacity, without those that are being overwritten. Allocates nothing.
  Entries entries() const;

  const std::vector<HostRank>& host_ranks() const { return host_ranks_; }

  int own_rank() const { return own_rank_; }

  // The watchdog's thread says so every now and then: it runs even while the main thread is stuck, unless the
  // process is stopped.
  void show_sign_of_life();

  // Whether that rank of this host has entered fewer collectives than this one, or shows no sign of life.
  bool is_behind(const HostRank& other) const;

  static std::chrono::duration<double> silence_of(const HostRank& other);

 private:
  struct Slot {
    std::atomic<int64_t> sequence{0};  // 0: being written
    std::atomic<const char*> operation{""};
    std::atomic<int64_t> bytes{0}, step{0}, entered_ns{0}, left_ns{0};
    std::atomic<Section> section{Section::kStartUp};
  };

  void enter(const char* operation, int64_t bytes);
  void leave();

  std::array<Slot, kCapacity> slots_;
  std::atomic<Section> section_{Section::kStartUp};
  std::atomic<int64_t> step_{0};
  const int own_rank_;
  RankProgress progress_when_alone_;
  std::vector<HostRank> host_ranks_;
  RankProgress* progress_ = &progress_when_alone_;
};

}  // namespace sdlora::comm
