// The commands of the program `adapter`, and their options.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "lora/tools/convert.h"
#include "lora/tools/extract.h"
#include "lora/tools/rank_rule.h"

namespace CLI {
class App;
}

namespace sdlora::lora {

class AdapterCommands {
 public:
  // `app` and this must outlive the parsing.
  explicit AdapterCommands(CLI::App& app);

  AdapterCommands(const AdapterCommands&) = delete;
  AdapterCommands& operator=(const AdapterCommands&) = delete;

  // What was asked for. Throws what the tools throw, Error(kUsage) for options that contradict each other.
  void run() const;

 private:
  void declare_inspect(CLI::App& app);
  void declare_convert(CLI::App& app);
  void declare_merge(CLI::App& app);
  void declare_resize(CLI::App& app);
  void declare_extract(CLI::App& app);
  void declare_apply(CLI::App& app);

  void run_inspect() const;
  void run_convert() const;
  void run_merge() const;
  void run_resize() const;
  void run_extract() const;
  void run_apply() const;

  static constexpr at::ScalarType kAsStored = at::ScalarType::Undefined;

  CLI::App *inspect_, *convert_, *merge_, *resize_, *extract_, *apply_;
  std::vector<std::string> inputs_;
  std::filesystem::path output_;
  AdapterFormat format_ = AdapterFormat::kKohya;
  at::ScalarType dtype_ = at::kFloat;
  bool prints_json_ = false;
  int64_t rank_ = 0;       // 0: not given
  int64_t conv_rank_ = 0;  // 0: as rank_
  std::string dynamic_;
  bool is_verbose_ = false;
  std::filesystem::path base_, tuned_;
  std::filesystem::path model_;
  at::ScalarType model_dtype_ = kAsStored;
  ExtractOptions extract_options_;
};

}  // namespace sdlora::lora
