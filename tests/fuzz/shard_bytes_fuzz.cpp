// The HDF5 files of a cache. An input is a list of changes to a small valid file, since such a file has more
// than the 4 kB that a fuzzer likes: a byte that says which file, then for each change its place (2 bytes),
// its length (1 byte) and the new bytes. Its checksums are not set right: what is stored behind them is
// damaged or as it was.
#include <fstream>
#include <iterator>

#include <ATen/ATen.h>

#include "data/shards/shard_reader.h"
#include "data/shards/shard_writer.h"
#include "data/shards/text_file.h"
#include "tests/fuzz/fuzz_file.h"
#include "tests/fuzz/fuzz_verdict.h"
#include "tests/fuzz/text_rows.h"

using namespace sdlora;

namespace {

std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::string valid_shard(int64_t planes) {
  const std::filesystem::path file = fuzz::folder() / "valid.h5";
  data::write_shard(file, {.header = {.picture_size = data::square(16),
                                      .vae_scaling_factor = 0.18215,
                                      .vae_sha256 = "aa",
                                      .inputs_sha256 = "bb"},
                           .latents = at::ones({planes, 2, 4, 2, 2}),
                           .caption_index = {0, 1},
                           .source = {"a.png", "b.png"},
                           .source_sha256 = {"cc", "dd"}});
  return bytes_of(file);
}

std::string valid_text_file() {
  const std::filesystem::path file = fuzz::folder() / "valid.h5";
  data::write_text_file(file, {.text_encoder_sha256 = "aa",
                               .tokenizer_sha256 = "bb",
                               .inputs_sha256 = "cc",
                               .embedding = at::ones({2, 3, 4}),
                               .caption = {"", "a fox"}});
  return bytes_of(file);
}

void change(std::string& bytes, std::string_view changes) {
  while (changes.size() > 3) {
    const auto byte = [&](size_t at) { return static_cast<uint8_t>(changes[at]); };
    const size_t at = (byte(0) | byte(1) << 8) % bytes.size();
    const std::string_view part = changes.substr(3, byte(2));
    if (part.empty())
      bytes.resize(std::max<size_t>(at, 1));  // cut off
    else
      for (size_t i = 0; i < part.size() && at + i < bytes.size(); ++i) bytes[at + i] = part[i];
    changes.remove_prefix(3 + part.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string valid[] = {valid_shard(data::kPlanesPlain), valid_shard(data::kPlanesFlip),
                                      valid_text_file()};
  if (size == 0) return 0;
  const size_t which = data[0] % 4;
  std::string bytes = which < 3 ? valid[which] : std::string(fuzz::text_of(data + 1, size - 1));
  if (which < 3) change(bytes, fuzz::text_of(data + 1, size - 1));
  const std::filesystem::path file = fuzz::write_file("input.h5", bytes);
  if (which != 2)
    fuzz::expect_orderly([&] {
      (void)data::ShardFile(file).read_latents_of(1);
      (void)data::read_shard(file);
    });
  if (which >= 2) fuzz::expect_orderly([&] { fuzz::read_text_rows(file); });
  return 0;
}
