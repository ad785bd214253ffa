// A regular expression, and after a line that is "====" what it is looked for in.
#include "common/pattern.h"
#include "tests/fuzz/fuzz_verdict.h"

using namespace sdlora;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view subject = fuzz::text_of(data, size);
  const std::string text(fuzz::take_part(subject));
  fuzz::expect_orderly([&] {
    const Pattern pattern(text, "--lora-targets", ExitCode::kUsage);
    fuzz::expect_orderly([&] { (void)pattern.is_found_in(subject); });
    fuzz::expect_orderly([&] { (void)pattern.matches(subject); });
  });
  return 0;
}
