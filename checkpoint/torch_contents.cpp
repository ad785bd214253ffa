#include "checkpoint/torch_contents.h"

#include <fmt/format.h>

#include "checkpoint/foreign_file.h"
#include "checkpoint/pickle_machine.h"
#include "checkpoint/printable.h"
#include "checkpoint/torch_legacy.h"
#include "checkpoint/zip_archive.h"
#include "common/error.h"

namespace sdlora::checkpoint {
namespace {

TorchContents read_zip_contents(std::string_view bytes, size_t most_pickle_bytes, Verify verify,
                                const std::filesystem::path& file) {
  const ZipArchive archive(bytes, file);
  if (archive.record("data.pkl").size() > most_pickle_bytes) {
    throw Error(ExitCode::kBadData,
                {.what = "the .pt file describes more than is read",
                 .expected = fmt::format("at most {} bytes in data.pkl", most_pickle_bytes),
                 .seen = fmt::format("{} bytes", archive.record("data.pkl").size()),
                 .where = file.string(),
                 .advice = "load it in Python and save its tensors alone"});
  }
  if (verify == Verify::kAll) archive.verify();
  const std::string_view pickle = archive.verified_record("data.pkl");
  if (archive.has("byteorder") && archive.verified_record("byteorder") == "big") {
    throw Error(ExitCode::kBadData, {.what = "the .pt file comes from a big-endian machine",
                                     .expected = "little-endian numbers",
                                     .where = file.string(),
                                     .advice = "save it on a little-endian machine"});
  }
  TorchContents contents{.pickle = parse_tensor_pickle(pickle, file), .storages = {}};
  for (const auto& [name, tensor] : contents.pickle.tensors) {
    if (!tensor.made_by.empty()) continue;
    const std::string& key = contents.pickle.storages[tensor.storage].key;
    if (contents.storages.contains(key)) continue;
    const std::string record_name = "data/" + key;
    const std::string_view record = archive.record(record_name);
    contents.storages[key] = {.begin_byte = static_cast<uint64_t>(record.data() - bytes.data()),
                              .byte_count = record.size(),
                              .checksum = archive.checksum(record_name)};
  }
  return contents;
}

// A pickle that torch.save did not write is not read, but said to be dangerous where it is.
void look_for_danger(std::string_view bytes, const std::filesystem::path& file) {
  try {
    PickleMachine(bytes, file).run();
  } catch (const DangerousPickle&) {
    throw;
  } catch (const Error&) {
  }
}

}  // namespace

TorchContents read_torch_contents(std::string_view bytes, size_t most_pickle_bytes, Verify verify,
                                  const std::filesystem::path& file) {
  const bool is_legacy = is_legacy_torch_file(bytes);
  if (!is_legacy && !is_zip_archive(bytes)) {
    if (is_pickle(bytes)) look_for_danger(bytes.substr(0, most_pickle_bytes), file);
    refuse_foreign_file(bytes, "a file of torch.save", file);
  }
  TorchContents contents = is_legacy ? read_legacy_contents(bytes, most_pickle_bytes, file)
                                     : read_zip_contents(bytes, most_pickle_bytes, verify, file);
  for (const auto& [name, tensor] : contents.pickle.tensors) {
    if (!tensor.made_by.empty()) continue;
    const auto storage = contents.storages.find(contents.pickle.storages[tensor.storage].key);
    if (storage == contents.storages.end()) {
      throw Error(ExitCode::kBadData, {.what = "the .pt file lacks the storage of a tensor",
                                       .where = file.string() + ", tensor " + printable(name),
                                       .advice = "copy or download the file again"});
    }
    check_tensor(contents.pickle, tensor, storage->second.byte_count, file);
  }
  return contents;
}

}  // namespace sdlora::checkpoint
