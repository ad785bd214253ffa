// What a decoder makes of picture files, for a comparison from outside.
//
//   picture_probe OUTPUT FILE WIDTHxHEIGHT [FILE WIDTHxHEIGHT …]
//
// Writes height × width × 3 bytes of RGB of each file to OUTPUT, one after the other. Prints "FILE: reason"
// of one that is unusable, and ends with 1.
#include <cstdio>
#include <fstream>
#include <string>

#include "data/images/image_bytes.h"
#include "data/images/image_file.h"
#include "data/images/image_pixels.h"

int main(int argument_count, char** arguments) {
  using namespace sdlora;
  if (argument_count < 2) return 64;
  std::ofstream output(arguments[1], std::ios::binary);
  int exit_code = 0;
  for (int argument = 2; argument + 1 < argument_count; argument += 2) {
    data::PictureSize size;
    if (std::sscanf(arguments[argument + 1], "%ldx%ld", &size.width, &size.height) != 2) return 64;
    try {
      const std::vector<uint8_t> rgb = data::decode_cropped(data::read_image_file(arguments[argument]), size);
      output.write(reinterpret_cast<const char*>(rgb.data()), static_cast<std::streamsize>(rgb.size()));
    } catch (const data::UnusableImage& reason) {
      std::printf("%s: %s\n", arguments[argument], reason.what());
      exit_code = 1;
    }
  }
  return exit_code;
}
