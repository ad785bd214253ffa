// Numbers below 2⁻¹²⁶ count as 0 on this thread while one of these lives: an Intel core takes a hundred
// cycles for every product of such a number, and nothing here needs them. Programs flush them from their
// start (comm/run_program); tests and benchmarks call kernels without. AMX and AVX-512's BF16 always compute
// so.
#pragma once

#include <xmmintrin.h>

namespace sdlora::model::kernels {

class FlushedDenormals {
 public:
  FlushedDenormals() { _mm_setcsr(before_ | kFlushResults | kReadAsZero); }

  ~FlushedDenormals() { _mm_setcsr(before_); }

  FlushedDenormals(const FlushedDenormals&) = delete;
  FlushedDenormals& operator=(const FlushedDenormals&) = delete;

 private:
  static constexpr unsigned kFlushResults = 0x8000, kReadAsZero = 0x0040;  // FTZ and DAZ of MXCSR

  const unsigned before_ = _mm_getcsr();
};

}  // namespace sdlora::model::kernels
