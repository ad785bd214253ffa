#include "model/kernels/prepared_weights.h"

#include <ATen/ATen.h>

namespace sdlora::model::kernels {
namespace {

constexpr int64_t kAlignment = 16;  // floats: each weight begins on a cache line of its own

int64_t padded(int64_t float_count) {
  return (float_count + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

float* PreparedWeight::data() {
  const std::lock_guard lock(mutex_);
  if (!place_) {
    const at::Tensor own = at::empty({float_count_}, at::kFloat);
    place_at({own.data_ptr<float>(), [own](float*) {}}, /*fills=*/true);
  }
  return place_.get();
}

void PreparedWeight::move_to(std::shared_ptr<float> place, bool fills) {
  const std::lock_guard lock(mutex_);
  place_at(std::move(place), fills);
}

void PreparedWeight::place_at(std::shared_ptr<float> place, bool fills) {
  place_ = std::move(place);
  if (fills) fill_(place_.get());
  fill_ = nullptr;  // and with it the plain weight
}

int64_t PreparedWeights::byte_count() const {
  int64_t floats = 0;
  for (const auto& weight : weights_) floats += padded(weight->float_count());
  return floats * static_cast<int64_t>(sizeof(float));
}

void PreparedWeights::move_to(const std::shared_ptr<void>& memory, int sharer, int sharers) {
  float* place = static_cast<float*>(memory.get());
  for (size_t i = 0; i < weights_.size(); ++i) {
    weights_[i]->move_to({memory, place}, static_cast<int>(i) % sharers == sharer);
    place += padded(weights_[i]->float_count());
  }
}

}  // namespace sdlora::model::kernels
