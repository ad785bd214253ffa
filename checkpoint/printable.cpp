#include "checkpoint/printable.h"

#include "common/shown_text.h"

namespace sdlora::checkpoint {
namespace {

constexpr size_t kMaximumBytes = 100;

}  // namespace

std::string printable(std::string_view text_of_a_file) {
  return shown_line(text_of_a_file, kMaximumBytes);
}

}  // namespace sdlora::checkpoint
