#include "trainer/options/process_options.h"

namespace sdlora::trainer {

void ProcessOptions::declare(OptionGroup group) {
  group
      .add("max-nonfinite-steps", max_nonfinite_steps, Scope::kRun,
           "consecutive skipped steps before giving up")
      .positive();
  group
      .add("step-timeout", step_timeout_seconds, Scope::kRank,
           "seconds without progress before a rank gives up")
      .positive();
  group
      .add("startup-timeout", startup_timeout_seconds, Scope::kRank,
           "the same while it starts and loads the model")
      .positive();
  group
      .add("term-saves", on_term, Scope::kRank,
           "whether TERM and HUP make it save after the current step and leave with 75; off: they end it at "
           "once")
      .one_of({{"on", OnTerm::kSave}, {"off", OnTerm::kEnd}});
  group
      .add("replay", replay_directory, Scope::kRun,
           "OUTPUT/nonfinite-step-N: compute that step's samples again and compare, train nothing; the "
           "model is the recorded one unless --model is given")
      .replaces_required();
  group.add(
      "dry-run", is_dry_run, Scope::kRun,
      "check everything, show the start-up table, compute a micro-batch and say what memory that took, train "
      "nothing");
}

comm::Patience ProcessOptions::patience() const {
  return {.start_up = std::chrono::seconds(startup_timeout_seconds),
          .step = std::chrono::seconds(step_timeout_seconds)};
}

}  // namespace sdlora::trainer
