// The chunks of a WebP file (developers.google.com/speed/webp/docs/riff_container).
#pragma once

#include <string>
#include <string_view>

namespace sdlora::data {

// An animated file's first frame as a still WebP file; a still file's own bytes. OpenCV reads stills only.
// Throws UnusableImage for a first frame that does not fill the canvas, and for a damaged container.
std::string still_webp(std::string_view bytes);

}  // namespace sdlora::data
