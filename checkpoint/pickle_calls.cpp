#include "checkpoint/pickle_calls.h"

#include <initializer_list>

#include <fmt/format.h>

namespace sdlora::checkpoint {
namespace {

constexpr size_t kMostDimensions = 8;
constexpr size_t kLongestStorageKeyBytes = 100;

Value opaque(const Value& global) {
  return {.kind = Kind::kOpaque, .number = global.number};
}

// What follows in a call's arguments (requires_grad, hooks) says nothing about values.
bool begin_with(const std::vector<Value>& items, std::initializer_list<Kind> kinds) {
  if (items.size() < kinds.size()) return false;
  size_t i = 0;
  for (const Kind kind : kinds) {
    if (items[i++].kind != kind) return false;
  }
  return true;
}

void check_integers(const PickleObjects& objects, const Value& tuple) {
  const std::vector<Value>& items = objects.container(tuple).items;
  if (items.size() > kMostDimensions)
    objects.refuse(fmt::format("at most {} dimensions", kMostDimensions), fmt::to_string(items.size()));
  for (const Value& item : items) {
    if (item.kind != Kind::kInteger) objects.refuse("whole numbers as shape and strides", name_of(item.kind));
  }
}

Value rebuilt_tensor(PickleObjects& objects, const Value& function, const Value& arguments) {
  const std::vector<Value>& items = objects.container(arguments).items;
  const bool names_type = objects.global(function).meaning == GlobalMeaning::kRebuildTensorV3;
  if (!items.empty() && items[0].kind == Kind::kOpaque) return items[0];
  if (!begin_with(items, {Kind::kStorage, Kind::kInteger, Kind::kTuple, Kind::kTuple}) ||
      (names_type && (items.size() < 7 || items[6].kind != Kind::kGlobal))) {
    objects.refuse("a tensor or an OrderedDict",
                   "a call of " + objects.global(function).name + " with other arguments");
  }
  check_integers(objects, items[2]);
  check_integers(objects, items[3]);
  const auto storage = static_cast<size_t>(items[0].number);
  const at::ScalarType dtype =
      names_type ? dtype_of_global(objects.global(items[6]).name) : objects.storages()[storage].dtype;
  if (dtype == at::ScalarType::Undefined) return opaque(items[6]);
  return objects.add_tensor({storage, dtype, items[1].number, items[2], items[3]});
}

// OrderedDict() and, of Python 2, OrderedDict([[key, value], …]).
Value ordered_dict(PickleObjects& objects, const Value& arguments) {
  const std::vector<Value>& items = objects.container(arguments).items;
  if (items.empty()) return objects.add_container(Kind::kDict);
  if (items.size() != 1 || items[0].kind != Kind::kList)
    objects.refuse("a tensor or an OrderedDict", "a call of collections.OrderedDict with other arguments");
  const std::vector<Value>& pairs = objects.container(items[0]).items;
  objects.spend(2 * pairs.size());
  std::vector<Value> keys_and_values;
  keys_and_values.reserve(2 * pairs.size());
  for (const Value& pair : pairs) {
    const bool is_pair =
        (pair.kind == Kind::kList || pair.kind == Kind::kTuple) && objects.container(pair).items.size() == 2;
    if (!is_pair) objects.refuse("keys with values", name_of(pair.kind));
    for (const Value& part : objects.container(pair).items) keys_and_values.push_back(part);
  }
  return objects.add_container(Kind::kDict, std::move(keys_and_values));
}

}  // namespace

Value call_of(PickleObjects& objects, Value function, Value arguments) {
  while (true) {
    if (function.kind == Kind::kOpaque) return function;
    if (function.kind != Kind::kGlobal || arguments.kind != Kind::kTuple)
      objects.refuse("a function and its arguments",
                     name_of(function.kind) + " and " + name_of(arguments.kind));
    const std::vector<Value>& items = objects.container(arguments).items;
    switch (objects.global(function).meaning) {
      case GlobalMeaning::kOrderedDict:
        return ordered_dict(objects, arguments);
      case GlobalMeaning::kParameterDict: {
        const Value dict = objects.add_container(Kind::kDict);
        objects.container(dict).is_parameter_dict = true;
        return dict;
      }
      case GlobalMeaning::kRebuildTensor:
      case GlobalMeaning::kRebuildTensorV3:
        return rebuilt_tensor(objects, function, arguments);
      case GlobalMeaning::kRebuildParameter:
        if (items.empty() || (items[0].kind != Kind::kTensor && items[0].kind != Kind::kOpaque)) {
          objects.refuse("a tensor or an OrderedDict",
                         "a call of " + objects.global(function).name + " with other arguments");
        }
        return items[0];
      case GlobalMeaning::kRebuildFromType:
        if (items.size() < 3) objects.refuse("a function, a class and arguments", "fewer");
        objects.spend(1);
        function = items[0];
        arguments = items[2];
        break;
      case GlobalMeaning::kUnreadableTensor:
      case GlobalMeaning::kOpaque:
        return opaque(function);
    }
  }
}

void build(PickleObjects& objects, const Value& object, const Value& state) {
  if (object.kind != Kind::kDict && object.kind != Kind::kOpaque && object.kind != Kind::kTensor)
    objects.refuse("an object that has a state", name_of(object.kind));
  if (object.kind != Kind::kDict || !objects.container(object).is_parameter_dict || state.kind != Kind::kDict)
    return;
  const std::vector<Value>& fields = objects.container(state).items;
  objects.spend(fields.size());
  for (size_t i = 0; i + 1 < fields.size(); i += 2) {
    if (fields[i].kind != Kind::kText || objects.text(fields[i]) != "_parameters" ||
        fields[i + 1].kind != Kind::kDict)
      continue;
    const std::vector<Value> parameters = objects.container(fields[i + 1]).items;
    objects.spend(parameters.size());
    objects.container(object).items = parameters;
    return;
  }
}

// ("storage", class, key, device, element count) and, before 1.6, a view of another storage: None or
// (key, first element, element count).
Value storage_of(PickleObjects& objects, const Value& id) {
  const std::vector<Value> none;
  const std::vector<Value>& parts = id.kind == Kind::kTuple ? objects.container(id).items : none;
  if (!parts.empty() && parts[0].kind == Kind::kText && objects.text(parts[0]) == "module" &&
      parts.size() > 1 && parts[1].kind == Kind::kGlobal)
    return parts[1];  // a class with its source, as torch before 1.6 kept it
  if (parts.size() < 5 || parts[1].kind != Kind::kGlobal || parts[2].kind != Kind::kText ||
      parts[2].text_bytes > kLongestStorageKeyBytes || parts[4].kind != Kind::kInteger) {
    objects.refuse("a storage's type, record and size", "another persistent id");
  }
  int64_t first_element = 0;
  if (parts.size() > 5 && parts[5].kind == Kind::kTuple) {
    const std::vector<Value>& view = objects.container(parts[5]).items;
    if (view.size() != 3 || view[1].kind != Kind::kInteger)
      objects.refuse("a view's first element", "another view of a storage");
    first_element = view[1].number;
  }
  const auto dtype = dtype_of_storage_class(objects.global(parts[1]).name);
  if (!dtype) return opaque(parts[1]);
  return objects.add_storage({std::string(objects.text(parts[2])), *dtype, parts[4].number, first_element});
}

}  // namespace sdlora::checkpoint
