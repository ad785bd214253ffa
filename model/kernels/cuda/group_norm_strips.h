// How the group normalisation kernels share x [batch, rows, channels] among GPU threads.
//
// A group's channels are seldom as wide as an access to memory, so threads do not own groups: a thread owns
// kWidth channels of a strip of rows, neighbouring threads neighbouring channels. First every strip is summed
// by channel, then a block merges the strips and channels of one group in a fixed order, then every value is
// computed. No atomics: the same bytes every time. Strips depend neither on the batch nor on the GPU.
#pragma once

#include "model/kernels/cuda/element_pack.h"
#include "model/kernels/cuda/group_norm_launch.h"

namespace sdlora::model::kernels::cuda {

inline constexpr int kSummedRows = 32;   // of a strip that is summed: 8 bytes of partial sums per channel
inline constexpr int kComputedRows = 8;  // of a strip that is computed: enough to pay for the parameters
inline constexpr int kMergeThreads = 128;

__host__ __device__ inline int strip_count(const GroupNormShape& shape, int strip_rows) {
  return (shape.rows - 1) / strip_rows + 1;
}

__host__ __device__ inline float values_of_group(const GroupNormShape& shape) {
  return static_cast<float>(shape.rows) * static_cast<float>(shape.channels / shape.groups);
}

struct Strip {
  int sample;
  int number;   // in the sample
  int channel;  // the first of kWidth
  int row_count;
  int64_t offset;  // of the first value in x
};

template <int kWidth>
__host__ __device__ inline Strip strip_of(const GroupNormShape& shape, int strip_rows, unsigned thread) {
  const auto pack_count = static_cast<unsigned>(shape.channels / kWidth);
  const auto strips = static_cast<unsigned>(strip_count(shape, strip_rows));
  const unsigned strip = thread / pack_count, sample = strip / strips;
  const int channel = static_cast<int>(thread % pack_count) * kWidth;
  const int number = static_cast<int>(strip % strips), first_row = number * strip_rows;
  const int rows_left = shape.rows - first_row;
  return {.sample = static_cast<int>(sample),
          .number = number,
          .channel = channel,
          .row_count = rows_left < strip_rows ? rows_left : strip_rows,
          .offset = (static_cast<int64_t>(sample) * shape.rows + first_row) * shape.channels + channel};
}

// Where a strip's partial results by channel lie: [2, batch, strips, channels].
__host__ __device__ inline int64_t partial_offset(const GroupNormShape& shape, int sample, int strip,
                                                  int channel) {
  const int64_t row = static_cast<int64_t>(sample) * strip_count(shape, kSummedRows) + strip;
  return row * shape.channels + channel;
}

__host__ __device__ inline int64_t partial_half(const GroupNormShape& shape) {
  return partial_offset(shape, shape.batch, 0, 0);
}

// value[sample, group] of each of a thread's channels.
template <int kWidth>
__host__ __device__ inline void load_by_group(const GroupNormShape& shape, const Strip& strip,
                                              const float* from, float (&values)[kWidth]) {
  const int group_width = shape.channels / shape.groups;
  int group = strip.channel / group_width, group_end = (group + 1) * group_width;
  for (int lane = 0; lane < kWidth; ++lane) {
    if (strip.channel + lane == group_end) {
      ++group;
      group_end += group_width;
    }
    values[lane] = from[strip.sample * shape.groups + group];
  }
}

// For the merging: calls take(row count of a strip, first half's value, second half's) for one of
// kMergeThreads shares of what there is of a group; `group` counts over the batch.
template <typename Take>
__host__ __device__ inline void for_share_of_group(const GroupNormShape& shape, const float* partial,
                                                   int group, int thread, const Take& take) {
  const int group_width = shape.channels / shape.groups, strips = strip_count(shape, kSummedRows);
  const int sample = group / shape.groups, first_channel = group % shape.groups * group_width;
  for (int i = thread; i < strips * group_width; i += kMergeThreads) {
    const int strip = i / group_width, channel = first_channel + i % group_width;
    const int rows_left = shape.rows - strip * kSummedRows;
    const int64_t at = partial_offset(shape, sample, strip, channel);
    take(rows_left < kSummedRows ? rows_left : kSummedRows, partial[at], partial[at + partial_half(shape)]);
  }
}

}  // namespace sdlora::model::kernels::cuda
