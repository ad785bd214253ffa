// The values that training begins with, where they come from another adapter.
#pragma once

#include "lora/adapter.h"
#include "lora/adapter_file.h"

namespace sdlora::lora {

struct BegunFrom {
  int64_t module_count = 0;   // of the adapter's, that have values of the file now
  int64_t reduced_count = 0;  // of these, whose rank in the file was higher
  LeftOut left_out;           // what of the file is not used
};

// Gives every module of `adapter` that `file` has the file's branch: the same function, (alpha / r) B A, at
// the module's own rank and alpha. A lower rank is filled up with the rows of A and zeros of B that
// `adapter` has before its first step; a higher one is cut to the best approximation (Eckart and Young 1936).
// Of a DoRA the magnitudes are taken where `adapter` is one, too; those of a LoRA become such that the
// function is the same. Modules that the file does not have stay as they are. Throws Error(kBadData) when
// shapes differ or nothing fits.
BegunFrom begin_from(Adapter& adapter, const AdapterFile& file);

}  // namespace sdlora::lora
