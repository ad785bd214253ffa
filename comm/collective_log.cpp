#include "comm/collective_log.h"

#include <algorithm>

namespace sdlora::comm {
namespace {

constexpr std::chrono::seconds kLongestSilence{2};  // of a process that runs; its sign comes twice a second

int64_t monotonic_ns() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

const char* name_of(Section section) {
  switch (section) {
    case Section::kStartUp:
      return "start-up";
    case Section::kStep:
      return "step";
    case Section::kReduction:
      return "reduction";
    case Section::kCheckpoint:
      return "checkpoint";
    case Section::kValidation:
      return "validation";
    case Section::kPreviews:
      return "previews";
    case Section::kFinish:
      return "finish";
  }
  return "?";
}

CollectiveLog::Visit::Visit(CollectiveLog& log, const char* operation, int64_t bytes) : log_(log) {
  log_.enter(operation, bytes);
}

CollectiveLog::Visit::~Visit() {
  log_.leave();
}

CollectiveLog::CollectiveLog(int own_rank, std::vector<HostRank> host_ranks)
    : own_rank_(own_rank), host_ranks_(std::move(host_ranks)) {
  for (const HostRank& host_rank : host_ranks_)
    if (host_rank.rank == own_rank) progress_ = host_rank.progress;
}

void CollectiveLog::enter(const char* operation, int64_t bytes) {
  const int64_t sequence = progress_->entered.load(std::memory_order_relaxed) + 1;
  Slot& slot = slots_[static_cast<size_t>(sequence % kCapacity)];
  slot.sequence.store(0);
  slot.operation.store(operation);
  slot.bytes.store(bytes);
  slot.step.store(step());
  slot.section.store(section());
  slot.entered_ns.store(monotonic_ns());
  slot.left_ns.store(0);
  slot.sequence.store(sequence);
  progress_->entered.store(sequence);
}

void CollectiveLog::leave() {
  const int64_t sequence = progress_->entered.load(std::memory_order_relaxed);
  slots_[static_cast<size_t>(sequence % kCapacity)].left_ns.store(monotonic_ns());
  progress_->left.store(sequence);
}

CollectiveLog::Entries CollectiveLog::entries() const {
  Entries found{};
  const int64_t newest = progress_->entered.load();
  for (int64_t sequence = std::max<int64_t>(1, newest - kCapacity + 1); sequence <= newest; ++sequence) {
    const Slot& slot = slots_[static_cast<size_t>(sequence % kCapacity)];
    const Entry entry{.sequence = slot.sequence.load(),
                      .operation = slot.operation.load(),
                      .bytes = slot.bytes.load(),
                      .step = slot.step.load(),
                      .section = slot.section.load(),
                      .entered_ns = slot.entered_ns.load(),
                      .left_ns = slot.left_ns.load()};
    if (entry.sequence == sequence && slot.sequence.load() == sequence)
      found.items[static_cast<size_t>(found.count++)] = entry;
  }
  return found;
}

void CollectiveLog::show_sign_of_life() {
  progress_->alive_ns.store(monotonic_ns());
}

std::chrono::duration<double> CollectiveLog::silence_of(const HostRank& other) {
  const int64_t last_sign = other.progress->alive_ns.load();
  return last_sign == 0 ? std::chrono::nanoseconds(0) : std::chrono::nanoseconds(monotonic_ns() - last_sign);
}

bool CollectiveLog::is_behind(const HostRank& other) const {
  return other.rank != own_rank_ &&
         (other.progress->entered.load() < progress_->entered.load() || silence_of(other) > kLongestSilence);
}

}  // namespace sdlora::comm
