#include "checkpoint/torch_legacy.h"

#include <cstring>

#include <fmt/format.h>

#include "checkpoint/pickle_machine.h"
#include "checkpoint/printable.h"
#include "common/error.h"

namespace sdlora::checkpoint {
namespace {

// 0x1950a86a20f9469cfc6c, as pickle writes whole numbers (torch/serialization.py, MAGIC_NUMBER).
constexpr std::string_view kMagicNumber{"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 12};
constexpr size_t kMagicWithinBytes = 32;  // protocol 4 puts a frame before it
constexpr int64_t kLegacyProtocol = 1001;

bool is_big_endian(const PickleObjects& objects, const Value& system) {
  if (system.kind != Kind::kDict) return false;
  const std::vector<Value>& items = objects.container(system).items;
  for (size_t i = 0; i + 1 < items.size(); i += 2) {
    if (items[i].kind == Kind::kText && objects.text(items[i]) == "little_endian")
      return items[i + 1].kind == Kind::kBoolean && items[i + 1].number == 0;
  }
  return false;
}

[[noreturn]] void refuse_legacy(const std::string& what, const std::string& expected, const std::string& seen,
                                const std::filesystem::path& file) {
  throw Error(ExitCode::kBadData, {.what = what,
                                   .expected = expected,
                                   .seen = seen,
                                   .where = file.string(),
                                   .advice = "copy or download the file again"});
}

// Bytes of an element of each storage: the file does not say them where the storages lie.
std::map<std::string_view, uint64_t> element_bytes_of(const std::vector<PickledStorage>& storages,
                                                      const std::filesystem::path& file) {
  std::map<std::string_view, uint64_t> element_bytes;
  for (const PickledStorage& storage : storages) {
    const uint64_t bytes = c10::elementSize(storage.dtype);
    const auto [place, is_new] = element_bytes.emplace(storage.key, bytes);
    if (!is_new && place->second != bytes)
      refuse_legacy("the .pt file contradicts itself about a storage", "one type for each",
                    printable(storage.key), file);
  }
  return element_bytes;
}

}  // namespace

bool is_legacy_torch_file(std::string_view bytes) {
  return bytes.starts_with('\x80') &&
         bytes.substr(0, kMagicWithinBytes).find(kMagicNumber) != std::string_view::npos;
}

TorchContents read_legacy_contents(std::string_view bytes, size_t most_pickle_bytes,
                                   const std::filesystem::path& file) {
  PickleMachine machine(bytes.substr(0, most_pickle_bytes), file);
  machine.run();  // the magic number
  const Value protocol = machine.run();
  if (protocol.kind != Kind::kInteger || protocol.number != kLegacyProtocol) {
    refuse_legacy("the .pt file of torch before 1.6 is damaged", fmt::format("protocol {}", kLegacyProtocol),
                  machine.objects().shown(protocol), file);
  }
  if (is_big_endian(machine.objects(), machine.run()))
    refuse_legacy("the .pt file comes from a big-endian machine", "little-endian numbers", "", file);
  TorchContents contents{.pickle = tensors_of(machine.objects(), machine.run()), .storages = {}};
  const Value keys = machine.run();
  if (keys.kind != Kind::kList)
    refuse_legacy("the .pt file of torch before 1.6 is damaged", "a list of storages", name_of(keys.kind),
                  file);

  const auto element_bytes = element_bytes_of(contents.pickle.storages, file);
  uint64_t position = machine.end_byte();
  for (const Value& key_value : machine.objects().container(keys).items) {
    const std::string key(key_value.kind == Kind::kText ? machine.objects().text(key_value) : "");
    const auto element = element_bytes.find(key);
    if (element == element_bytes.end())
      refuse_legacy("the .pt file has a storage of a type that is not read",
                    "torch.FloatStorage and its like", "storage " + printable(key), file);
    int64_t count = 0;
    if (bytes.size() - position >= sizeof count) std::memcpy(&count, bytes.data() + position, sizeof count);
    const uint64_t left = bytes.size() - position < sizeof count ? 0 : bytes.size() - position - sizeof count;
    if (bytes.size() - position < sizeof count || count < 0 ||
        static_cast<uint64_t>(count) > left / element->second) {
      refuse_legacy("the .pt file is cut off",
                    fmt::format("storage {} of {} elements", printable(key), count),
                    fmt::format("{} bytes", left), file);
    }
    position += sizeof count;
    const uint64_t byte_count = static_cast<uint64_t>(count) * element->second;
    contents.storages[key] = {.begin_byte = position, .byte_count = byte_count, .checksum = std::nullopt};
    position += byte_count;
  }
  return contents;
}

}  // namespace sdlora::checkpoint
