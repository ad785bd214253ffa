// Which rank and alpha a module's adapter has.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/pattern.h"
#include "lora/lora_config.h"

namespace sdlora::lora {

// Three times the widest layer of SD 1.5, of whose rank nothing can be above its width.
inline constexpr int64_t kLargestRank = 4096;

struct ModuleRank {
  int64_t rank;
  double alpha;  // over `rank` the scale: with rsLoRA √rank times what was asked for, as LyCORIS stores it
};

class ModuleRanks {
 public:
  // Throws Error(kUsage) naming what of `config` cannot be read.
  explicit ModuleRanks(const LoraConfig& config);

  // Of the module at `path`, a diffusers module path; nothing: its pattern's rank is 0, which leaves it out.
  std::optional<ModuleRank> of(const std::string& path, bool is_convolution_of_several_pixels);

  // Patterns that no path has met yet, as they were given.
  std::vector<std::string> unused_patterns() const;

 private:
  struct RankPattern {
    std::string text;
    Pattern path;
    int64_t rank;
    std::optional<double> alpha;
    bool is_used = false;
  };

  static RankPattern read_pattern(const std::string& text);

  ModuleRank of_lora_, of_convolutions_;
  bool is_rank_stabilised_;
  std::vector<RankPattern> patterns_;
};

}  // namespace sdlora::lora
