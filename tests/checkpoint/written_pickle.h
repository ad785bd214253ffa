// Pickles made by hand, of protocol 2.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

namespace sdlora::checkpoint::written {

inline const std::string kProtocol = "\x80\x02";
inline const std::string kHooks = "ccollections\nOrderedDict\n)R";

template <typename Integer>
std::string bytes_of_integer(Integer value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

inline std::string text(const std::string& value) {
  return "X" + bytes_of_integer(static_cast<uint32_t>(value.size())) + value;
}

inline std::string integer(int64_t value) {
  return "\x8a\x08" + bytes_of_integer(value);
}

inline std::string tuple(const std::string& items) {
  return "(" + items + "t";
}

inline std::string storage(const std::string& storage_class, const std::string& key, int64_t elements) {
  return tuple(text("storage") + "c" + storage_class + "\n" + text(key) + text("cpu") + integer(elements)) +
         "Q";
}

// Of the class torch.NAME.
inline std::string torch_storage(const std::string& name, const std::string& key, int64_t elements) {
  return storage("torch\n" + name, key, elements);
}

inline std::string tensor(const std::string& storage, int64_t begin, const std::string& shape,
                          const std::string& strides) {
  return "ctorch._utils\n_rebuild_tensor_v2\n" +
         tuple(storage + integer(begin) + tuple(shape) + tuple(strides) + "\x89" + kHooks) + "R";
}

// Of the four floats of the record data/0, as [2, 2].
inline std::string good_tensor() {
  return tensor(torch_storage("FloatStorage", "0", 4), 0, integer(2) + integer(2), integer(2) + integer(1));
}

inline std::string dict_with(const std::string& items) {
  return "}(" + items + "u";
}

inline std::string dict_of(const std::string& items) {
  return kProtocol + dict_with(items) + ".";
}

}  // namespace sdlora::checkpoint::written
