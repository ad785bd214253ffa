// The pickle machine: a stack, marks in it, a memo (Lib/pickletools.py of CPython describes the opcodes).
// It understands the opcodes of protocols 2 to 5 and calls nothing: a global is a word to compare, and what
// an unknown one would make is an opaque value (pickle_calls.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "checkpoint/pickle_objects.h"

namespace sdlora::checkpoint {

class PickleMachine {
 public:
  // `bytes` begins with a pickle and outlives this.
  PickleMachine(std::string_view bytes, const std::filesystem::path& file)
      : bytes_(bytes), objects_(bytes, file) {}

  // What the next pickle says. Throws Error(kBadData) naming the file and the flaw.
  Value run();

  // The first byte behind the pickles that were run.
  uint64_t end_byte() const { return position_; }

  const PickleObjects& objects() const { return objects_; }

 private:
  bool run_scalar(uint8_t opcode);
  bool run_text(uint8_t opcode);
  bool run_memo(uint8_t opcode);
  bool run_container(uint8_t opcode);
  bool run_call(uint8_t opcode);

  void push(const Value& value);
  void push_text(Kind kind, uint64_t bytes);
  void push_long(uint64_t bytes);
  void push_memo(uint32_t index);
  void memoize(uint32_t index);
  void push_global(const Value& module, const Value& name);
  void pop();
  Value pop_value();
  std::vector<Value> pop_last(size_t count);
  std::vector<Value> pop_to_mark();
  void add_items(Kind kind, std::vector<Value> items);
  void new_object_with_keywords();
  const Value& top() const;

  template <typename Integer>
  Integer read();
  std::string_view take(uint64_t bytes);
  Value take_line();

  std::string_view bytes_;
  uint64_t position_ = 0;
  PickleObjects objects_;
  std::vector<Value> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint32_t, Value> memo_;
};

}  // namespace sdlora::checkpoint
