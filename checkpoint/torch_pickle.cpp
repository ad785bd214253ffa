#include "checkpoint/torch_pickle.h"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "checkpoint/pickle_machine.h"
#include "checkpoint/printable.h"

namespace sdlora::checkpoint {
namespace {

constexpr int kDeepestNesting = 4;
constexpr size_t kMostEntriesShown = 5;

class TensorDict {
 public:
  explicit TensorDict(const PickleObjects& objects) : objects_(objects) {}

  TensorPickle tensors(const Value& top) const {
    const Value dict = unwrapped(top);
    if (is_list_of_tensors(dict)) return numbered(dict);
    if (dict.kind != Kind::kDict) refuse(objects_.shown(dict));
    TensorPickle pickle{.storages = objects_.storages(), .tensors = {}};
    std::set<std::string_view> names;
    for_each_entry(dict, [&](const Value& key, const Value& value) {
      if (key.kind != Kind::kText) return;
      const std::string_view name = objects_.text(key);
      if (!names.insert(name).second) objects_.refuse("every name once", "\"" + printable(name) + "\" again");
      if (is_tensor(value)) pickle.tensors.emplace(std::string(name), pickled(value));
    });
    if (pickle.tensors.empty() && !objects_.container(dict).items.empty()) refuse(contents(dict));
    return pickle;
  }

 private:
  void for_each_entry(const Value& dict, auto&& action) const {
    const std::vector<Value>& items = objects_.container(dict).items;
    for (size_t i = 0; i + 1 < items.size(); i += 2) action(items[i], items[i + 1]);
  }

  bool is_tensor(const Value& value) const {
    return value.kind == Kind::kTensor ||
           (value.kind == Kind::kOpaque &&
            objects_.global(value).meaning == GlobalMeaning::kUnreadableTensor);
  }

  bool is_list_of_tensors(const Value& value) const {
    if (value.kind != Kind::kList) return false;
    const std::vector<Value>& items = objects_.container(value).items;
    return !items.empty() &&
           std::ranges::all_of(items, [this](const Value& item) { return is_tensor(item); });
  }

  // "0", "1", …: as cloneofsimo/lora saves adapters.
  TensorPickle numbered(const Value& list) const {
    TensorPickle pickle{.storages = objects_.storages(), .tensors = {}};
    for (const Value& item : objects_.container(list).items)
      pickle.tensors.emplace(std::to_string(pickle.tensors.size()), pickled(item));
    return pickle;
  }

  bool is_filled_dict(const Value& value) const {
    return value.kind == Kind::kDict && !objects_.container(value).items.empty();
  }

  // A dict may hold itself: hence no deeper than people nest them.
  Value unwrapped(Value top) const {
    for (int depth = 0; depth < kDeepestNesting && top.kind == Kind::kDict; ++depth) {
      const std::optional<Value> inner = nested(top);
      if (!inner) break;
      top = *inner;
    }
    return top;
  }

  std::optional<Value> nested(const Value& dict) const {
    std::optional<Value> state_dict, model, any;
    bool has_tensor = false;
    for_each_entry(dict, [&](const Value& key, const Value& value) {
      has_tensor = has_tensor || is_tensor(value);
      if (key.kind != Kind::kText || !is_filled_dict(value) || value.number == dict.number) return;
      const std::string_view name = objects_.text(key);
      if (name == "state_dict" || (name == "model_state_dict" && !state_dict)) state_dict = value;
      if (name == "model") model = value;
      any = value;
    });
    if (state_dict) return state_dict;
    if (has_tensor) return std::nullopt;
    return objects_.container(dict).items.size() == 2 ? any : model;
  }

  PickledTensor pickled(const Value& value) const {
    if (value.kind == Kind::kOpaque) {
      return {.storage = 0,
              .dtype = at::ScalarType::Undefined,
              .view = {},
              .made_by = objects_.global(value).name};
    }
    const RebuiltTensor& tensor = objects_.tensor(value);
    PickledTensor result{.storage = tensor.storage,
                         .dtype = tensor.dtype,
                         .view = {0, integers_of(tensor.shape), integers_of(tensor.strides)},
                         .made_by = {}};
    const PickledStorage& storage = objects_.storages()[tensor.storage];
    if (storage.first_element < 0 ||
        __builtin_add_overflow(tensor.begin_element, storage.first_element, &result.view.begin_element))
      objects_.refuse("a tensor within its storage", fmt::format("element {}", storage.first_element));
    return result;
  }

  std::vector<int64_t> integers_of(const Value& tuple) const {
    std::vector<int64_t> integers;
    for (const Value& item : objects_.container(tuple).items) integers.push_back(item.number);
    return integers;
  }

  // `a whole number under "step", a list under "names"`
  std::string contents(const Value& dict) const {
    std::vector<std::string> entries;
    size_t count = 0;
    bool has_embedding = false;
    for_each_entry(dict, [&](const Value& key, const Value& value) {
      const bool is_named = key.kind == Kind::kText;
      has_embedding = has_embedding || (is_named && objects_.text(key) == "string_to_param");
      if (++count > kMostEntriesShown) return;
      entries.push_back(objects_.shown(value) + (is_named ? " under \"" + printable(objects_.text(key)) + "\""
                                                          : ", which has no name"));
    });
    const std::string more =
        count > kMostEntriesShown ? fmt::format(" and {} more", count - kMostEntriesShown) : "";
    return fmt::format("{}{}{}", has_embedding ? "an embedding of new words (textual inversion): " : "",
                       fmt::join(entries, ", "), more);
  }

  [[noreturn]] void refuse(const std::string& seen) const {
    objects_.refuse("a dict with names as keys and tensors as values", seen);
  }

  const PickleObjects& objects_;
};

}  // namespace

TensorPickle tensors_of(const PickleObjects& objects, const Value& top) {
  return TensorDict(objects).tensors(top);
}

TensorPickle parse_tensor_pickle(std::string_view pickle, const std::filesystem::path& file) {
  PickleMachine machine(pickle, file);
  const Value top = machine.run();
  return tensors_of(machine.objects(), top);
}

NamedTensors read_tensor_pickle(std::string_view pickle, const RecordReader& read_record,
                                const std::filesystem::path& file) {
  return copy_tensors(parse_tensor_pickle(pickle, file), read_record, file);
}

}  // namespace sdlora::checkpoint
