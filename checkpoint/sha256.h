// SHA-256 (OpenSSL), as lower-case hex.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;  // OpenSSL's

namespace sdlora::checkpoint {

// Of bytes that come one piece after the other.
class Sha256 {
 public:
  Sha256();

  void update(const void* bytes, size_t count);

  // Once, after the last piece.
  std::string hex();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };

  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

std::string sha256_of(std::string_view bytes);

// Whether `text` is written as one.
bool is_sha256(std::string_view text);

// `between_pieces` is called after each MiB, and may throw. Throws Error(kIo) naming the file.
std::string sha256_of_file(const std::filesystem::path& file,
                           const std::function<void()>& between_pieces = nullptr);

}  // namespace sdlora::checkpoint
