#include "trainer/run/choose_checkpoint.h"

#include <fmt/format.h>

#include "checkpoint/checkpoint_manifest.h"
#include "common/error.h"

namespace sdlora::trainer {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const fs::path& named, const std::string& seen, const std::string& advice) {
  throw Error(ExitCode::kUsage,
              {.what = "--resume names no checkpoint",
               .expected = "auto, none, a directory checkpoint-step-N, or a run's directory",
               .seen = seen,
               .where = named.string(),
               .advice = advice});
}

checkpoint::NewestCheckpoint named_checkpoint(const fs::path& named) {
  if (!fs::exists(named)) refuse(named, "no such directory", "check --resume");
  if (!fs::is_directory(named))
    refuse(named, "a file", "give its run's directory; to begin from an adapter, use --init-adapter");
  if (fs::exists(named / checkpoint::kManifestName))
    return {.checkpoint = checkpoint::load_checkpoint(named), .directory = named};
  checkpoint::NewestCheckpoint newest = checkpoint::load_newest_checkpoint(named);
  if (!newest.checkpoint && named.filename().string().starts_with(checkpoint::kCheckpointPrefix))
    checkpoint::load_checkpoint(named);  // says what it lacks
  if (!newest.checkpoint) refuse(named, "a directory without checkpoints", "check --resume");
  return newest;
}

}  // namespace

checkpoint::NewestCheckpoint choose_checkpoint(const TrainConfig& config) {
  const std::string& resume = config.checkpoints.resume;
  if (resume == "none") return {};
  checkpoint::NewestCheckpoint own = checkpoint::load_newest_checkpoint(
      config.places.output);  // throws when all are bad: no fresh start unasked
  if (resume == "auto") return own;
  fs::path named;
  read_value(resume, named);
  try {
    checkpoint::NewestCheckpoint given = named_checkpoint(named);
    return own.checkpoint && own.checkpoint->step > given.checkpoint->step ? std::move(own)
                                                                           : std::move(given);
  } catch (const Error& error) {
    if (!own.checkpoint) throw;
    own.skipped_reasons.emplace_back(error.what());
    return own;
  }
}

}  // namespace sdlora::trainer
