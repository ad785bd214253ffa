// manifest.json of a cache, whose other files are not there.
#include <cstdlib>

#include <ATen/ATen.h>

#include "data/shards/cache_files.h"
#include "tests/fuzz/fuzz_file.h"
#include "tests/fuzz/fuzz_verdict.h"

using namespace sdlora;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::write_file("cache/manifest.json", fuzz::text_of(data, size));
  fuzz::expect_orderly([&] {
    const data::Manifest manifest = data::read_manifest(fuzz::folder() / "cache");
    if (manifest.picture_count() < 0) std::abort();
    (void)data::to_json_text(manifest);
    data::verify_cache(fuzz::folder() / "cache");
  });
  return 0;
}
