#include "checkpoint/torch_pickle_tensor.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <ATen/ops/empty.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "checkpoint/printable.h"
#include "common/error.h"

namespace sdlora::checkpoint {
namespace {

constexpr size_t kMaximumRank = 8;

struct StorageClass {
  std::string_view name;
  at::ScalarType dtype;
};

constexpr std::array<StorageClass, 10> kStorageClasses{{{"torch.FloatStorage", at::kFloat},
                                                        {"torch.DoubleStorage", at::kDouble},
                                                        {"torch.HalfStorage", at::kHalf},
                                                        {"torch.BFloat16Storage", at::kBFloat16},
                                                        {"torch.LongStorage", at::kLong},
                                                        {"torch.IntStorage", at::kInt},
                                                        {"torch.ShortStorage", at::kShort},
                                                        {"torch.CharStorage", at::kChar},
                                                        {"torch.ByteStorage", at::kByte},
                                                        {"torch.BoolStorage", at::kBool}}};

// Whether the view lies within a storage of `element_count`, and repeats none of it into a larger tensor.
bool fits(const TensorView& view, int64_t element_count) {
  if (view.shape.size() != view.strides.size() || view.shape.size() > kMaximumRank) return false;
  int64_t elements = 1;
  int64_t last_element = view.begin_element;
  bool is_empty = false;
  for (size_t i = 0; i < view.shape.size(); ++i) {
    const int64_t size = view.shape[i];
    int64_t reach = 0;
    if (size < 0 || view.strides[i] < 0 || view.begin_element < 0 ||
        __builtin_mul_overflow(elements, std::max<int64_t>(size, 1), &elements) ||
        __builtin_mul_overflow(std::max<int64_t>(size, 1) - 1, view.strides[i], &reach) ||
        __builtin_add_overflow(last_element, reach, &last_element)) {
      return false;
    }
    is_empty = is_empty || size == 0;
  }
  return is_empty || (view.begin_element >= 0 && elements <= element_count && last_element < element_count);
}

}  // namespace

std::optional<at::ScalarType> dtype_of_storage_class(std::string_view name) {
  for (const StorageClass& known : kStorageClasses) {
    if (known.name == name) return known.dtype;
  }
  return std::nullopt;
}

at::Tensor StorageTable::storage(const std::string& key, at::ScalarType dtype, int64_t element_count) {
  const auto found = storages_.find({key, dtype});
  if (found != storages_.end() && found->second.numel() == element_count) return found->second;
  const std::string_view bytes = read_record_("data/" + key);
  const auto element_bytes = static_cast<int64_t>(c10::elementSize(dtype));
  if (element_count < 0 || bytes.size() % element_bytes != 0 ||
      static_cast<int64_t>(bytes.size()) / element_bytes != element_count) {
    throw Error(ExitCode::kBadData,
                {.what = "the .pt file contradicts itself about a storage's size",
                 .expected = fmt::format("{} elements of {} bytes", element_count, element_bytes),
                 .seen = fmt::format("{} bytes", bytes.size()),
                 .where = file_.string() + ", record data/" + printable(key)});
  }
  at::Tensor storage = at::empty({element_count}, dtype);
  if (!bytes.empty()) std::memcpy(storage.mutable_data_ptr(), bytes.data(), bytes.size());
  return storages_[{key, dtype}] = storage;
}

at::Tensor StorageTable::tensor(const at::Tensor& storage, const TensorView& view) const {
  if (!fits(view, storage.numel())) {
    throw Error(ExitCode::kBadData,
                {.what = "a tensor of the .pt file does not lie within its storage",
                 .expected = fmt::format("a view of {} elements", storage.numel()),
                 .seen = fmt::format("shape [{}], strides [{}], from element {}", fmt::join(view.shape, ", "),
                                     fmt::join(view.strides, ", "), view.begin_element),
                 .where = file_.string()});
  }
  const bool is_empty = std::find(view.shape.begin(), view.shape.end(), 0) != view.shape.end();
  if (is_empty) return at::empty(view.shape, storage.options());
  return storage.as_strided(view.shape, view.strides, view.begin_element);
}

}  // namespace sdlora::checkpoint
