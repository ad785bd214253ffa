#include "checkpoint/mapped_file.h"

#include <sys/mman.h>
#include <unistd.h>

#include "common/error.h"

namespace sdlora::checkpoint {

MappedFile::MappedFile(const PosixFile& file)
    : byte_count_(file.byte_count()),
      address_(::mmap(nullptr, byte_count_, PROT_READ, MAP_SHARED, file.descriptor(), 0)) {
  if (address_ == MAP_FAILED) {
    throw io_error("cannot map the file into memory", file.path());
  }
}

MappedFile::~MappedFile() {
  ::munmap(address_, byte_count_);
}

void MappedFile::release(size_t begin_byte, size_t byte_count) const {
  const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t first = (begin_byte + page - 1) / page * page;
  const size_t last = (begin_byte + byte_count) / page * page;
  // Only a matter of memory: a failure changes nothing.
  if (first < last) ::madvise(static_cast<std::byte*>(address_) + first, last - first, MADV_DONTNEED);
}

}  // namespace sdlora::checkpoint
