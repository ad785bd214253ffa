#include "checkpoint/pickle_objects.h"

#include <fmt/format.h>

#include "checkpoint/printable.h"

namespace sdlora::checkpoint {
namespace {

// A checkpoint of 2,000 tensors makes 60,000 values. So many take 300 MB at most.
constexpr size_t kMostValues = size_t{1} << 22;
constexpr size_t kLongestGlobalBytes = 1000;

}  // namespace

std::string name_of(Kind kind) {
  switch (kind) {
    case Kind::kNone:
      return "None";
    case Kind::kBoolean:
      return "True or False";
    case Kind::kInteger:
      return "a whole number";
    case Kind::kNumber:
      return "a floating-point number";
    case Kind::kText:
      return "text";
    case Kind::kBytes:
      return "bytes";
    case Kind::kGlobal:
      return "a function or class";
    case Kind::kTuple:
      return "a tuple";
    case Kind::kList:
      return "a list";
    case Kind::kSet:
      return "a set";
    case Kind::kDict:
      return "a dict";
    case Kind::kStorage:
      return "a bare storage";
    case Kind::kTensor:
      return "a tensor";
    case Kind::kOpaque:
      return "an object";
  }
  return "";
}

void PickleObjects::spend(size_t values) {
  if (values > kMostValues - spent_) refuse(fmt::format("at most {} values", kMostValues), "more of them");
  spent_ += values;
}

Value PickleObjects::add_container(Kind kind, std::vector<Value> items) {
  containers_.push_back({std::move(items)});
  return {.kind = kind, .number = static_cast<int64_t>(containers_.size() - 1)};
}

Value PickleObjects::add_global(std::string_view module, std::string_view name) {
  if (module.size() + name.size() > kLongestGlobalBytes)
    refuse("the name of a function or class", fmt::format("{} bytes", module.size() + name.size()));
  const std::string whole = fmt::format("{}.{}", module, name);
  if (is_dangerous_global(module, name)) {
    throw DangerousPickle(
        ExitCode::kBadData,
        Problem{.what = "the file wants to run something when it is loaded, so nothing of it is read",
                .expected = "a dict of tensors and nothing else",
                .seen = printable(whole) + ", which was not run",
                .where = file_.string(),
                .advice = "do not load it in Python either; get the weights from a source that you trust, "
                          "best as safetensors"});
  }
  // A NUL between them: "a.b" of "c" is another global than "a" of "b.c".
  const auto [place, is_new] =
      number_of_global_.try_emplace(fmt::format("{}{}{}", module, '\0', name), globals_.size());
  if (is_new) globals_.push_back({whole, meaning_of_global(module, name)});
  return {.kind = Kind::kGlobal, .number = static_cast<int64_t>(place->second)};
}

Value PickleObjects::add_storage(PickledStorage storage) {
  const auto [place, is_new] = number_of_storage_.try_emplace(storage, storages_.size());
  if (is_new) storages_.push_back(std::move(storage));
  return {.kind = Kind::kStorage, .number = static_cast<int64_t>(place->second)};
}

Value PickleObjects::add_tensor(const RebuiltTensor& tensor) {
  tensors_.push_back(tensor);
  return {.kind = Kind::kTensor, .number = static_cast<int64_t>(tensors_.size() - 1)};
}

std::string_view PickleObjects::text(const Value& value) const {
  return bytes_.substr(static_cast<size_t>(value.number), value.text_bytes);
}

std::string PickleObjects::shown(const Value& value) const {
  if (value.kind != Kind::kGlobal && value.kind != Kind::kOpaque) return name_of(value.kind);
  return printable(global(value).name) + ", which was not run";
}

void PickleObjects::refuse(const std::string& expected, const std::string& seen) const {
  throw Error(ExitCode::kBadData,
              {.what = "the .pt file does not hold a plain dict of tensors, or is damaged",
               .expected = expected,
               .seen = seen,
               .where = file_.string(),
               .advice = "save it in Python with torch.save({name: tensor, ...}, file), or as safetensors"});
}

}  // namespace sdlora::checkpoint
