#include "data/shards/shard_format.h"

#include <fmt/format.h>

#include "common/error.h"

namespace sdlora::data {

int64_t square_side(const PictureSize& size) {
  if (!size.is_square())
    throw Error(ExitCode::kInternal, {.what = "a cache of this format holds square pictures only",
                                      .seen = in_words(size) + " pixels"});
  return size.width;
}

std::string shard_file_name(int64_t shard_index) {
  return fmt::format("shard-{:05}.h5", shard_index);
}

const char* latent_dataset_name(int64_t plane) {
  constexpr const char* kNames[kPlanesFlip] = {"latent_mean", "latent_std", "latent_mean_flip",
                                               "latent_std_flip"};
  return kNames[plane];
}

}  // namespace sdlora::data
