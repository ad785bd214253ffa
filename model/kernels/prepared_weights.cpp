#include "model/kernels/prepared_weights.h"

#include <cstddef>

#include <ATen/ATen.h>

namespace sdlora::model::kernels {
namespace {

constexpr int64_t kAlignmentBytes = 64;  // each weight begins on a cache line of its own

int64_t padded(int64_t byte_count) {
  return (byte_count + kAlignmentBytes - 1) / kAlignmentBytes * kAlignmentBytes;
}

}  // namespace

void* PreparedWeight::data() {
  const std::lock_guard lock(mutex_);
  if (!place_) {
    const at::Tensor own = at::empty({byte_count_}, at::kByte);
    place_at({own.data_ptr(), [own](void*) {}}, /*fills=*/true);
  }
  return place_.get();
}

void PreparedWeight::move_to(std::shared_ptr<void> place, bool fills) {
  const std::lock_guard lock(mutex_);
  place_at(std::move(place), fills);
}

void PreparedWeight::place_at(std::shared_ptr<void> place, bool fills) {
  place_ = std::move(place);
  if (fills) fill_(place_.get());
  fill_ = nullptr;  // and with it the plain weight
}

int64_t PreparedWeights::byte_count() const {
  int64_t bytes = 0;
  for (const auto& weight : weights_) bytes += padded(weight->byte_count());
  return bytes;
}

void PreparedWeights::move_to(const std::shared_ptr<void>& memory, int sharer, int sharers) {
  auto* place = static_cast<std::byte*>(memory.get());
  for (size_t i = 0; i < weights_.size(); ++i) {
    weights_[i]->move_to({memory, place}, static_cast<int>(i) % sharers == sharer);
    place += padded(weights_[i]->byte_count());
  }
}

}  // namespace sdlora::model::kernels
