// Memory that processes of one host share: a file that exists in memory alone (memfd_create(2)). Unlike one
// in /dev/shm it has no size limit of its own and no name to leave behind.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace sdlora::comm {

class MemoryFile {
 public:
  MemoryFile() = default;
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  // Zeros. Throws Error(kInternal) with the system's reason, as the others do.
  void create(size_t byte_count);

  // "PID DESCRIPTOR DEVICE INODE": where another process of this host finds it while this one holds it open.
  std::string address() const;

  // Of the process that made it. Throws, too, where that process is in a container of its own.
  void open(const std::string& address);

  // Shared; stays until its last owner is gone, also without this file.
  std::shared_ptr<void> map(size_t byte_count) const;

 private:
  std::string identity() const;

  int descriptor_ = -1;
};

}  // namespace sdlora::comm
