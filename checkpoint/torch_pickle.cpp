#include "checkpoint/torch_pickle.h"

#include <cstring>
#include <deque>
#include <unordered_map>

#include <fmt/format.h>

#include "checkpoint/printable.h"
#include "checkpoint/torch_pickle_tensor.h"
#include "common/error.h"

namespace sdlora::checkpoint {
namespace {

enum class Kind { kBoolean, kInteger, kText, kGlobal, kTuple, kDict, kStorage, kTensor };

// Objects live in one deque and point at each other freely: no recursion, also when a file makes a cycle.
struct Object {
  Kind kind;
  int64_t integer = 0;              // kInteger, kBoolean
  std::string text = {};            // kText, kGlobal: "module.name"
  std::vector<Object*> items = {};  // kTuple; kDict: key, value, key, value …
  at::Tensor tensor = {};           // kTensor; kStorage: [elements]
};

// What the file holds instead, for the opcodes people meet: lists of tensors, whole training states.
std::string meaning_of(uint8_t opcode) {
  switch (opcode) {
    case ']':
      return "a list";
    case 'G':
      return "a floating-point number";
    case 'N':
      return "None";
    case 0x81:
      return "an object of a class";
    default:
      return fmt::format("pickle opcode 0x{:02x}", opcode);
  }
}

std::string name_of(Kind kind) {
  switch (kind) {
    case Kind::kBoolean:
      return "True or False";
    case Kind::kInteger:
      return "a whole number";
    case Kind::kText:
      return "text";
    case Kind::kGlobal:
      return "a function or class";
    case Kind::kTuple:
      return "a tuple";
    case Kind::kDict:
      return "a dict";
    case Kind::kStorage:
      return "a bare storage";
    case Kind::kTensor:
      return "a tensor";
  }
  return "";
}

// The pickle machine: a stack, marks in it, a memo (Lib/pickletools.py of CPython describes the opcodes).
class Machine {
 public:
  Machine(std::string_view pickle, const RecordReader& read_record, const std::filesystem::path& file)
      : rest_(pickle), storages_(read_record, file), file_(file) {}

  NamedTensors run() {
    while (true) {
      const auto opcode = read<uint8_t>();
      if (opcode == '.') return tensors_of(*pop(Kind::kDict));
      if (!run_literal(opcode) && !run_container(opcode)) {
        refuse("a dict of tensors", meaning_of(opcode));
      }
    }
  }

 private:
  bool run_literal(uint8_t opcode) {
    switch (opcode) {
      case 0x80:  // PROTO
        if (const int version = read<uint8_t>(); version != 2)
          refuse("pickle protocol 2", fmt::to_string(version));
        return true;
      case 0x88:
        push({.kind = Kind::kBoolean, .integer = 1});
        return true;
      case 0x89:
        push({.kind = Kind::kBoolean, .integer = 0});
        return true;
      case 'K':
        push({.kind = Kind::kInteger, .integer = read<uint8_t>()});
        return true;
      case 'M':
        push({.kind = Kind::kInteger, .integer = read<uint16_t>()});
        return true;
      case 'J':
        push({.kind = Kind::kInteger, .integer = read<int32_t>()});
        return true;
      case 0x8a:
        push({.kind = Kind::kInteger, .integer = read_long()});
        return true;
      case 'X':
        push({.kind = Kind::kText, .text = std::string(take(read<uint32_t>()))});
        return true;
      case 'c':
        push_global();
        return true;
      case 'q':
        memo_[read<uint8_t>()] = top();
        return true;
      case 'r':
        memo_[read<uint32_t>()] = top();
        return true;
      case 'h':
        push_memo(read<uint8_t>());
        return true;
      case 'j':
        push_memo(read<uint32_t>());
        return true;
      default:
        return false;
    }
  }

  bool run_container(uint8_t opcode) {
    switch (opcode) {
      case '}':
        push({.kind = Kind::kDict});
        return true;
      case ')':
        push({.kind = Kind::kTuple});
        return true;
      case '(':
        marks_.push_back(stack_.size());
        return true;
      case 't':
        push_tuple(pop_to_mark());
        return true;
      case 0x85:
        push_tuple(pop_last(1));
        return true;
      case 0x86:
        push_tuple(pop_last(2));
        return true;
      case 0x87:
        push_tuple(pop_last(3));
        return true;
      case 's':
        set_items(pop_last(2));
        return true;
      case 'u':
        set_items(pop_to_mark());
        return true;
      case 'Q':
        push_storage(*pop(Kind::kTuple));
        return true;
      case 'R':
        reduce();
        return true;
      case 'b':
        pop(Kind::kDict);
        top_of(Kind::kDict);
        return true;  // BUILD: a state_dict's _metadata, not needed
      default:
        return false;
    }
  }

  void push_global() {
    const std::string_view module = take_line();
    const std::string name = fmt::format("{}.{}", module, take_line());
    const bool is_known = name == "collections.OrderedDict" || name == "torch._utils._rebuild_tensor_v2" ||
                          name == "torch._utils._rebuild_parameter" || dtype_of_storage_class(name);
    if (!is_known) refuse("a dict of tensors and nothing else", printable(name) + ", which was not run");
    push({.kind = Kind::kGlobal, .text = name});
  }

  // ("storage", class, key, device, element count)
  void push_storage(const Object& id) {
    const auto dtype = id.items.size() == 5 && id.items[1]->kind == Kind::kGlobal
                           ? dtype_of_storage_class(id.items[1]->text)
                           : std::nullopt;
    if (!dtype || id.items[2]->kind != Kind::kText || id.items[4]->kind != Kind::kInteger) {
      refuse("a storage's type, record and size", "another persistent id");
    }
    push({.kind = Kind::kStorage,
          .tensor = storages_.storage(id.items[2]->text, *dtype, id.items[4]->integer)});
  }

  void reduce() {
    const Object& arguments = *pop(Kind::kTuple);
    const Object& function = *pop(Kind::kGlobal);
    if (function.text == "collections.OrderedDict" && arguments.items.empty()) {
      push({.kind = Kind::kDict});
    } else if (function.text == "torch._utils._rebuild_parameter" && has_kinds(arguments, {Kind::kTensor})) {
      push({.kind = Kind::kTensor, .tensor = arguments.items[0]->tensor});
    } else if (function.text == "torch._utils._rebuild_tensor_v2" &&
               has_kinds(arguments, {Kind::kStorage, Kind::kInteger, Kind::kTuple, Kind::kTuple})) {
      const TensorView view{arguments.items[1]->integer, integers_of(*arguments.items[2]),
                            integers_of(*arguments.items[3])};
      push({.kind = Kind::kTensor, .tensor = storages_.tensor(arguments.items[0]->tensor, view)});
    } else {
      refuse("a tensor or an OrderedDict", "a call of " + function.text + " with other arguments");
    }
  }

  // What follows in a tensor's arguments (requires_grad, hooks) says nothing about its values.
  static bool has_kinds(const Object& tuple, const std::vector<Kind>& kinds) {
    if (tuple.items.size() < kinds.size()) return false;
    for (size_t i = 0; i < kinds.size(); ++i) {
      if (tuple.items[i]->kind != kinds[i]) return false;
    }
    return true;
  }

  std::vector<int64_t> integers_of(const Object& tuple) const {
    std::vector<int64_t> integers;
    for (const Object* item : tuple.items) {
      if (item->kind != Kind::kInteger) refuse("whole numbers as shape and strides", name_of(item->kind));
      integers.push_back(item->integer);
    }
    return integers;
  }

  void set_items(std::vector<Object*> keys_and_values) {
    if (keys_and_values.size() % 2 != 0) refuse("keys with values", "a key without a value");
    auto& items = top_of(Kind::kDict)->items;
    items.insert(items.end(), keys_and_values.begin(), keys_and_values.end());
  }

  NamedTensors tensors_of(const Object& dict) const {
    NamedTensors tensors;
    for (size_t i = 0; i < dict.items.size(); i += 2) {
      const Object& key = *dict.items[i];
      const Object& value = *dict.items[i + 1];
      if (key.kind != Kind::kText) refuse("names as keys", name_of(key.kind));
      if (value.kind != Kind::kTensor)
        refuse("tensors only", name_of(value.kind) + " under \"" + printable(key.text) + "\"");
      if (!tensors.emplace(key.text, value.tensor).second)
        refuse("every name once", "\"" + printable(key.text) + "\" again");
    }
    return tensors;
  }

  void push(Object object) { stack_.push_back(&objects_.emplace_back(std::move(object))); }

  void push_tuple(std::vector<Object*> items) { push({.kind = Kind::kTuple, .items = std::move(items)}); }

  void push_memo(uint32_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) refuse("what was said before", fmt::format("memo {}, which is empty", index));
    stack_.push_back(found->second);
  }

  Object* top() const {
    if (stack_.empty()) refuse("a value", "an empty stack");
    return stack_.back();
  }

  Object* top_of(Kind kind) const {
    if (top()->kind != kind) refuse(name_of(kind), name_of(top()->kind));
    return top();
  }

  Object* pop(Kind kind) {
    Object* object = top_of(kind);
    stack_.pop_back();
    return object;
  }

  std::vector<Object*> pop_last(size_t count) {
    if (stack_.size() < count) refuse("a value", "an empty stack");
    std::vector<Object*> last(stack_.end() - static_cast<int64_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return last;
  }

  std::vector<Object*> pop_to_mark() {
    if (marks_.empty() || marks_.back() > stack_.size()) refuse("a mark", "none");
    const size_t count = stack_.size() - marks_.back();
    marks_.pop_back();
    return pop_last(count);
  }

  template <typename Integer>
  Integer read() {
    Integer value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }

  int64_t read_long() {  // LONG1: little-endian two's complement of any length
    const std::string_view bytes = take(read<uint8_t>());
    if (bytes.size() > sizeof(int64_t))
      refuse("numbers of at most 64 bits", fmt::format("{} bytes", bytes.size()));
    uint64_t value = !bytes.empty() && static_cast<int8_t>(bytes.back()) < 0 ? ~uint64_t{0} : 0;
    if (!bytes.empty()) std::memcpy(&value, bytes.data(), bytes.size());
    return static_cast<int64_t>(value);
  }

  std::string_view take(size_t bytes) {
    if (bytes > rest_.size()) refuse("more of the pickle", "its end");
    const std::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return taken;
  }

  std::string_view take_line() {
    const size_t end = rest_.find('\n');
    if (end == std::string_view::npos) refuse("more of the pickle", "its end");
    const std::string_view line = take(end);
    take(1);
    return line;
  }

  [[noreturn]] void refuse(const std::string& expected, const std::string& seen) const {
    throw Error(
        ExitCode::kBadData,
        {.what = "the .pt file does not hold a plain dict of tensors, or is damaged",
         .expected = expected,
         .seen = seen,
         .where = file_.string(),
         .advice = "save it in Python with torch.save({name: tensor, ...}, file), or as safetensors"});
  }

  std::string_view rest_;
  StorageTable storages_;
  const std::filesystem::path& file_;
  std::deque<Object> objects_;
  std::vector<Object*> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint32_t, Object*> memo_;
};

}  // namespace

NamedTensors read_tensor_pickle(std::string_view pickle, const RecordReader& read_record,
                                const std::filesystem::path& file) {
  return Machine(pickle, read_record, file).run();
}

}  // namespace sdlora::checkpoint
