// An open file whose every failure is an Error(kIo) with the path and the system's reason, also at close,
// where a full disk or a network file system may speak up last.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace sdlora {

class PosixFile {
 public:
  // Only regular files: a folder, a pipe or a device is refused.
  static PosixFile open_to_read(const std::filesystem::path& file);
  // Empty, and ready to be written from its start, and to be read.
  static PosixFile create(const std::filesystem::path& file);

  PosixFile(PosixFile&& other) noexcept;
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;
  PosixFile& operator=(PosixFile&&) = delete;
  ~PosixFile();

  const std::filesystem::path& path() const { return path_; }

  int descriptor() const { return descriptor_; }

  uint64_t byte_count() const;

  // All of them, or an Error: a file that ends too early has shrunk since it was measured.
  void read_at(uint64_t begin_byte, void* destination, uint64_t bytes) const;
  void write(const void* source, uint64_t bytes);
  void write_at(uint64_t begin_byte, const void* source, uint64_t bytes);

  void write(std::string_view text) { write(text.data(), text.size()); }

  // Waits until the bytes are on the disk.
  void sync();

  void close();

 private:
  PosixFile(std::filesystem::path path, int flags, const char* what);

  std::filesystem::path path_;
  int descriptor_ = -1;
};

// Waits until a file's bytes, or a folder's entries, are on the disk (fsync). Throws Error(kIo).
void sync_to_disk(const std::filesystem::path& file_or_folder);

// The folder that holds `file`; "." for a bare name.
std::filesystem::path folder_of(const std::filesystem::path& file);

}  // namespace sdlora
