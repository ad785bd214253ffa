// CRC-32C (Castagnoli; RFC 3720, appendix B.4), which guards the records of TensorBoard's files.
#pragma once

#include <cstdint>
#include <string_view>

namespace sdlora::monitoring {

uint32_t crc32c(std::string_view bytes);

}  // namespace sdlora::monitoring
