#include "checkpoint/pickle_machine.h"

#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "checkpoint/pickle_calls.h"

namespace sdlora::checkpoint {
namespace {

constexpr int kLowestProtocol = 2, kHighestProtocol = 5;

}  // namespace

Value PickleMachine::run() {
  stack_.clear();
  marks_.clear();
  memo_.clear();
  while (true) {
    const auto opcode = read<uint8_t>();
    if (opcode == '.') return pop_value();
    if (!run_scalar(opcode) && !run_text(opcode) && !run_memo(opcode) && !run_container(opcode) &&
        !run_call(opcode)) {
      objects_.refuse("a pickle of protocol 2 to 5", fmt::format("pickle opcode 0x{:02x}", opcode));
    }
  }
}

bool PickleMachine::run_scalar(uint8_t opcode) {
  switch (opcode) {
    case 0x80:  // PROTO
      if (const int version = read<uint8_t>(); version < kLowestProtocol || version > kHighestProtocol)
        objects_.refuse("pickle protocol 2 to 5", fmt::to_string(version));
      return true;
    case 0x95:  // FRAME: the length says nothing that the opcodes in it do not say
      read<uint64_t>();
      return true;
    case 'N':
      push({.kind = Kind::kNone});
      return true;
    case 0x88:
      push({.kind = Kind::kBoolean, .number = 1});
      return true;
    case 0x89:
      push({.kind = Kind::kBoolean, .number = 0});
      return true;
    case 'K':
      push({.kind = Kind::kInteger, .number = read<uint8_t>()});
      return true;
    case 'M':
      push({.kind = Kind::kInteger, .number = read<uint16_t>()});
      return true;
    case 'J':
      push({.kind = Kind::kInteger, .number = read<int32_t>()});
      return true;
    case 0x8a:  // LONG1
      push_long(read<uint8_t>());
      return true;
    case 0x8b:  // LONG4
      push_long(read<uint32_t>());
      return true;
    case 'G':  // BINFLOAT
      take(sizeof(double));
      push({.kind = Kind::kNumber});
      return true;
    default:
      return false;
  }
}

bool PickleMachine::run_text(uint8_t opcode) {
  switch (opcode) {
    case 'X':  // BINUNICODE
    case 'T':  // BINSTRING, of Python 2
      push_text(Kind::kText, read<uint32_t>());
      return true;
    case 'U':   // SHORT_BINSTRING, of Python 2
    case 0x8c:  // SHORT_BINUNICODE
      push_text(Kind::kText, read<uint8_t>());
      return true;
    case 0x8d:  // BINUNICODE8
      push_text(Kind::kText, read<uint64_t>());
      return true;
    case 'B':  // BINBYTES
      push_text(Kind::kBytes, read<uint32_t>());
      return true;
    case 'C':  // SHORT_BINBYTES
      push_text(Kind::kBytes, read<uint8_t>());
      return true;
    case 0x8e:  // BINBYTES8
    case 0x96:  // BYTEARRAY8
      push_text(Kind::kBytes, read<uint64_t>());
      return true;
    default:
      return false;
  }
}

bool PickleMachine::run_memo(uint8_t opcode) {
  switch (opcode) {
    case 'q':
      memoize(read<uint8_t>());
      return true;
    case 'r':
      memoize(read<uint32_t>());
      return true;
    case 0x94:  // MEMOIZE
      memoize(static_cast<uint32_t>(memo_.size()));
      return true;
    case 'h':
      push_memo(read<uint8_t>());
      return true;
    case 'j':
      push_memo(read<uint32_t>());
      return true;
    case '0':
      pop();
      return true;
    case '1':
      pop_to_mark();
      return true;
    case '2':
      push(top());
      return true;
    default:
      return false;
  }
}

bool PickleMachine::run_container(uint8_t opcode) {
  switch (opcode) {
    case '}':
      push(objects_.add_container(Kind::kDict));
      return true;
    case ']':
      push(objects_.add_container(Kind::kList));
      return true;
    case ')':
      push(objects_.add_container(Kind::kTuple));
      return true;
    case 0x8f:
      push(objects_.add_container(Kind::kSet));
      return true;
    case '(':
      objects_.spend(1);
      marks_.push_back(stack_.size());
      return true;
    case 't':
      push(objects_.add_container(Kind::kTuple, pop_to_mark()));
      return true;
    case 0x85:
    case 0x86:
    case 0x87:
      push(objects_.add_container(Kind::kTuple, pop_last(opcode - 0x84)));
      return true;
    case 'l':
      push(objects_.add_container(Kind::kList, pop_to_mark()));
      return true;
    case 0x91:  // FROZENSET
      push(objects_.add_container(Kind::kSet, pop_to_mark()));
      return true;
    case 'd': {
      std::vector<Value> items = pop_to_mark();
      push(objects_.add_container(Kind::kDict));
      add_items(Kind::kDict, std::move(items));
      return true;
    }
    case 's':
      add_items(Kind::kDict, pop_last(2));
      return true;
    case 'u':
      add_items(Kind::kDict, pop_to_mark());
      return true;
    case 'a':
      add_items(Kind::kList, pop_last(1));
      return true;
    case 'e':
      add_items(Kind::kList, pop_to_mark());
      return true;
    case 0x90:  // ADDITEMS
      add_items(Kind::kSet, pop_to_mark());
      return true;
    default:
      return false;
  }
}

bool PickleMachine::run_call(uint8_t opcode) {
  switch (opcode) {
    case 'c': {
      const Value module = take_line();
      push_global(module, take_line());
      return true;
    }
    case 0x93: {  // STACK_GLOBAL
      const Value name = pop_value();
      push_global(pop_value(), name);
      return true;
    }
    case 'Q': {
      const Value id = pop_value();
      push(storage_of(objects_, id));
      return true;
    }
    case 'R':     // REDUCE
    case 0x81: {  // NEWOBJ
      const Value arguments = pop_value();
      push(call_of(objects_, pop_value(), arguments));
      return true;
    }
    case 0x92:  // NEWOBJ_EX
      new_object_with_keywords();
      return true;
    case 'b': {
      const Value state = pop_value();
      build(objects_, top(), state);
      return true;
    }
    default:
      return false;
  }
}

void PickleMachine::push(const Value& value) {
  objects_.spend(1);
  stack_.push_back(value);
}

void PickleMachine::push_text(Kind kind, uint64_t bytes) {
  const uint64_t begin = position_;
  take(bytes);
  if (bytes > std::numeric_limits<uint32_t>::max())
    objects_.refuse("text below 4 GiB", fmt::to_string(bytes));
  push({.kind = kind, .text_bytes = static_cast<uint32_t>(bytes), .number = static_cast<int64_t>(begin)});
}

void PickleMachine::push_long(uint64_t bytes) {  // little-endian two's complement of any length
  const std::string_view digits = take(bytes);
  if (digits.size() > sizeof(int64_t)) return push({.kind = Kind::kNumber});
  uint64_t value = !digits.empty() && static_cast<int8_t>(digits.back()) < 0 ? ~uint64_t{0} : 0;
  if (!digits.empty()) std::memcpy(&value, digits.data(), digits.size());
  push({.kind = Kind::kInteger, .number = static_cast<int64_t>(value)});
}

void PickleMachine::push_memo(uint32_t index) {
  const auto found = memo_.find(index);
  if (found == memo_.end())
    objects_.refuse("what was said before", fmt::format("memo {}, which is empty", index));
  push(found->second);
}

void PickleMachine::memoize(uint32_t index) {
  objects_.spend(1);
  memo_[index] = top();
}

void PickleMachine::push_global(const Value& module, const Value& name) {
  if (module.kind != Kind::kText || name.kind != Kind::kText)
    objects_.refuse("the name of a function or class", name_of(name.kind));
  push(objects_.add_global(objects_.text(module), objects_.text(name)));
}

void PickleMachine::pop() {  // POP: a value, or a mark with nothing on it
  if (!marks_.empty() && marks_.back() == stack_.size())
    marks_.pop_back();
  else
    pop_value();
}

Value PickleMachine::pop_value() {
  const Value value = top();
  stack_.pop_back();
  return value;
}

std::vector<Value> PickleMachine::pop_last(size_t count) {
  if (stack_.size() < count) objects_.refuse("a value", "an empty stack");
  std::vector<Value> last(stack_.end() - static_cast<int64_t>(count), stack_.end());
  stack_.resize(stack_.size() - count);
  return last;
}

std::vector<Value> PickleMachine::pop_to_mark() {
  if (marks_.empty() || marks_.back() > stack_.size()) objects_.refuse("a mark", "none");
  const size_t count = stack_.size() - marks_.back();
  marks_.pop_back();
  return pop_last(count);
}

// SETITEM(S), APPEND(S), ADDITEMS: onto what is on top by now. What an unknown class would do with them is
// not kept.
void PickleMachine::add_items(Kind kind, std::vector<Value> items) {
  if (kind == Kind::kDict && items.size() % 2 != 0)
    objects_.refuse("keys with values", "a key without a value");
  if (top().kind == Kind::kOpaque) return;
  if (top().kind != kind) objects_.refuse(name_of(kind), name_of(top().kind));
  std::vector<Value>& all = objects_.container(top()).items;
  all.insert(all.end(), items.begin(), items.end());
}

void PickleMachine::new_object_with_keywords() {
  if (pop_value().kind != Kind::kDict) objects_.refuse("a dict of arguments", "something else");
  const Value arguments = pop_value();
  push(call_of(objects_, pop_value(), arguments));
}

const Value& PickleMachine::top() const {
  if (stack_.empty()) objects_.refuse("a value", "an empty stack");
  return stack_.back();
}

template <typename Integer>
Integer PickleMachine::read() {
  Integer value;
  std::memcpy(&value, take(sizeof value).data(), sizeof value);
  return value;
}

std::string_view PickleMachine::take(uint64_t bytes) {
  if (bytes > bytes_.size() - position_) objects_.refuse("more of the pickle", "its end");
  const std::string_view taken = bytes_.substr(position_, bytes);
  position_ += bytes;
  return taken;
}

Value PickleMachine::take_line() {
  const size_t end = bytes_.find('\n', position_);
  if (end == std::string_view::npos || end - position_ > std::numeric_limits<uint32_t>::max())
    objects_.refuse("more of the pickle", "its end");
  const Value line{.kind = Kind::kText,
                   .text_bytes = static_cast<uint32_t>(end - position_),
                   .number = static_cast<int64_t>(position_)};
  position_ = end + 1;
  return line;
}

}  // namespace sdlora::checkpoint
