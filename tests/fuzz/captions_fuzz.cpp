// Captions of a folder: the parts of the input are a.txt, metadata.jsonl in the folder, metadata.jsonl in a
// folder below it and metadata.csv in another.
#include "data/captions/captions.h"
#include "tests/fuzz/fuzz_file.h"
#include "tests/fuzz/fuzz_verdict.h"

using namespace sdlora;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest = fuzz::text_of(data, size);
  for (const std::string name :
       {"images/a.txt", "images/metadata.jsonl", "images/sub/metadata.jsonl", "images/rows/metadata.csv"})
    fuzz::write_file(name, fuzz::take_part(rest));
  const std::filesystem::path folder = fuzz::folder() / "images";
  const auto find = [&](const std::vector<std::string>& sources, const data::CaptionPlaces& places) {
    fuzz::expect_orderly([&] {
      data::CaptionTable table;
      (void)data::find_captions(folder, sources, places, table);
    });
  };
  find({"a.png"}, {});
  find({"b.png", "sub/c.png", "sub/d.png"}, {});
  find({"rows/b.png", "rows/c.png"}, {});
  find({"a.png", "sub/c.png", "e.png"}, {.for_the_rest = "one"});
  return 0;
}
