#include "trainer/watching/run_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sdlora::trainer {
namespace {

constexpr size_t kCutShown = 5;
constexpr size_t kShownCaptions = 6;

std::string picture_sizes_in_words(const data::Dataset& dataset) {
  const data::PictureSize& size = dataset.picture_size();
  if (dataset.has_several_sizes())
    return fmt::format("{}, of at most the area of {}", dataset.buckets_in_words(), in_words(size));
  const std::vector<int64_t> latent = dataset.sample(0).latent_mean.sizes().vec();
  return fmt::format("{} × {} pixels, latents {} × {} × {}", size.width, size.height, latent[0], latent[1],
                     latent[2]);
}

std::string tags_in_words(const std::vector<data::DataReport::Tag>& tags) {
  std::vector<std::string> words;
  words.reserve(tags.size());
  for (const data::DataReport::Tag& tag : tags)
    words.push_back(fmt::format("{} {}", tag.tag, tag.picture_count));
  return fmt::format("{}", fmt::join(words, ", "));
}

std::string lost_words_of(const data::DataReport& report) {
  std::vector<std::string> lines;
  for (const auto& [caption, lost] : report.cut)
    if (lines.size() < kCutShown) lines.push_back(lost);
  return fmt::format("{}", fmt::join(lines, "\n"));
}

std::vector<monitoring::TableRow> rows_of(const LoadedRun& loaded) {
  const data::Dataset& dataset = loaded.dataset;
  std::vector<monitoring::TableRow> rows{
      {"pictures",
       fmt::format("{}{}", dataset.picture_count(), dataset.has_flip() ? ", each also mirrored" : "")},
      {"trained on", fmt::format("{} samples", loaded.split.training.size())},
      {"held out", fmt::format("{} samples", loaded.split.held_out.size())},
      {"picture size", picture_sizes_in_words(dataset)},
      {"different captions", fmt::format("{}", dataset.captions().size() - 1)},  // without the empty one
      {dataset.report() ? "manifest SHA-256, without its report" : "manifest SHA-256",
       dataset.manifest_sha256()},
      {"VAE SHA-256", dataset.vae_sha256()},
      {"text encoder SHA-256", dataset.text_encoder_sha256()}};
  if (const auto& report = dataset.report()) {
    rows.push_back(
        {"captions", fmt::format("{} pictures have an empty one, {} one that another has, too; {} are cut",
                                 report->empty_count, report->shared_count, report->cut_count)});
    if (!report->cut.empty()) rows.push_back({"words that are cut", lost_words_of(*report)});
    if (!report->tags.empty()) rows.push_back({"most frequent tags", tags_in_words(report->tags)});
    if (report->lost_line_count > 0)
      rows.push_back(
          {"lines without a picture", fmt::format("{} of caption lists", report->lost_line_count)});
    if (report->copy_count > 0)
      rows.push_back({"same content", fmt::format("{} pictures are copies of others", report->copy_count)});
  }
  if (loaded.length.epoch.samples_per_epoch != static_cast<int64_t>(loaded.split.training.size()))
    rows.push_back(
        {"an epoch", fmt::format("{} samples, with repeats", loaded.length.epoch.samples_per_epoch)});
  if (loaded.validation_dataset)
    rows.push_back({"validation manifest SHA-256", loaded.validation_dataset->manifest_sha256()});
  return rows;
}

// A few captions from all over the data set.
std::vector<std::string> some_captions(const data::Dataset& dataset) {
  const std::vector<std::string>& all = dataset.captions();
  std::vector<std::string> some;
  const size_t count = all.size() - 1, shown = std::min(count, kShownCaptions);
  for (size_t i = 0; i < shown; ++i) some.push_back(all[1 + i * count / shown]);
  return some;
}

}  // namespace

monitoring::RunReport describe_run(const TrainConfig& config, const LoadedRun& loaded,
                                   const std::vector<monitoring::TableRow>& startup_table, int64_t step,
                                   const std::string& state) {
  monitoring::RunReport report{.run_directory = config.places.output,
                               .state = state,
                               .step = step,
                               .max_steps = config.schedule.max_steps,
                               .parameter_count = loaded.adapter.parameter_count(),
                               .max_gradient_norm = config.optimizer.max_gradient_norm,
                               .settings = {},
                               .run_rows = startup_table,
                               .data_rows = rows_of(loaded),
                               .captions = some_captions(loaded.dataset)};
  for (const Setting& setting : config.settings.all())
    report.settings.push_back(
        {.name = setting.name, .value = setting.text, .default_value = setting.default_text});
  return report;
}

}  // namespace sdlora::trainer
