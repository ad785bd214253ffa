// What a file of torch.save holds, and where: the zip archive since torch 1.6, and the row of pickles with
// raw storages behind them from before (torch/serialization.py, `_legacy_save`).
#pragma once

#include <optional>

#include "checkpoint/torch_pickle.h"

namespace sdlora::checkpoint {

struct StorageBytes {
  uint64_t begin_byte;  // from the start of the file
  uint64_t byte_count;
  std::optional<uint32_t> checksum;  // CRC-32
};

struct TorchContents {
  TensorPickle pickle;
  std::map<std::string, StorageBytes> storages;  // by key: those that a tensor needs
};

enum class Verify {
  kPickle,  // a storage's checksum is for whoever reads it (check_crc32)
  kAll,     // every record's, also of what is not read
};

// `bytes` is the whole file. Every tensor lies within its storage, and every storage within the file. Throws
// Error(kBadData) naming the file and the flaw, or what the file is when it is neither, or a description of
// more than `most_pickle_bytes`.
TorchContents read_torch_contents(std::string_view bytes, size_t most_pickle_bytes, Verify verify,
                                  const std::filesystem::path& file);

}  // namespace sdlora::checkpoint
