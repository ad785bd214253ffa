#include "data/images/picture_size.h"

#include <fmt/format.h>

namespace sdlora::data {

std::string to_text(const PictureSize& size) {
  return fmt::format("{}x{}", size.width, size.height);
}

std::string in_words(const PictureSize& size) {
  return size.is_square() ? fmt::format("{}²", size.width) : fmt::format("{} × {}", size.width, size.height);
}

std::optional<LatentSize> latent_size(const PictureSize& size, int64_t cell_pixels) {
  if (size.width % cell_pixels != 0 || size.height % cell_pixels != 0) return std::nullopt;
  return LatentSize{.width = size.width / cell_pixels, .height = size.height / cell_pixels};
}

}  // namespace sdlora::data
