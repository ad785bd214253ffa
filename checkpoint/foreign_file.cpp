#include "checkpoint/foreign_file.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include <fmt/format.h>

#include "checkpoint/printable.h"
#include "common/error.h"
#include "common/utf8.h"

namespace sdlora::checkpoint {
namespace {

constexpr const char* kUnpack = "unpack it and give the file that lies in it";
constexpr const char* kOtherFormat = "get the model's .safetensors or .ckpt file";
constexpr const char* kAgain =
    "download the file itself; the place may want a login or a licence accepted first";
constexpr uint64_t kLongestSafetensorsHeader = 100'000'000;

struct Magic {
  std::string_view bytes;
  const char* what;
  const char* advice;
};

constexpr std::array kMagics{
    Magic{{"PK\3\4", 4}, "a zip archive, as .pt and .ckpt files are", "name it .pt or .ckpt, or unpack it"},
    Magic{{"GGUF", 4}, "a GGUF file, whose weights are quantized", kOtherFormat},
    Magic{{"\x89HDF\r\n\x1a\n", 8}, "an HDF5 file, as Keras writes them (.h5)", kOtherFormat},
    Magic{{"\x93NUMPY", 6}, "an array of numpy (.npy)", kOtherFormat},
    Magic{{"\x1f\x8b", 2}, "an archive packed with gzip", kUnpack},
    Magic{{"\x28\xb5\x2f\xfd", 4}, "an archive packed with zstd", kUnpack},
    Magic{{"7z\xbc\xaf\x27\x1c", 6}, "a 7z archive", kUnpack},
    Magic{{"Rar!\x1a\x07", 6}, "a RAR archive", kUnpack},
    Magic{{"BZh", 3}, "an archive packed with bzip2", kUnpack},
    Magic{{"\xfd\x37zXZ", 5}, "an archive packed with xz", kUnpack},
    Magic{{"\x89PNG", 4}, "a picture", kOtherFormat},
    Magic{{"\xff\xd8\xff", 3}, "a picture", kOtherFormat},
    Magic{{"%PDF", 4}, "a PDF document", kOtherFormat}};

bool begins_without_case(std::string_view text, std::string_view lower_case) {
  return text.size() >= lower_case.size() &&
         std::equal(lower_case.begin(), lower_case.end(), text.begin(), [](char wanted, char seen) {
           return wanted == (seen >= 'A' && seen <= 'Z' ? static_cast<char>(seen - 'A' + 'a') : seen);
         });
}

// UTF-8 without control characters; its last character may be cut off where `text` ends.
bool is_text(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = utf8_character_bytes(text.substr(at));
    const auto first = static_cast<uint8_t>(text[at]);
    if (bytes == 0) return first >= 0xC0 && text.size() - at < 4 && at > 0;
    if ((first < ' ' && first != '\n' && first != '\r' && first != '\t') || first == 0x7F) return false;
    at += bytes;
  }
  return !text.empty();
}

ForeignFile kind_of_text(std::string_view text) {
  const size_t begin = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  const std::string_view rest = text.substr(begin);
  const std::string line(rest.substr(0, rest.find_first_of("\r\n")));
  if (rest.starts_with("version https://git-lfs"))
    return {"a git-lfs pointer, which stands for the file", printable(rest),
            "run `git lfs pull` in the folder that was cloned, or download the file itself"};
  if (begins_without_case(rest, "<!doctype html") || begins_without_case(rest, "<html"))
    return {"a web page", printable(line), kAgain};
  if (rest.starts_with('<')) return {"a text in XML or HTML", printable(line), kAgain};
  if (rest.starts_with('{') || rest.starts_with('[')) return {"a text in JSON", printable(rest), kAgain};
  return {"a text", printable(line), kAgain};
}

// A map whose first key is text (msgpack's specification: fixmap, map 16, fixstr, str 8).
bool is_msgpack_map(std::string_view bytes) {
  if (bytes.size() < 8) return false;
  const auto first = static_cast<uint8_t>(bytes[0]);
  const size_t key_at = first > 0x80 && first <= 0x8F ? 1 : first == 0xDE ? 3 : 0;
  if (key_at == 0) return false;
  const auto key = static_cast<uint8_t>(bytes[key_at]);
  const size_t letter_at = key_at + (key == 0xD9 ? 2 : 1);
  return (key > 0xA0 && key <= 0xBF) || key == 0xD9 ? is_text(bytes.substr(letter_at, 2)) : false;
}

// ir_version, then the producer's name or nested messages (onnx.proto's ModelProto).
bool is_onnx(std::string_view bytes) {
  return bytes.size() > 8 && bytes[0] == '\x08' && bytes[1] > 0 && bytes[1] < 0x20 && bytes[2] == '\x12' &&
         is_text(bytes.substr(4, std::min<size_t>(4, static_cast<uint8_t>(bytes[3]))));
}

}  // namespace

std::optional<ForeignFile> foreign_file(std::string_view beginning) {
  constexpr size_t kTarMarkAt = 257;
  beginning = beginning.substr(0, kTellingBytes);
  if (beginning.empty()) return ForeignFile{"an empty file", "", "copy or download the file again"};
  if (beginning.substr(std::min(kTarMarkAt, beginning.size())).starts_with("ustar"))
    return ForeignFile{"a tar archive, as torch before 0.1.10 wrote them, too", "",
                       "unpack it, or load it in Python and save it again with torch.save"};
  for (const Magic& magic : kMagics) {
    if (beginning.starts_with(magic.bytes)) return ForeignFile{magic.what, "", magic.advice};
  }
  if (is_text(beginning)) return kind_of_text(beginning);
  if (is_onnx(beginning)) return ForeignFile{"an ONNX model", "", kOtherFormat};
  if (is_pickle(beginning))
    return ForeignFile{"a Python pickle, but neither of torch.save since torch 1.6 nor from before 1.6", "",
                       "load it in Python, if you trust it, and save its tensors with torch.save"};
  if (is_msgpack_map(beginning)) return ForeignFile{"a msgpack file, as Flax writes them", "", kOtherFormat};
  return std::nullopt;
}

bool is_zip_archive(std::string_view beginning) {
  return beginning.starts_with("PK\3\4");
}

bool is_pickle(std::string_view beginning) {
  return beginning.starts_with('\x80') && beginning.size() > 1 && beginning[1] >= 2 && beginning[1] <= 5;
}

bool is_like_safetensors(std::string_view beginning) {
  uint64_t header_bytes = 0;
  if (beginning.size() <= sizeof header_bytes) return false;
  std::memcpy(&header_bytes, beginning.data(), sizeof header_bytes);
  return header_bytes <= kLongestSafetensorsHeader &&
         std::string_view("{ \t\r\n").find(beginning[sizeof header_bytes]) != std::string_view::npos;
}

void refuse_foreign_file(std::string_view beginning, const std::string& expected,
                         const std::filesystem::path& file) {
  std::string first_bytes;
  for (const char byte : beginning.substr(0, 8))
    first_bytes += fmt::format(" {:02x}", static_cast<uint8_t>(byte));
  const ForeignFile seen = foreign_file(beginning).value_or(
      ForeignFile{"something else", "the first bytes" + first_bytes, kAgain});
  throw Error(ExitCode::kBadData, {.what = "this is not " + expected + ": it is " + seen.what,
                                   .seen = seen.seen,
                                   .where = file.string(),
                                   .advice = seen.advice});
}

}  // namespace sdlora::checkpoint
