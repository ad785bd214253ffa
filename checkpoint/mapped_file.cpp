#include "checkpoint/mapped_file.h"

#include <sys/mman.h>

#include "common/error.h"

namespace sdlora::checkpoint {

MappedFile::MappedFile(const PosixFile& file)
    : byte_count_(file.byte_count()),
      address_(::mmap(nullptr, byte_count_, PROT_READ, MAP_SHARED, file.descriptor(), 0)) {
  if (address_ == MAP_FAILED) {
    throw Error(ExitCode::kIo, Problem{.what = "cannot map the file into memory",
                                       .seen = system_error_text(),
                                       .where = file.path().string()});
  }
}

MappedFile::~MappedFile() {
  ::munmap(address_, byte_count_);
}

}  // namespace sdlora::checkpoint
