#include "model/kernels/group_norm.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <ATen/ATen.h>

#include "model/kernels/float_functions.h"
#include "model/kernels/group_norm_rows.h"
#include "model/kernels/hand_written_backward.h"
#include "model/kernels/number_type.h"
#include "model/kernels/row_parts.h"

namespace sdlora::model::kernels {
namespace {

// Cells summed in fp32; the sums of strips are added in double, in order, whoever made them.
constexpr int64_t kStripCells = 32;

struct GroupNormShape {
  int64_t samples, cells, channels, groups;

  int64_t strips_per_sample() const { return (cells + kStripCells - 1) / kStripCells; }

  int64_t group_channels() const { return channels / groups; }

  // Calls work(sample, strip of all samples, first row, rows) for each strip, on all threads.
  template <typename Work>
  void for_each_strip(const Work& work) const {
    const int64_t strips = strips_per_sample();
    for_each_row_part(samples * strips, kStripCells * channels, [&](int64_t first, int64_t count) {
      for (int64_t i = first; i < first + count; ++i) {
        const int64_t sample = i / strips, cell = i % strips * kStripCells;
        work(sample, i, sample * cells + cell, std::min(kStripCells, cells - cell));
      }
    });
  }
};

// Two sums for each channel of each sample, in double.
struct ChannelSums {
  std::vector<double> numbers;  // [2, samples, channels]

  const double* first() const { return numbers.data(); }

  const double* second() const { return numbers.data() + numbers.size() / 2; }
};

// work(sample, first row, rows, first sums [channels], second sums [channels]) fills those of a strip.
template <typename Work>
ChannelSums sums_by_channel(const GroupNormShape& shape, const Work& work) {
  const int64_t strips = shape.strips_per_sample(), channels = shape.channels;
  const at::Tensor partial = at::empty({shape.samples * strips, 2, channels}, at::kFloat);
  float* const of_strips = partial.data_ptr<float>();
  shape.for_each_strip([&](int64_t sample, int64_t strip, int64_t row, int64_t rows) {
    float* const sums = of_strips + strip * 2 * channels;
    work(sample, row, rows, sums, sums + channels);
  });
  ChannelSums total{std::vector<double>(2 * shape.samples * channels)};
  for (int64_t strip = 0; strip < shape.samples * strips; ++strip) {
    const float* const sums = of_strips + strip * 2 * channels;
    double* const first = total.numbers.data() + strip / strips * channels;
    double* const second = first + shape.samples * channels;
    for (int64_t c = 0; c < channels; ++c) first[c] += sums[c];
    for (int64_t c = 0; c < channels; ++c) second[c] += sums[channels + c];
  }
  return total;
}

// What the forward leaves for the backward.
struct SavedGroups {
  GroupNormShape shape;
  at::Tensor x;              // [B, C, h, w] channels last
  at::Tensor weight, added;  // [C], [B, C] or undefined; f32
  // [3, B, C] f32: the first cell, from which sums take differences; scale and shift, x scale + shift being
  // normalised
  at::Tensor of_channels;
  std::vector<double> statistics;  // [B, groups, 2]: mean, inverse deviation
  bool then_silu;

  double added_to(int64_t sample, int64_t channel) const {
    return added.defined() ? static_cast<double>(added.data_ptr<float>()[sample * shape.channels + channel])
                           : 0.0;
  }

  float* channel_numbers(int64_t which, int64_t sample) const {
    return of_channels.data_ptr<float>() + (which * shape.samples + sample) * shape.channels;
  }

  float* pivots(int64_t sample) const { return channel_numbers(0, sample); }

  float* scales(int64_t sample) const { return channel_numbers(1, sample); }

  float* shifts(int64_t sample) const { return channel_numbers(2, sample); }

  double moved_pivot(int64_t sample, int64_t channel) const {
    return static_cast<double>(pivots(sample)[channel]) + added_to(sample, channel);
  }

  ChannelLine line(int64_t sample) const { return {scales(sample), shifts(sample)}; }

  double numbers_per_group() const { return static_cast<double>(shape.cells * shape.group_channels()); }
};

// Mean and deviation of x + added, and with them scale and shift.
void take_statistics(SavedGroups& saved, const ChannelSums& sums, const at::Tensor& bias, double eps) {
  const GroupNormShape& shape = saved.shape;
  const auto cells = static_cast<double>(shape.cells);
  for (int64_t sample = 0; sample < shape.samples; ++sample)
    for (int64_t group = 0; group < shape.groups; ++group) {
      const int64_t first = group * shape.group_channels(), last = first + shape.group_channels();
      double sum = 0, square = 0;
      for (int64_t c = first; c < last; ++c) {
        const double p = saved.moved_pivot(sample, c),
                     differences = sums.first()[sample * shape.channels + c];
        sum += differences + cells * p;
        square += sums.second()[sample * shape.channels + c] + 2 * p * differences + cells * p * p;
      }
      const double mean = sum / saved.numbers_per_group();
      // Rounding may leave less than nothing of a constant's variance; NaN stays NaN.
      const double variance = square / saved.numbers_per_group() - mean * mean;
      const double inverse = 1 / std::sqrt((variance < 0 ? 0 : variance) + eps);
      double* const of_group = saved.statistics.data() + 2 * (sample * shape.groups + group);
      of_group[0] = mean;
      of_group[1] = inverse;
      for (int64_t c = first; c < last; ++c) {
        const double scale = inverse * static_cast<double>(saved.weight.data_ptr<float>()[c]);
        saved.scales(sample)[c] = static_cast<float>(scale);
        saved.shifts(sample)[c] = static_cast<float>(static_cast<double>(bias.data_ptr<float>()[c]) +
                                                     scale * (saved.added_to(sample, c) - mean));
      }
    }
}

// With x̂ = (x + t − m) r, t added, over the n numbers of a group:
//   dx = r γ dz − r / n (Σ γ dz + x̂ Σ γ dz x̂)
// as dz · lines[0] + x · lines[1] + lines[2]; lines [3, B, C].
at::Tensor gradient_lines(const SavedGroups& saved, const ChannelSums& sums) {
  const GroupNormShape& shape = saved.shape;
  at::Tensor lines = at::empty({3, shape.samples, shape.channels}, at::kFloat);
  float* const of_gradient = lines.data_ptr<float>();
  float* const of_input = of_gradient + shape.samples * shape.channels;
  float* const constant = of_input + shape.samples * shape.channels;
  for (int64_t sample = 0; sample < shape.samples; ++sample)
    for (int64_t group = 0; group < shape.groups; ++group) {
      const int64_t first = group * shape.group_channels(), last = first + shape.group_channels();
      const double* const of_group = saved.statistics.data() + 2 * (sample * shape.groups + group);
      const double m = of_group[0], r = of_group[1];
      double plain = 0, weighted = 0;  // Σ γ dz, Σ γ dz x̂
      for (int64_t c = first; c < last; ++c) {
        const int64_t i = sample * shape.channels + c;
        const auto gamma = static_cast<double>(saved.weight.data_ptr<float>()[c]);
        plain += gamma * sums.first()[i];
        weighted += gamma * r * (sums.second()[i] + (saved.moved_pivot(sample, c) - m) * sums.first()[i]);
      }
      const double slope = -r * r * weighted / saved.numbers_per_group();
      for (int64_t c = first; c < last; ++c) {
        const int64_t i = sample * shape.channels + c;
        of_gradient[i] = static_cast<float>(r * static_cast<double>(saved.weight.data_ptr<float>()[c]));
        of_input[i] = static_cast<float>(slope);
        constant[i] = static_cast<float>(slope * (saved.added_to(sample, c) - m) -
                                         r * plain / saved.numbers_per_group());
      }
    }
  return lines;
}

// dy, around [B, C, h, w] channels last, around possibly undefined → dx
template <typename Number>
at::Tensor group_norm_gradient(const SavedGroups& saved, const at::Tensor& dy, const at::Tensor& around) {
  const GroupNormShape& shape = saved.shape;
  const auto* const x = numbers_of<const Number>(saved.x);
  const auto* const of_output = numbers_of<const Number>(dy);
  const auto* const beside = numbers_if_any<const Number>(around);
  const ChannelSums sums = sums_by_channel(
      shape, [&](int64_t sample, int64_t row, int64_t rows, float* gradients, float* products) {
        sum_gradient_rows(x + row * shape.channels, of_output + row * shape.channels, saved.pivots(sample),
                          rows, shape.channels, saved.line(sample), saved.then_silu, gradients, products);
      });
  const at::Tensor lines = gradient_lines(saved, sums);
  at::Tensor dx = at::empty_like(saved.x);
  shape.for_each_strip([&](int64_t sample, int64_t /*strip*/, int64_t row, int64_t rows) {
    const int64_t offset = row * shape.channels;
    const auto line = [&](int64_t which) {
      return lines.data_ptr<float>() + (which * shape.samples + sample) * shape.channels;
    };
    input_gradient_rows(x + offset, of_output + offset, beside == nullptr ? nullptr : beside + offset, rows,
                        shape.channels, saved.line(sample), saved.then_silu, {line(0), line(1), line(2)},
                        numbers_of<Number>(dx) + offset);
  });
  return dx;
}

// x [B, C, h, w] channels last → [B, C] f32
at::Tensor sums_over_cells(const GroupNormShape& shape, const at::Tensor& x) {
  const at::Tensor zeros = at::zeros({shape.channels}, at::kFloat);
  const ChannelSums sums = with_number_type(x.scalar_type(), [&](auto number) {
    const auto* const from = numbers_of<const decltype(number)>(x);
    return sums_by_channel(shape, [&](int64_t /*sample*/, int64_t row, int64_t rows, float* of_cells,
                                      float* squares) {
      sum_rows(from + row * shape.channels, zeros.data_ptr<float>(), rows, shape.channels, of_cells, squares);
    });
  });
  return at::tensor(at::ArrayRef<double>(sums.first(), sums.numbers.size() / 2), at::kFloat)
      .view({shape.samples, shape.channels});
}

at::Tensor channels_last(const at::Tensor& x) {
  return x.defined() ? x.contiguous(at::MemoryFormat::ChannelsLast) : x;
}

// Of x, and of what was added to it where that is wanted.
std::vector<at::Tensor> gradients_of(const SavedGroups& saved, at::ArrayRef<at::Tensor> output_gradients,
                                     bool added_wants_gradient, at::ScalarType added_type) {
  const at::Tensor around = channels_last(output_gradients[0]), dy = channels_last(output_gradients[1]);
  if (!dy.defined()) return {around, {}};
  const auto through = [&](const at::Tensor& beside) {
    return with_number_type(saved.x.scalar_type(), [&](auto number) {
      return group_norm_gradient<decltype(number)>(saved, dy, beside);
    });
  };
  if (!added_wants_gradient) return {through(around), {}};
  const at::Tensor dx = through({});
  return {around.defined() ? dx + around : dx, sums_over_cells(saved.shape, dx).to(added_type)};
}

}  // namespace

Normalized group_norm(const at::Tensor& x, const at::Tensor& added, const FrozenGroupNorm& norm) {
  TORCH_CHECK(x.dim() == 4 && x.numel() > 0 && x.size(1) % norm.group_count == 0,
              "not a group normalisation: x ", x.sizes(), " in ", norm.group_count, " groups");
  TORCH_CHECK(!added.defined() || added.sizes() == at::IntArrayRef({x.size(0), x.size(1)}),
              "what is added to x ", x.sizes(), " is ", added.sizes());
  SavedGroups saved{.shape = {x.size(0), x.size(2) * x.size(3), x.size(1), norm.group_count},
                    .x = x.detach().contiguous(at::MemoryFormat::ChannelsLast),
                    .weight = norm.weight.to(at::kFloat),
                    .added = added.defined() ? added.detach().to(at::kFloat).contiguous() : at::Tensor(),
                    .of_channels = at::empty({3, x.size(0), x.size(1)}, at::kFloat),
                    .statistics = std::vector<double>(2 * x.size(0) * norm.group_count),
                    .then_silu = norm.then_silu};
  const GroupNormShape& shape = saved.shape;
  at::Tensor y = at::empty_like(saved.x);
  with_number_type(x.scalar_type(), [&](auto number) {
    using Number = decltype(number);
    const auto* const from = numbers_of<const Number>(saved.x);
    for (int64_t sample = 0; sample < shape.samples; ++sample)
      for (int64_t c = 0; c < shape.channels; ++c)
        saved.pivots(sample)[c] = loaded(from[sample * shape.cells * shape.channels + c]);
    take_statistics(
        saved,
        sums_by_channel(shape,
                        [&](int64_t sample, int64_t row, int64_t rows, float* sums, float* squares) {
                          sum_rows(from + row * shape.channels, saved.pivots(sample), rows, shape.channels,
                                   sums, squares);
                        }),
        norm.bias.to(at::kFloat), norm.eps);
    shape.for_each_strip([&](int64_t sample, int64_t /*strip*/, int64_t row, int64_t rows) {
      normalize_rows(from + row * shape.channels, rows, shape.channels, saved.line(sample), norm.then_silu,
                     numbers_of<Number>(y) + row * shape.channels);
    });
  });
  if (!wants_backward({x, added})) return {x, y};
  const bool added_wants_gradient = added.defined() && added.requires_grad();
  const at::ScalarType added_type = added.defined() ? added.scalar_type() : at::kFloat;
  std::vector<at::Tensor> outputs{saved.x.detach(), y};
  outputs = with_joint_backward(
      std::move(outputs), {x, added},
      [saved = std::move(saved), added_wants_gradient, added_type](at::ArrayRef<at::Tensor> dys) {
        return gradients_of(saved, dys, added_wants_gradient, added_type);
      });
  return {outputs[0], outputs[1]};
}

}  // namespace sdlora::model::kernels
