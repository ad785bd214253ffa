#include "lora/tools/resize.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "common/error.h"
#include "common/python_text.h"
#include "lora/adapter_export.h"
#include "lora/tools/singular_values.h"

namespace sdlora::lora {
namespace {

// As sd-scripts notes it down.
std::string comment_of(const AdapterFile& adapter, const RankRule& rule) {
  const auto before = adapter.metadata.find("ss_training_comment");
  const std::string old = before == adapter.metadata.end() ? "" : before->second;
  if (rule.dynamic)
    return fmt::format("Dynamic resize with {}: {} to at most {}; {}",
                       word_of(*rule.dynamic, dynamic_rank_words()), python_text(rule.x), rule.most, old);
  return fmt::format("dimension is resized to {}; {}", rule.most, old);
}

class Resizer {
 public:
  Resizer(const RankRule& of_matrices, const RankRule& of_kernels)
      : of_matrices_(of_matrices), of_kernels_(of_kernels) {}

  void resize(const std::string& path, LowRankPair& pair) {
    const SingularValues values = singular_values_of(pair);
    const at::IntArrayRef a_shape = pair.a.sizes().slice(1);
    const int64_t full_rank = std::min(pair.b.size(0), c10::multiply_integers(a_shape));
    const int64_t rank =
        std::min(rank_by(pair.a.dim() == 4 ? of_kernels_ : of_matrices_, values.s, full_rank), pair.rank());
    const double whole = lost_square(values, 0);
    ResizedModule module{.rank_before = pair.rank(), .rank = rank, .lost_share = 0};
    if (rank < pair.rank()) {
      const double lost = lost_square(values, rank);
      module.lost_share = whole == 0 ? 0 : std::sqrt(lost / whole);
      lost_square_ += lost;
      pair = cut_to(values, rank, pair.scale(), a_shape.vec());
    }
    whole_square_ += whole;
    modules_.emplace(path, module);
  }

  std::map<std::string, ResizedModule> modules() { return std::move(modules_); }

  double lost_share() const { return whole_square_ == 0 ? 0 : std::sqrt(lost_square_ / whole_square_); }

 private:
  const RankRule& of_matrices_;
  const RankRule& of_kernels_;
  std::map<std::string, ResizedModule> modules_;
  double whole_square_ = 0, lost_square_ = 0;
};

}  // namespace

Resized resized(const AdapterFile& adapter, const RankRule& of_matrices, const RankRule& of_kernels) {
  require_pairs(adapter, "resized");
  Resized result{.adapter = adapter, .modules = {}};
  Resizer resizer(of_matrices, of_kernels);
  for (LowRankPairs* pairs : {&result.adapter.unet, &result.adapter.text_encoder})
    for (auto& [path, pair] : *pairs) resizer.resize(path, pair);
  for (auto& [path, dora] : result.adapter.doras) resizer.resize(path, dora.pair);
  result.adapter.metadata["ss_training_comment"] = comment_of(adapter, of_matrices);
  result.lost_share = resizer.lost_share();
  result.modules = resizer.modules();
  return result;
}

}  // namespace sdlora::lora
