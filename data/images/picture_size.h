// How large a picture is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace sdlora::data {

struct PictureSize {
  int64_t width = 0;  // pixels
  int64_t height = 0;

  int64_t area() const { return width * height; }

  bool is_square() const { return width == height; }

  bool operator==(const PictureSize&) const = default;
};

inline PictureSize square(int64_t side_pixels) {
  return {side_pixels, side_pixels};
}

// "512x768", as other programs write it, too.
std::string to_text(const PictureSize& size);

// "512²" or "512 × 768", for people.
std::string in_words(const PictureSize& size);

// Of the latents of a picture.
struct LatentSize {
  int64_t width = 0;  // cells
  int64_t height = 0;
};

// `cell_pixels`: a cell's side (8 with Stable Diffusion's VAE). Nothing where it does not divide both sides.
std::optional<LatentSize> latent_size(const PictureSize& size, int64_t cell_pixels);

}  // namespace sdlora::data
