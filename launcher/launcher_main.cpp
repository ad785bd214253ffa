// launcher: starts a training under supervision, and says what a machine has.
//
//   launcher run --np 2 -- --model sd15 --data cache --output runs/ink    two ranks here, restarted after a crash
//   launcher run --np 8 --hosts hosts.txt -- --config run.toml            on several hosts
//   launcher run -- --config run.toml                                     inside a Slurm job: its tasks, by srun
//   launcher doctor                                                       what is here, and what is missing
#include <iostream>

#include "comm/run_program.h"
#include "comm/thread_binding.h"
#include "common/command_line.h"
#include "common/error.h"
#include "common/error_report.h"
#include "common/log.h"
#include "launcher/doctor.h"
#include "launcher/supervisor/child_process.h"
#include "launcher/supervisor/run_options.h"
#include "launcher/supervisor/supervisor.h"

namespace {

int run(int argc, char** argv) {
  namespace launcher = sdlora::launcher;
  CLI::App app("Starts trainings and keeps them running.", "launcher");
  launcher::RunOptions options;
  std::filesystem::path directory = ".";
  CLI::App* const run_command =
      app.add_subcommand("run", "runs the trainer and restarts it after what a restart mends");
  CLI::App* const doctor_command =
      app.add_subcommand("doctor", "says what this machine and this build have and lack");
  app.require_subcommand(1);
  launcher::declare_run_options(*run_command, options);
  sdlora::OptionSet(*doctor_command)
      .group("Machine")
      .add("output", directory, sdlora::Scope::kRank, "where runs shall be written");

  const std::vector<const char*> own = launcher::split_at_dashes(argc, argv, options.trainer_options);
  if (sdlora::parse_command_line(app, static_cast<int>(own.size()), own.data(), /*with_config=*/false) ==
      sdlora::ParseResult::kLeave)
    return 0;
  if (doctor_command->parsed()) {
    const auto findings = launcher::examine(directory);
    std::cout << launcher::report_text(findings);
    return static_cast<int>(launcher::is_anything_missing(findings) ? sdlora::ExitCode::kMismatch
                                                                    : sdlora::ExitCode::kDone);
  }
  const launcher::SignalInbox inbox;  // what comes before the ranks are started is heard by supervise()
  return launcher::complete(options) ? launcher::supervise(options) : 0;
}

}  // namespace

int main(int argc, char** argv) {
  sdlora::comm::prepare_process(argv);
  try {
    const std::string undone = sdlora::comm::undone_thread_binding();
    if (!undone.empty()) sdlora::log::info(undone);
    return run(argc, argv);
  } catch (...) {
    const sdlora::ErrorReport report = sdlora::report_of(std::current_exception());
    sdlora::log::error(report.message);
    return static_cast<int>(report.exit_code);
  }
}
