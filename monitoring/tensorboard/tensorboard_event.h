// TensorBoard's unit: an Event, in protobuf's wire format (tensorflow/core/util/event.proto,
// core/framework/summary.proto; protobuf.dev, "Encoding"). Four messages of a few fields each: their encoding
// is shorter than a dependency, and libprotobuf would meet the other version inside LibTorch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sdlora::monitoring {

struct TensorboardScalar {
  std::string tag;  // "train/loss"; what stands before the slash groups
  double value;     // kept as fp32
};

// The first event of a file.
std::string tensorboard_version_event(double wall_seconds);

// A run goes on: whatever earlier files say of `step` and later steps is void.
std::string tensorboard_restart_event(double wall_seconds, int64_t step);

// wall_seconds: since 1970.
std::string tensorboard_scalar_event(double wall_seconds, int64_t step,
                                     const std::vector<TensorboardScalar>& scalars);

// `png`: the file's bytes, which begin with a PNG's signature and header.
std::string tensorboard_picture_event(double wall_seconds, int64_t step, const std::string& tag,
                                      std::string_view png);

}  // namespace sdlora::monitoring
