// kohya's data-set file, as TOML and as JSON.
#include "data/caching/dataset_config.h"
#include "tests/fuzz/fuzz_file.h"
#include "tests/fuzz/fuzz_verdict.h"

using namespace sdlora;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(fuzz::text_of(data, size));
  data::PictureSubset otherwise;
  otherwise.size = data::square(512);
  for (const char* name : {"set.toml", "set.json"})
    fuzz::expect_orderly([&] { (void)data::parse_dataset_config(text, name, otherwise); });
  return 0;
}
