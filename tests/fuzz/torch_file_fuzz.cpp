// A .pt or .ckpt file: as it comes, for the reader of adapters and for that of models; as the pickle alone,
// of an archive that has every record; and with its checksums set right, since what lies behind a CRC-32 is
// otherwise not reached.
#include <cstring>

#include <ATen/ATen.h>
#include <zlib.h>

#include "checkpoint/tensor_file.h"
#include "checkpoint/torch_pickle.h"
#include "checkpoint/torch_zip.h"
#include "tests/fuzz/fuzz_file.h"
#include "tests/fuzz/fuzz_verdict.h"

using namespace sdlora;

namespace {

constexpr size_t kEntryBytes = 46, kLocalBytes = 30;

uint32_t read_u32(const std::string& bytes, size_t at) {
  uint32_t value = 0;
  std::memcpy(&value, &bytes[at], sizeof value);
  return value;
}

// Each directory entry gets the CRC-32 of what it points to, where it points into the file.
std::string with_right_checksums(std::string bytes) {
  for (size_t entry = bytes.find("PK\1\2"); entry != std::string::npos;
       entry = bytes.find("PK\1\2", entry + 1)) {
    if (entry + kEntryBytes > bytes.size()) break;
    const size_t length = read_u32(bytes, entry + 24), local = read_u32(bytes, entry + 42);
    if (local + kLocalBytes > bytes.size()) continue;
    const uint32_t names = read_u32(bytes, local + 26);
    const size_t begin = local + kLocalBytes + (names & 0xFFFF) + (names >> 16);
    if (begin > bytes.size() || length > bytes.size() - begin) continue;
    const auto checksum = static_cast<uint32_t>(
        crc32(0, reinterpret_cast<const Bytef*>(&bytes[begin]), static_cast<uInt>(length)));
    std::memcpy(&bytes[entry + 16], &checksum, sizeof checksum);
    std::memcpy(&bytes[local + 14], &checksum, sizeof checksum);
  }
  return bytes;
}

void use(const checkpoint::NamedTensors& tensors) {
  for (const auto& [name, tensor] : tensors)
    if (tensor.numel() < 100'000) (void)tensor.to(at::kFloat).sum();
}

void read_both_ways(std::string_view bytes) {
  const std::filesystem::path file = fuzz::write_file("input.pt", bytes);
  fuzz::expect_orderly([&] { use(checkpoint::read_torch_zip(file)); });
  fuzz::expect_orderly([&] {
    const auto opened = checkpoint::open_tensor_file(file);
    // One that cannot be read is in nobody's way.
    for (const auto& [name, description] : opened->tensors())
      fuzz::expect_orderly([&, &key = name] { use({{key, opened->tensor(key)}}); });
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes = fuzz::text_of(data, size);
  read_both_ways(bytes);
  if (bytes.starts_with("PK")) {
    read_both_ways(with_right_checksums(std::string(bytes)));
    return 0;
  }
  static const std::string record(64, 'x');
  fuzz::expect_orderly([&] {
    use(checkpoint::read_tensor_pickle(
        bytes, [](const std::string&) { return std::string_view(record); }, "input.pt"));
  });
  return 0;
}
