#include "checkpoint/zip_archive.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <zlib.h>

#include "checkpoint/printable.h"
#include "common/error.h"

namespace sdlora::checkpoint {
namespace {

// Signatures and fixed sizes: PKWARE's APPNOTE.TXT, sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16 and 4.5.3.
constexpr std::string_view kLocalSignature{"PK\3\4", 4};
constexpr std::string_view kEntrySignature{"PK\1\2", 4};
constexpr std::string_view kEndSignature{"PK\5\6", 4};
constexpr std::string_view kWideEndSignature{"PK\6\6", 4};
constexpr std::string_view kWideLocatorSignature{"PK\6\7", 4};
constexpr uint64_t kLocalBytes = 30;
constexpr uint64_t kEntryBytes = 46;
constexpr uint64_t kEndBytes = 22;
constexpr uint64_t kWideEndBytes = 56;
constexpr uint64_t kWideLocatorBytes = 20;
constexpr uint64_t kLongestCommentBytes = 65'535;
constexpr uint16_t kWideExtra = 1;
constexpr uint32_t kSaturated = 0xFFFFFFFF;  // the value stands in the wide record
constexpr uint16_t kSaturatedCount = 0xFFFF;
constexpr uint16_t kStored = 0;
constexpr uint16_t kEncryptedFlag = 1;
constexpr std::string_view kPickle = "data.pkl";
constexpr size_t kMostNamesShown = 4;

}  // namespace

void check_crc32(std::string_view bytes, const std::optional<uint32_t>& checksum, const std::string& record,
                 const std::filesystem::path& file) {
  if (!checksum) return;
  const auto seen = crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  if (seen == *checksum) return;
  throw Error(ExitCode::kBadData, {.what = "the archive's record " + printable(record) + " is damaged",
                                   .seen = fmt::format("CRC-32 {:08x} in place of {:08x}", seen, *checksum),
                                   .where = file.string(),
                                   .advice = "copy or download the file again"});
}

ZipArchive::ZipArchive(std::string_view bytes, std::filesystem::path file)
    : file_(std::move(file)), bytes_(bytes) {
  const Directory directory = find_directory();
  uint64_t entry_begin_byte = directory.begin_byte;
  for (uint64_t i = 0; i < directory.record_count; ++i) entry_begin_byte = add_record(entry_begin_byte);
  find_folder();
}

bool ZipArchive::has(const std::string& name) const {
  return records_.contains(folder_ + name);
}

std::string_view ZipArchive::record(const std::string& name) const {
  return data_of(folder_ + name, find(name));
}

std::optional<uint32_t> ZipArchive::checksum(const std::string& name) const {
  return find(name).checksum;
}

std::string_view ZipArchive::verified_record(const std::string& name) const {
  const std::string_view bytes = record(name);
  check_crc32(bytes, checksum(name), name, file_);
  return bytes;
}

void ZipArchive::verify() const {
  for (const auto& [name, record] : records_)
    check_crc32(data_of(name, record), record.checksum, name.substr(name.find('/') + 1), file_);
}

ZipArchive::Directory ZipArchive::find_directory() const {
  const uint64_t searched = std::min<uint64_t>(bytes_.size(), kLongestCommentBytes + kEndBytes);
  const size_t end_in_tail = bytes_.substr(bytes_.size() - searched).rfind(kEndSignature);
  const uint64_t end = bytes_.size() - searched + end_in_tail;
  if (end_in_tail == std::string_view::npos || end + kEndBytes > bytes_.size()) {
    refuse("the .pt file is cut off: the archive's directory, which is its last part, is missing",
           fmt::format("{} bytes", bytes_.size()), "copy or download the file again");
  }
  if (end + kEndBytes + read<uint16_t>(end + 20) != bytes_.size())
    refuse("the .pt file has bytes after its end");
  const Directory directory{.begin_byte = read<uint32_t>(end + 16), .record_count = read<uint16_t>(end + 10)};
  const bool is_wide = directory.begin_byte == kSaturated || directory.record_count == kSaturatedCount;
  return is_wide ? wide_directory(end) : directory;
}

// Of an archive above 4 GiB or 65,534 records: a locator before the end says where its wide end record is.
ZipArchive::Directory ZipArchive::wide_directory(uint64_t end_begin_byte) const {
  const uint64_t locator = end_begin_byte < kWideLocatorBytes ? 0 : end_begin_byte - kWideLocatorBytes;
  if (view(locator, kWideLocatorBytes).substr(0, 4) != kWideLocatorSignature)
    refuse("the archive's directory is damaged", "no zip64 locator before the end");
  const auto wide_end = read<uint64_t>(locator + 8);
  if (view(wide_end, kWideEndBytes).substr(0, 4) != kWideEndSignature)
    refuse("the archive's directory is damaged", fmt::format("no zip64 end record at byte {}", wide_end));
  return {.begin_byte = read<uint64_t>(wide_end + 48), .record_count = read<uint64_t>(wide_end + 32)};
}

uint64_t ZipArchive::add_record(uint64_t entry_begin_byte) {
  if (view(entry_begin_byte, kEntryBytes).substr(0, 4) != kEntrySignature) {
    refuse("the archive's directory is damaged", fmt::format("no entry at byte {}", entry_begin_byte));
  }
  const auto checksum = read<uint32_t>(entry_begin_byte + 16);
  ZipRecord record{.local_begin_byte = read<uint32_t>(entry_begin_byte + 42),
                   .stored_bytes = read<uint32_t>(entry_begin_byte + 20),
                   .record_bytes = read<uint32_t>(entry_begin_byte + 24),
                   .checksum = checksum == 0 ? std::nullopt : std::optional(checksum),
                   .method = read<uint16_t>(entry_begin_byte + 10),
                   .is_encrypted = (read<uint16_t>(entry_begin_byte + 8) & kEncryptedFlag) != 0};
  const auto name_bytes = read<uint16_t>(entry_begin_byte + 28);
  const auto extra_bytes = read<uint16_t>(entry_begin_byte + 30);
  const auto comment_bytes = read<uint16_t>(entry_begin_byte + 32);
  const std::string name(view(entry_begin_byte + kEntryBytes, name_bytes));
  widen(record, view(entry_begin_byte + kEntryBytes + name_bytes, extra_bytes));

  if (record.stored_bytes > bytes_.size() - stored_bytes_total_) refuse("records of the archive share bytes");
  stored_bytes_total_ += record.stored_bytes;
  if (!records_.emplace(name, record).second) refuse("the archive has " + printable(name) + " twice");
  return entry_begin_byte + kEntryBytes + name_bytes + extra_bytes + comment_bytes;
}

// Extra fields are a row of id, size, bytes; the wide one has only the values that are saturated, in this
// order.
void ZipArchive::widen(ZipRecord& record, std::string_view extra) const {
  while (extra.size() >= 4) {
    uint16_t id = 0, size = 0;
    std::memcpy(&id, extra.data(), sizeof id);
    std::memcpy(&size, extra.data() + 2, sizeof size);
    extra.remove_prefix(4);
    std::string_view field = extra.substr(0, size);
    extra.remove_prefix(field.size());
    if (id != kWideExtra) continue;
    for (uint64_t* value : {&record.record_bytes, &record.stored_bytes, &record.local_begin_byte}) {
      if (*value != kSaturated) continue;
      if (field.size() < sizeof *value) refuse("the archive's directory is damaged", "a short zip64 field");
      std::memcpy(value, field.data(), sizeof *value);
      field.remove_prefix(sizeof *value);
    }
    return;
  }
}

// All records lie in the folder of data.pkl, whose name is the writer's choice.
void ZipArchive::find_folder() {
  for (const auto& [name, record] : records_) {
    const bool is_pickle = name == kPickle || name.ends_with("/" + std::string(kPickle));
    const std::string folder = is_pickle ? name.substr(0, name.size() - kPickle.size()) : "";
    if (!is_pickle || records_.contains(folder + "constants.pkl")) continue;
    folder_ = folder;
    return;
  }
  refuse_other_archive();
}

void ZipArchive::refuse_other_archive() const {
  std::vector<std::string> names;
  for (const auto& [name, record] : records_) {
    const std::string last = name.substr(name.rfind('/') + 1);
    if (last == "constants.pkl")
      refuse("the file is a TorchScript program, not a dict of tensors", printable(name),
             "in Python: torch.save(torch.jit.load(file).state_dict(), new_file)");
    if (last == "model.weights.h5")
      refuse("the file is a Keras model", printable(name), "take its safetensors version");
    if (last.ends_with(".npy"))
      refuse("the file is an archive of numpy arrays (.npz)", printable(name),
             "save its arrays in Python as safetensors");
    if (names.size() < kMostNamesShown) names.push_back(printable(name));
  }
  refuse("the file is a zip archive, but none that torch.save wrote: it lacks the record data.pkl",
         names.empty() ? "no record at all" : fmt::format("{}", fmt::join(names, ", ")),
         "if a model lies in it, unpack it first");
}

const ZipRecord& ZipArchive::find(const std::string& name) const {
  const auto found = records_.find(folder_ + name);
  if (found == records_.end())
    refuse("the archive lacks the record " + printable(name), "", "copy or download the file again");
  return found->second;
}

std::string_view ZipArchive::data_of(const std::string& whole_name, const ZipRecord& record) const {
  if (record.method != kStored || record.is_encrypted || record.stored_bytes != record.record_bytes) {
    refuse("the archive's record " + printable(whole_name) + " is compressed or encrypted",
           fmt::format("method {}", record.method),
           "load the file in Python and save it again with torch.save, or unpack it and pack it without "
           "compression: zip -0 -r");
  }
  const std::string_view local = view(record.local_begin_byte, kLocalBytes);
  const auto name_bytes = read<uint16_t>(record.local_begin_byte + 26);
  const uint64_t extra_bytes = read<uint16_t>(record.local_begin_byte + 28);
  if (local.substr(0, 4) != kLocalSignature ||
      view(record.local_begin_byte + kLocalBytes, name_bytes) != whole_name) {
    refuse("the archive's directory and its record " + printable(whole_name) + " do not fit together");
  }
  return view(record.local_begin_byte + kLocalBytes + name_bytes + extra_bytes, record.record_bytes);
}

template <typename Integer>
Integer ZipArchive::read(uint64_t begin_byte) const {
  Integer value;
  std::memcpy(&value, view(begin_byte, sizeof value).data(), sizeof value);
  return value;
}

std::string_view ZipArchive::view(uint64_t begin_byte, uint64_t bytes) const {
  if (begin_byte > bytes_.size() || bytes > bytes_.size() - begin_byte) {
    refuse("the archive's directory is damaged",
           fmt::format("bytes {} to {} of {}", begin_byte, begin_byte + bytes, bytes_.size()));
  }
  return bytes_.substr(begin_byte, bytes);
}

void ZipArchive::refuse(const std::string& what, const std::string& seen, const std::string& advice) const {
  throw Error(ExitCode::kBadData, {.what = what, .seen = seen, .where = file_.string(), .advice = advice});
}

}  // namespace sdlora::checkpoint
