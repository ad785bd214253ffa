#include "checkpoint/sha256.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "common/error.h"
#include "common/posix_file.h"

namespace sdlora::checkpoint {
namespace {

constexpr uint64_t kBytesPerRead = uint64_t{1} << 20;

void require(bool is_done) {
  if (!is_done) throw Error(ExitCode::kInternal, {.what = "OpenSSL cannot compute SHA-256"});
}

}  // namespace

void Sha256::Free::operator()(evp_md_ctx_st* context) const {
  EVP_MD_CTX_free(context);
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  require(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
}

void Sha256::update(const void* bytes, size_t count) {
  require(EVP_DigestUpdate(context_.get(), bytes, count) == 1);
}

std::string Sha256::hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int digest_bytes = 0;
  require(EVP_DigestFinal_ex(context_.get(), digest, &digest_bytes) == 1);
  std::string text;
  for (unsigned int i = 0; i < digest_bytes; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

std::string sha256_of(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes.data(), bytes.size());
  return hash.hex();
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string sha256_of_file(const std::filesystem::path& file, const std::function<void()>& between_pieces) {
  const PosixFile input = PosixFile::open_to_read(file);
  const uint64_t file_bytes = input.byte_count();
  std::vector<char> block(std::min(file_bytes, kBytesPerRead));
  Sha256 hash;
  for (uint64_t begin = 0; begin < file_bytes; begin += block.size()) {
    const uint64_t count = std::min<uint64_t>(block.size(), file_bytes - begin);
    input.read_at(begin, block.data(), count);
    hash.update(block.data(), count);
    if (between_pieces) between_pieces();
  }
  return hash.hex();
}

}  // namespace sdlora::checkpoint
