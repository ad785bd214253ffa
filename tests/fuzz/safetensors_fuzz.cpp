// A safetensors file: as it comes, also by its content, whatever that is, and as a header alone before data
// of a length that fits it.
#include <ATen/ATen.h>

#include "checkpoint/safetensors.h"
#include "checkpoint/safetensors_header.h"
#include "checkpoint/tensor_file.h"
#include "tests/fuzz/fuzz_file.h"
#include "tests/fuzz/fuzz_verdict.h"

using namespace sdlora;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes = fuzz::text_of(data, size);
  const std::filesystem::path file = fuzz::write_file("input.safetensors", bytes);
  fuzz::expect_orderly([&] {
    checkpoint::Metadata metadata;
    for (const auto& [name, tensor] : checkpoint::read_safetensors(file, &metadata))
      (void)tensor.to(at::kFloat).sum();
  });
  fuzz::expect_orderly([&] {
    const auto opened = checkpoint::open_tensor_file(file);
    for (const auto& [name, description] : opened->tensors())
      fuzz::expect_orderly([&, &key = name] { (void)opened->tensor(key).to(at::kFloat).sum(); });
  });
  if (bytes.size() < 8) return 0;
  // Whatever the length before it says, as the header of a file with data of up to 64 KiB.
  const uint64_t data_bytes = static_cast<uint64_t>(data[0]) | static_cast<uint64_t>(data[1]) << 8;
  fuzz::expect_orderly([&] { checkpoint::check_safetensors_header(bytes.substr(8), data_bytes, file); });
  return 0;
}
