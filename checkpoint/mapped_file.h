// A whole file as read-only memory. The pages are the page cache's: processes of one host share them.
#pragma once

#include <cstddef>

#include "common/posix_file.h"

namespace sdlora::checkpoint {

class MappedFile {
 public:
  // The mapping outlives `file` and a rename over its path. Throws Error(kIo).
  explicit MappedFile(const PosixFile& file);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  const std::byte* data() const { return static_cast<const std::byte*>(address_); }

  // Takes the pages that lie wholly within out of this process' memory; they come back when they are read.
  void release(size_t begin_byte, size_t byte_count) const;

 private:
  size_t byte_count_;
  void* address_;
};

}  // namespace sdlora::checkpoint
