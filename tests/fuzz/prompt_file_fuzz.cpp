// --prompt-file.
#include "inference/prompt_file.h"
#include "tests/fuzz/fuzz_file.h"
#include "tests/fuzz/fuzz_verdict.h"

using namespace sdlora;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::filesystem::path file = fuzz::write_file("prompts.txt", fuzz::text_of(data, size));
  fuzz::expect_orderly([&] { (void)inference::read_prompt_file(file); });
  return 0;
}
