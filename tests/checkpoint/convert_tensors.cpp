// For python_files_test.py and python_checkpoints_test.py: reads and writes tensor files as the programs do.
//
//   convert_tensors FROM TO          by the names' endings, .safetensors or .pt
//   convert_tensors open FROM TO     FROM by its content, as models are read
//   convert_tensors describe FILE    a line for each tensor: name, type, shape; no value is read
//   convert_tensors check FILE…      a line for each: "read FILE" or "refused FILE"
//   convert_tensors check-content FILE…   the same, as models are read
#include <iostream>

#include "checkpoint/safetensors.h"
#include "checkpoint/tensor_file.h"
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

NamedTensors open(const std::filesystem::path& file) {
  const auto opened = sdlora::checkpoint::open_tensor_file(file);
  NamedTensors tensors;
  for (const auto& [name, description] : opened->tensors()) tensors[name] = opened->tensor(name);
  return tensors;
}

void describe(const std::filesystem::path& file) {
  const auto opened = sdlora::checkpoint::open_tensor_file(file);
  for (const auto& [name, description] : opened->tensors())
    std::cout << name << " " << at::toString(description.dtype) << " " << at::IntArrayRef(description.shape)
              << "\n";
}

void check(const std::vector<std::string>& files, bool by_content) {
  for (const std::string& file : files) {
    try {
      by_content ? open(file) : read(file, nullptr);
      std::cout << "read " << file << "\n";
    } catch (const sdlora::Error&) {
      std::cout << "refused " << file << "\n";
    }
  }
}

void run(const std::vector<std::string>& arguments) {
  if (arguments.size() >= 2 && (arguments[0] == "check" || arguments[0] == "check-content")) {
    check({arguments.begin() + 1, arguments.end()}, arguments[0] == "check-content");
  } else if (arguments.size() == 2 && arguments[0] == "describe") {
    describe(arguments[1]);
  } else if (arguments.size() == 3 && arguments[0] == "open") {
    write(arguments[2], open(arguments[1]), {});
  } else if (arguments.size() == 2) {
    Metadata metadata;
    const NamedTensors tensors = read(arguments[0], &metadata);
    write(arguments[1], tensors, metadata);
  } else {
    throw sdlora::Error(sdlora::ExitCode::kUsage,
                        {.what = "FROM TO, open FROM TO, describe FILE or check FILE…"});
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run({argv + 1, argv + argc});
    return 0;
  } catch (const sdlora::Error& error) {
    std::cerr << error.what() << "\n";
    return static_cast<int>(error.exit_code());
  }
}
