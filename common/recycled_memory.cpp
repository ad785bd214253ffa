#include "common/recycled_memory.h"

#include <cstring>
#include <list>
#include <map>
#include <mutex>
#include <unordered_map>

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

namespace sdlora {
namespace {

constexpr size_t kSmallest = 1 << 20;  // smaller ones are glibc's
constexpr size_t kHugePage = 2 << 20, kPage = 4096;

size_t rounded_up(size_t bytes, size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

struct Block {
  void* memory = nullptr;
  size_t bytes = 0;
};

// From the start of a huge page to the end of one, where that wastes no more than an eighth. Without memory
// where the system has none.
Block map_block(size_t bytes) {
  size_t whole = rounded_up(bytes, kHugePage);
  if (whole - bytes > bytes / 8) whole = rounded_up(bytes, kPage);
  const size_t reserved = whole + kHugePage;
  void* const place = ::mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (place == MAP_FAILED) return {};
  auto* const begin = static_cast<std::byte*>(place);
  const size_t before =
      rounded_up(reinterpret_cast<uintptr_t>(place), kHugePage) - reinterpret_cast<uintptr_t>(place);
  if (before > 0) ::munmap(begin, before);
  if (before < kHugePage) ::munmap(begin + before + whole, kHugePage - before);
  ::madvise(begin + before, whole, MADV_HUGEPAGE);
  return {begin + before, whole};
}

bool is_on_a_huge_page(const void* memory) {
  return reinterpret_cast<uintptr_t>(memory) % kHugePage == 0;
}

// Blocks are known by their address alone: oneDNN, inside LibTorch, frees by raw_deleter().
class RecyclingAllocator final : public c10::Allocator {
 public:
  explicit RecyclingAllocator(c10::Allocator& small) : small_(small) {}

  c10::DataPtr allocate(size_t bytes) override {
    void* const memory = bytes < kSmallest ? small_.raw_allocate(bytes) : take(bytes);
    return {memory, memory, &give_back, at::Device(at::kCPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }

  void copy_data(void* to, const void* from, std::size_t count) const override {
    std::memcpy(to, from, count);
  }

  void release() {
    const std::lock_guard lock(mutex_);
    release_beyond(0);
    most_in_use_ = in_use_;
  }

  RecycledMemory memory() {
    const std::lock_guard lock(mutex_);
    return {in_use_, kept_};
  }

 private:
  using Kept = std::multimap<size_t, void*>;  // by size in bytes

  static void give_back(void* memory);

  // The smallest kept block that fits and wastes at most an eighth, else a new one.
  void* take(size_t bytes) {
    const std::lock_guard lock(mutex_);
    const auto fitting = kept_blocks_.lower_bound(bytes);
    Block block{};
    if (fitting != kept_blocks_.end() && fitting->first <= bytes + bytes / 8) {
      block = {fitting->second, fitting->first};
      ages_.remove(fitting);
      kept_blocks_.erase(fitting);
      kept_ -= block.bytes;
    } else {
      block = map_block(bytes);
      if (block.memory == nullptr) release_beyond(0);
      if (block.memory == nullptr) block = map_block(bytes);
      TORCH_CHECK(block.memory != nullptr, "out of memory: ", bytes, " bytes for a tensor");
    }
    used_blocks_[block.memory] = block.bytes;
    in_use_ += block.bytes;
    most_in_use_ = std::max(most_in_use_, in_use_);
    release_beyond(most_in_use_ + most_in_use_ / 4);
    return block.memory;
  }

  // False: it is none of its blocks.
  bool keep(void* memory) {
    if (!is_on_a_huge_page(memory)) return false;
    const std::lock_guard lock(mutex_);
    const auto used = used_blocks_.find(memory);
    if (used == used_blocks_.end()) return false;
    in_use_ -= used->second;
    kept_ += used->second;
    ages_.push_back(kept_blocks_.emplace(used->second, memory));
    used_blocks_.erase(used);
    release_beyond(most_in_use_ + most_in_use_ / 4);
    return true;
  }

  // The ones that have lain longest first.
  void release_beyond(size_t limit) {
    while (in_use_ + kept_ > limit && !ages_.empty()) {
      const Kept::iterator oldest = ages_.front();
      ::munmap(oldest->second, oldest->first);
      kept_ -= oldest->first;
      kept_blocks_.erase(oldest);
      ages_.pop_front();
    }
  }

  c10::Allocator& small_;
  std::mutex mutex_;
  std::unordered_map<void*, size_t> used_blocks_;  // and their sizes in bytes
  Kept kept_blocks_;
  std::list<Kept::iterator> ages_;  // the one that has lain longest first
  size_t in_use_ = 0, most_in_use_ = 0, kept_ = 0;
};

// Never destroyed: tensors with static lifetime give their memory back last.
RecyclingAllocator& allocator() {
  static auto* const only =  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables): c10 wants one
      new RecyclingAllocator(*c10::GetDefaultCPUAllocator());
  return *only;
}

void RecyclingAllocator::give_back(void* memory) {
  RecyclingAllocator& own = allocator();
  if (!own.keep(memory)) own.small_.raw_deallocate(memory);
}

}  // namespace

void recycle_tensor_memory() {
  c10::SetCPUAllocator(&allocator(), /*priority=*/1);
}

void release_recycled_memory() {
  allocator().release();
}

RecycledMemory recycled_memory() {
  return allocator().memory();
}

}  // namespace sdlora
