// For python_files_test.py: reads and writes tensor files as the programs do.
//
//   convert_tensors FROM TO          by the names' endings, .safetensors or .pt
//   convert_tensors check FILE…      a line for each: "read FILE" or "refused FILE"
#include <iostream>

#include "checkpoint/safetensors.h"
#include "checkpoint/torch_zip.h"
#include "common/error.h"

namespace {

using sdlora::checkpoint::Metadata;
using sdlora::checkpoint::NamedTensors;

NamedTensors read(const std::filesystem::path& file, Metadata* metadata) {
  if (file.extension() == ".pt") return sdlora::checkpoint::read_torch_zip(file);
  return sdlora::checkpoint::read_safetensors(file, metadata);
}

void write(const std::filesystem::path& file, const NamedTensors& tensors, const Metadata& metadata) {
  if (file.extension() == ".pt") return sdlora::checkpoint::write_torch_zip(file, tensors);
  sdlora::checkpoint::write_safetensors(file, tensors, metadata);
}

void check(const std::vector<std::string>& files) {
  for (const std::string& file : files) {
    try {
      read(file, nullptr);
      std::cout << "read " << file << "\n";
    } catch (const sdlora::Error&) {
      std::cout << "refused " << file << "\n";
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (arguments.size() >= 2 && arguments[0] == "check") {
      check({arguments.begin() + 1, arguments.end()});
      return 0;
    }
    if (arguments.size() != 2) return static_cast<int>(sdlora::ExitCode::kUsage);
    Metadata metadata;
    const NamedTensors tensors = read(arguments[0], &metadata);
    write(arguments[1], tensors, metadata);
    return 0;
  } catch (const sdlora::Error& error) {
    std::cerr << error.what() << "\n";
    return static_cast<int>(error.exit_code());
  }
}
