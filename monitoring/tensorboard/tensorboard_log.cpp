#include "monitoring/tensorboard/tensorboard_log.h"

#include <chrono>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "common/log.h"
#include "monitoring/records/metrics_history.h"
#include "monitoring/records/run_files.h"
#include "monitoring/tensorboard/tensorboard_event.h"

namespace sdlora::monitoring {
namespace {

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string content_of(const std::filesystem::path& file) {
  std::ostringstream content;
  content << std::ifstream(file, std::ios::binary).rdbuf();
  return content.str();
}

}  // namespace

TensorboardLog::TensorboardLog(const std::filesystem::path& run_directory, int64_t first_step)
    : run_directory_(run_directory) {
  for (const CurvePoint& point : read_metrics_history(run_directory / kMetricsFileName).loss)
    if (point.step <= first_step) smoothed_loss_.add(point.value);
  attempt([&] {
    file_ = std::make_unique<TensorboardFile>(run_directory / "tensorboard");
    file_->append(tensorboard_version_event(wall_seconds()));
    file_->append(tensorboard_restart_event(wall_seconds(), first_step == 0 ? 0 : first_step + 1));
  });
}

void TensorboardLog::record_step(const StepRecord& record) {
  smoothed_loss_.add(record.loss);
  attempt([&] {
    file_->append(tensorboard_scalar_event(wall_seconds(), record.step,
                                           {{"train/loss", record.loss},
                                            {"train/smoothed_loss", smoothed_loss_.value()},
                                            {"train/gradient_norm", record.gradient_norm},
                                            {"train/learning_rate", record.learning_rate},
                                            {"train/samples_per_second", record.samples_per_second}}));
  });
}

void TensorboardLog::record_validation(const ValidationRecord& record) {
  std::vector<TensorboardScalar> scalars{{"validation/loss", record.loss}};
  for (size_t quarter = 0; quarter < record.quarter_losses.size(); ++quarter)
    scalars.push_back({fmt::format("validation/loss_q{}", quarter + 1), record.quarter_losses[quarter]});
  attempt([&] { file_->append(tensorboard_scalar_event(wall_seconds(), record.step, scalars)); });
}

void TensorboardLog::record_previews(int64_t step) {
  const std::filesystem::path folder = run_directory_ / kPreviewsFolderName / fmt::format("step-{:06}", step);
  std::ifstream prompts(folder / "prompts.txt");
  std::string prompt;
  for (int number = 0; std::getline(prompts, prompt); ++number) {
    const std::string png = content_of(folder / fmt::format("{:02}.png", number));
    if (png.empty()) continue;  // it could not be drawn
    attempt([&] {
      file_->append(tensorboard_picture_event(wall_seconds(), step,
                                              fmt::format("preview/{:02} {}", number, prompt), png));
    });
  }
}

void TensorboardLog::attempt(const std::function<void()>& write) {
  if (has_given_up_) return;
  try {
    write();
  } catch (const std::exception& failure) {
    has_given_up_ = true;
    log::warning(fmt::format("TensorBoard gets no more events, training goes on: {}", failure.what()));
  }
}

}  // namespace sdlora::monitoring
