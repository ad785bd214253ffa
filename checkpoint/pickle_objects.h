// What a pickle says, as plain data. Values are small and point at each other by number: no recursion, also
// where a file makes a cycle, and no more memory than a bounded number of them takes.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/pickle_globals.h"
#include "checkpoint/torch_pickle.h"
#include "common/error.h"

namespace sdlora::checkpoint {

enum class Kind : uint8_t {
  kNone,
  kBoolean,
  kInteger,
  kNumber,  // with a fraction, or a whole one beyond 64 bits
  kText,
  kBytes,
  kGlobal,
  kTuple,
  kList,
  kSet,
  kDict,
  kStorage,
  kTensor,
  kOpaque,  // what a global that we do not know would have made
};

std::string name_of(Kind kind);

// Of a pickle that names something which can serve nothing but running something.
class DangerousPickle : public Error {
 public:
  using Error::Error;
};

struct Value {
  Kind kind = Kind::kNone;
  uint32_t text_bytes = 0;
  // kBoolean, kInteger: the value; kText: where it begins in the pickle; kGlobal, kOpaque: of globals();
  // containers, storages, tensors: their number
  int64_t number = 0;
};

struct Global {
  std::string name;  // "module.name"
  GlobalMeaning meaning;
};

struct Container {
  std::vector<Value> items;  // kDict: key, value, key, value …
  bool is_parameter_dict = false;
};

// A tensor whose shape and strides are still the tuples that the pickle gave for them.
struct RebuiltTensor {
  size_t storage;  // in storages(), when `global` is none
  at::ScalarType dtype;
  int64_t begin_element;
  Value shape, strides;
};

class PickleObjects {
 public:
  // `bytes` holds the pickle and outlives this.
  PickleObjects(std::string_view bytes, std::filesystem::path file) : bytes_(bytes), file_(std::move(file)) {}

  // Counts what a pickle has made, by whichever opcode; refuses more than any file of weights needs.
  void spend(size_t values);

  Value add_container(Kind kind, std::vector<Value> items = {});
  Value add_global(std::string_view module, std::string_view name);  // DangerousPickle for such a one
  Value add_storage(PickledStorage storage);
  Value add_tensor(const RebuiltTensor& tensor);

  std::string_view text(const Value& value) const;  // of kText

  Container& container(const Value& value) { return containers_[static_cast<size_t>(value.number)]; }

  const Container& container(const Value& value) const {
    return containers_[static_cast<size_t>(value.number)];
  }

  const Global& global(const Value& value) const { return globals_[static_cast<size_t>(value.number)]; }

  const RebuiltTensor& tensor(const Value& value) const {
    return tensors_[static_cast<size_t>(value.number)];
  }

  const std::vector<PickledStorage>& storages() const { return storages_; }

  // What it is, for a message: "a list", "posix.mkdir, which was not run".
  std::string shown(const Value& value) const;

  [[noreturn]] void refuse(const std::string& expected, const std::string& seen) const;

 private:
  std::string_view bytes_;
  std::filesystem::path file_;
  size_t spent_ = 0;
  std::deque<Container> containers_;
  std::vector<Global> globals_;
  std::map<std::string, size_t, std::less<>> number_of_global_;
  std::vector<PickledStorage> storages_;
  std::map<PickledStorage, size_t> number_of_storage_;
  std::deque<RebuiltTensor> tensors_;
};

}  // namespace sdlora::checkpoint
