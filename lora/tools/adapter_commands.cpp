#include "lora/tools/adapter_commands.h"

#include <iostream>

#include <fmt/format.h>

#include "common/command_line.h"
#include "common/error.h"
#include "common/log.h"
#include "lora/adapter_requests.h"
#include "lora/module_ranks.h"
#include "lora/tools/apply.h"
#include "lora/tools/extract.h"
#include "lora/tools/inspection.h"
#include "lora/tools/merge.h"
#include "lora/tools/resize.h"

namespace sdlora::lora {
namespace {

constexpr int kMostInputs = 100;
constexpr int64_t kModulesBetweenLines = 50;
constexpr const char* kInputHelp =
    "adapter: of this program, kohya's, diffusers', PEFT's or ComfyUI's; a file or a folder";

void declare_dtype(OptionGroup group, at::ScalarType& dtype) {
  group.add("save-dtype", dtype, Scope::kResult, "type of the numbers that are written")
      .one_of({{"float", at::kFloat}, {"fp16", at::kHalf}, {"bf16", at::kBFloat16}});
}

void declare_output(OptionGroup group, std::filesystem::path& output) {
  group.add("output", output, Scope::kRank, "file to write, .safetensors").required();
}

// "sv_ratio:20"
RankRule rule_of(int64_t rank, const std::string& dynamic) {
  if (dynamic.empty()) return {.most = rank};
  const size_t colon = dynamic.find(':');
  const auto method = value_of(dynamic.substr(0, colon), dynamic_rank_words());
  double x = 0;
  const bool is_read = method && colon != std::string::npos && read_value(dynamic.substr(colon + 1), x);
  const bool is_share = method != DynamicRank::kRatio;
  if (!is_read || x <= 0 || (is_share && x > 1) || (!is_share && x < 1))
    throw Error(ExitCode::kUsage,
                {.what = "--dynamic is no rule for ranks",
                 .expected = "sv_ratio:X (X from 1), sv_cumulative:X or sv_fro:X (X above 0, to 1)",
                 .seen = dynamic,
                 .advice = "correct --dynamic; see adapter resize --help"});
  return {.most = rank, .dynamic = method, .x = x};
}

void say_written(const AdapterFile& adapter, const std::filesystem::path& output) {
  const ModuleCounts counts = count_modules(adapter);
  log::info(fmt::format("{} modules of the UNet and {} of the text encoder → {}", counts.unet,
                        counts.text_encoder, output.string()));
}

void warn_of_dora(const AdapterFile& adapter) {
  if (!adapter.doras.empty())
    log::warning(
        "DoRA by output in kohya's names: ComfyUI and Forge draw nearly what was trained (docs/training.md), "
        "AUTOMATIC1111 divides along the other axis, sd-scripts and diffusers leave the magnitudes out");
}

}  // namespace

AdapterCommands::AdapterCommands(CLI::App& app)
    : inspect_(app.add_subcommand("inspect", "says what an adapter's file is")),
      convert_(app.add_subcommand("convert", "writes it in the names of another program")),
      merge_(app.add_subcommand("merge", "makes one adapter of several")),
      resize_(app.add_subcommand("resize", "gives it lower ranks")),
      extract_(app.add_subcommand("extract", "makes an adapter of what a model was tuned by")),
      apply_(app.add_subcommand("apply", "merges adapters into a model's checkpoint")) {
  app.require_subcommand(1);
  declare_inspect(*inspect_);
  declare_convert(*convert_);
  declare_merge(*merge_);
  declare_resize(*resize_);
  declare_extract(*extract_);
  declare_apply(*apply_);
}

void AdapterCommands::declare_inspect(CLI::App& app) {
  app.add_option("FILE", inputs_, kInputHelp)->required()->expected(1);
  OptionSet(app).group("Output").add("json", prints_json_, Scope::kRun, "as JSON, with all metadata");
}

void AdapterCommands::declare_convert(CLI::App& app) {
  app.add_option("FILE", inputs_, kInputHelp)->required()->expected(1);
  OptionSet set(app);
  OptionGroup group = set.group("Output");
  group.add("output", output_, Scope::kRank, "file to write, .safetensors; with peft a folder, with pt a .pt")
      .required();
  group
      .add("format", format_, Scope::kResult,
           "kohya: ComfyUI, AUTOMATIC1111, sd-scripts; diffusers: load_lora_weights; peft: a folder of PEFT; "
           "pt: "
           "this program's")
      .one_of(adapter_format_words());
  declare_dtype(group, dtype_);
}

void AdapterCommands::declare_merge(CLI::App& app) {
  app.add_option("FILE:SCALE", inputs_, "adapters, each with its share; without a share 1")
      ->required()
      ->expected(1, kMostInputs);
  OptionSet set(app);
  OptionGroup group = set.group("Output");
  declare_output(group, output_);
  group
      .add("rank", rank_, Scope::kResult,
           "cut the sum to this rank by its singular values, which also takes LoHa, LoKr and whole "
           "differences; "
           "0: exactly, the ranks add up")
      .between(0, kLargestRank);
  declare_dtype(group, dtype_);
}

void AdapterCommands::declare_resize(CLI::App& app) {
  app.add_option("FILE", inputs_, kInputHelp)->required()->expected(1);
  OptionSet set(app);
  OptionGroup group = set.group("Output");
  declare_output(group, output_);
  group.add("rank", rank_, Scope::kResult, "the new rank; with --dynamic the greatest")
      .between(0, kLargestRank);
  group.add("conv-rank", conv_rank_, Scope::kResult, "of convolutions; 0: --rank").between(0, kLargestRank);
  group
      .add("dynamic", dynamic_, Scope::kResult,
           "a rank for each module by its singular values: sv_ratio:X, those above the greatest / X; "
           "sv_cumulative:X and sv_fro:X, as many as make the share X of their sum or of the Frobenius norm")
      .default_shown("one rank for all");
  group.add("verbose", is_verbose_, Scope::kRun, "print the rank of each module, and what it loses");
  declare_dtype(group, dtype_);
}

void AdapterCommands::declare_extract(CLI::App& app) {
  OptionSet set(app);
  OptionGroup group = set.group("Models");
  group
      .add("base", base_, Scope::kRank,
           "the model that was tuned: a directory in diffusers layout, a checkpoint file, or an id in the "
           "local "
           "Hugging Face cache")
      .required();
  group.add("tuned", tuned_, Scope::kRank, "what was made of it, likewise").required();
  OptionGroup output = set.group("Output");
  declare_output(output, output_);
  output.add("rank", extract_options_.rank, Scope::kResult, "rank of each module").between(1, kLargestRank);
  output
      .add("conv-rank", extract_options_.conv_rank, Scope::kResult,
           "of convolutions over several pixels; 0: without them")
      .between(0, kLargestRank);
  output
      .add("min-diff", extract_options_.least_difference, Scope::kResult,
           "a text encoder of which no weight differs by more is left out")
      .at_least(0);
  declare_dtype(output, dtype_);
}

void AdapterCommands::declare_apply(CLI::App& app) {
  app.add_option("FILE:SCALE", inputs_, "adapters, each with its strength; without one 1")
      ->required()
      ->expected(1, kMostInputs);
  OptionSet set(app);
  OptionGroup group = set.group("Model");
  group
      .add("model", model_, Scope::kRank,
           "what they are merged into: a directory in diffusers layout, a checkpoint file, or an id in the "
           "local "
           "Hugging Face cache")
      .required();
  group
      .add("output", output_, Scope::kRank,
           "of a checkpoint file the .safetensors file to write, of a directory the folder, which must not "
           "be there")
      .required();
  group.add("save-dtype", model_dtype_, Scope::kResult, "type of the weights that are written")
      .one_of(
          {{"as-stored", kAsStored}, {"float", at::kFloat}, {"fp16", at::kHalf}, {"bf16", at::kBFloat16}});
}

void AdapterCommands::run() const {
  if (inspect_->parsed()) run_inspect();
  if (convert_->parsed()) run_convert();
  if (merge_->parsed()) run_merge();
  if (resize_->parsed()) run_resize();
  if (extract_->parsed()) run_extract();
  if (apply_->parsed()) run_apply();
}

void AdapterCommands::run_inspect() const {
  const Inspection inspection = inspect(inputs_.front());
  std::cout << (prints_json_ ? to_json(inspection) : to_text(inspection)) << std::flush;
  if (!inspection.refusal.empty())
    throw Error(ExitCode::kBadData, {.what = "this adapter cannot be used",
                                     .where = inspection.file.file.string(),
                                     .advice = "see above"});
}

void AdapterCommands::run_convert() const {
  const AdapterFile adapter = read_adapter(inputs_.front());
  lora::convert(adapter, output_, format_, dtype_);
  if (format_ == AdapterFormat::kKohya) warn_of_dora(adapter);
  say_written(adapter, output_);
}

void AdapterCommands::run_merge() const {
  std::vector<WeightedAdapter> adapters;
  for (const AdapterRequest& request : adapter_requests(inputs_, /*default_scale=*/1))
    adapters.push_back({.adapter = read_adapter(request.file), .weight = request.scale});
  const Merged merge = merged(adapters, rank_ == 0 ? std::nullopt : std::optional(rank_));
  lora::convert(merge.adapter, output_, AdapterFormat::kKohya, dtype_);
  say_written(merge.adapter, output_);
  if (rank_ != 0)
    log::info(fmt::format("cut to rank {}: {:.3g} % of the sum is lost (Frobenius norm)", rank_,
                          100 * merge.lost_share));
}

void AdapterCommands::run_resize() const {
  if (rank_ == 0)
    throw Error(ExitCode::kUsage, {.what = "the option --rank is missing",
                                   .expected = "the new rank, or with --dynamic the greatest",
                                   .advice = "see adapter resize --help"});
  const RankRule rule = rule_of(rank_, dynamic_);
  RankRule of_kernels = rule;
  if (conv_rank_ != 0) of_kernels.most = conv_rank_;
  const Resized resize = resized(read_adapter(inputs_.front()), rule, of_kernels);
  lora::convert(resize.adapter, output_, AdapterFormat::kKohya, dtype_);
  int64_t before = 0, after = 0;
  for (const auto& [path, module] : resize.modules) {
    before += module.rank_before;
    after += module.rank;
    if (is_verbose_)
      log::info(fmt::format("{}: rank {} of {}, {:.3g} % lost", path, module.rank, module.rank_before,
                            100 * module.lost_share));
  }
  say_written(resize.adapter, output_);
  log::info(fmt::format("ranks {} of {} in all; {:.3g} % of what it adds is lost (Frobenius norm)", after,
                        before, 100 * resize.lost_share));
}

void AdapterCommands::run_extract() const {
  int64_t count = 0;
  const Extracted extracted = extract(base_, tuned_, extract_options_, [&] {
    if (++count % kModulesBetweenLines == 0) log::info(fmt::format("{} modules", count));
  });
  lora::convert(extracted.adapter, output_, AdapterFormat::kKohya, dtype_);
  say_written(extracted.adapter, output_);
  if (!extracted.has_text_encoder)
    log::info(fmt::format("the text encoder is left out: none of its weights differs by more than {:g}",
                          extract_options_.least_difference));
  log::info(fmt::format("{:.3g} % of the difference is lost (Frobenius norm)", 100 * extracted.lost_share));
}

void AdapterCommands::run_apply() const {
  const AppliedToModel applied =
      apply(model_, adapter_requests(inputs_, /*default_scale=*/1), output_,
            model_dtype_ == kAsStored ? std::nullopt : std::optional(model_dtype_));
  log::info(fmt::format("{} weights and biases changed → {}", applied.changed_count, output_.string()));
  if (applied.missing_count > 0)
    log::warning(fmt::format("{} that the adapters change are not in this model", applied.missing_count));
  if (applied.has_unchanged_ema)
    log::warning(
        "the checkpoint's EMA weights (model_ema.…) are as they were; programs draw with the others");
}

}  // namespace sdlora::lora
