// What a file is that should hold tensors and does not: people get pointers, web pages and other programs'
// formats under names that end in .safetensors or .ckpt.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace sdlora::checkpoint {

// So many bytes from a file's start are enough to tell.
inline constexpr size_t kTellingBytes = 512;

struct ForeignFile {
  std::string what;  // "a git-lfs pointer, which stands for the file"
  std::string seen;  // of text its beginning, else empty
  std::string advice;
};

// By the file's first bytes, of which kTellingBytes are looked at; nothing for what may be any data.
std::optional<ForeignFile> foreign_file(std::string_view beginning);

bool is_zip_archive(std::string_view beginning);

// Of protocol 2 or above.
bool is_pickle(std::string_view beginning);

// A length that safetensors allows, then what may begin a JSON object.
bool is_like_safetensors(std::string_view beginning);

// Throws Error(kBadData): it is not `expected`, but what foreign_file says, or what its first bytes are.
[[noreturn]] void refuse_foreign_file(std::string_view beginning, const std::string& expected,
                                      const std::filesystem::path& file);

}  // namespace sdlora::checkpoint
