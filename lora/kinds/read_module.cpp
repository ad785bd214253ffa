#include "lora/kinds/read_module.h"

#include <ATen/ATen.h>

#include "lora/kinds/dora.h"
#include "lora/kinds/full_difference.h"
#include "lora/kinds/glora.h"
#include "lora/kinds/ia3.h"
#include "lora/kinds/loha.h"
#include "lora/kinds/lokr.h"
#include "lora/kinds/tucker.h"

namespace sdlora::lora {
namespace {

enum class Family { kNone, kLowRank, kLoha, kLokr, kGlora, kIa3, kPeftIa3, kWhole, kSeveral };

Family family_of(const ModuleParts& parts) {
  Family found = Family::kNone;
  const auto look_for = [&](Family family, std::initializer_list<Part> some) {
    if (parts.has_any(some)) found = found == Family::kNone ? family : Family::kSeveral;
  };
  look_for(Family::kLowRank, {Part::kA, Part::kB, Part::kMid, Part::kSingular});
  look_for(Family::kLoha,
           {Part::kLohaW1A, Part::kLohaW1B, Part::kLohaW2A, Part::kLohaW2B, Part::kLohaT1, Part::kLohaT2});
  look_for(Family::kLokr, {Part::kLokrW1, Part::kLokrW1A, Part::kLokrW1B, Part::kLokrW2, Part::kLokrW2A,
                           Part::kLokrW2B, Part::kLokrT2});
  look_for(Family::kGlora, {Part::kGloraA1, Part::kGloraA2, Part::kGloraB1, Part::kGloraB2, Part::kGloraMid});
  look_for(Family::kIa3, {Part::kFactor, Part::kOnInput, Part::kBiasValue});
  look_for(Family::kPeftIa3, {Part::kPeftFactor});
  if (found == Family::kNone)
    look_for(Family::kWhole, {Part::kDifference, Part::kValue, Part::kBiasDifference});
  return found;
}

class ModuleReader {
 public:
  ModuleReader(const ModuleParts& parts, const ModuleContext& context) : parts_(parts), context_(context) {}

  ModuleRead read() {
    const Family family = family_of(parts_);
    ModuleRead read;
    read.unsupported_kind = why_not(family);
    if (!read.unsupported_kind.empty()) return read;
    if (family == Family::kLowRank && !parts_.has(Part::kMid)) {
      LowRankPair pair = low_rank_pair(parts_);
      pair.alpha = alpha_of(pair.rank());
      if (!parts_.has_any({Part::kMagnitude, Part::kPeftMagnitude, Part::kBiasOfB, Part::kDifference,
                           Part::kValue, Part::kBiasDifference})) {
        read.pair = std::move(pair);
        return read;
      }
      scale_ = pair.scale();
      if (!parts_.has_any({Part::kBiasOfB, Part::kDifference, Part::kValue, Part::kBiasDifference}))
        if (const auto magnitude = row_magnitude(parts_, pair.b.size(0)))
          read.dora = DoraPair{pair, *magnitude};
      read.change = with_the_rest({.weight = low_rank_change(pair), .tensor_names = pair.tensor_names});
      return read;
    }
    read.change = with_the_rest(change_of(family));
    return read;
  }

 private:
  std::string why_not(Family family) const {
    if (family == Family::kSeveral) return "several kinds in one module";
    if (family == Family::kNone)
      return parts_.has_any({Part::kMagnitude, Part::kPeftMagnitude}) ? "DoRA without its branch"
             : parts_.has(Part::kBiasOfB)                             ? "a bias without its branch"
                                                                      : "alpha without A and B";
    if (family == Family::kIa3 && !parts_.has(Part::kOnInput) && !context_.is_of_peft) return "unknown names";
    if (context_.is_of_peft && family == Family::kLoha) return "LoHa of PEFT";
    if (context_.is_of_peft && family == Family::kLokr) return "LoKr of PEFT";
    return "";
  }

  ModuleChange change_of(Family family) {
    const auto of = [&](WeightChange change) {
      return ModuleChange{.weight = std::move(change), .bias = {}, .tensor_names = parts_.tensor_names()};
    };
    switch (family) {
      case Family::kLoha:
        return of(loha_change(parts_, scale_for(loha_rank(parts_))));
      case Family::kLokr: {
        const std::optional<int64_t> rank = lokr_rank(parts_);
        return of(lokr_change(parts_, rank ? scale_for(*rank) : 1));
      }
      case Family::kGlora:
        return of(glora_change(parts_, scale_for(glora_rank(parts_))));
      case Family::kIa3:
        return parts_.has(Part::kOnInput) ? ia3_change(parts_) : peft_whole_change(parts_);
      case Family::kPeftIa3:
        return peft_ia3_change(parts_);
      case Family::kLowRank:
        return of(tucker_change(parts_, scale_for(tucker_rank(parts_))));
      default:
        return full_change(parts_);
    }
  }

  // What may stand beside any kind: a whole difference, DoRA's magnitude, and what is added to the bias.
  ModuleChange with_the_rest(ModuleChange change) {
    if (parts_.has_any({Part::kDifference, Part::kValue}) && change.weight.edit) {
      const ModuleChange whole = full_change(parts_);
      if (whole.weight.kind != change.weight.kind) change.weight = sum_of(change.weight, whole.weight);
    }
    if (parts_.has_any({Part::kMagnitude, Part::kPeftMagnitude}) && change.weight.edit)
      change.weight = dora_change(parts_, std::move(change.weight));
    if (parts_.has(Part::kBiasDifference)) add_to_bias(change, Part::kBiasDifference, 1);
    if (parts_.has(Part::kBiasOfB)) add_to_bias(change, Part::kBiasOfB, scale_);
    return change;
  }

  void add_to_bias(ModuleChange& change, Part part, double scale) {
    const at::Tensor difference = parts_.numbers(part, "a bias").flatten() * scale;
    parts_.require(change.bias_size == 0 || change.bias_size == difference.numel(), part,
                   "as many values as the module's other change of the bias");
    lora::add_to_bias(change, difference);
  }

  static WeightChange sum_of(const WeightChange& first, const WeightChange& second) {
    return {
        .kind = first.kind + " and " + second.kind,
        .shape = first.shape,
        .fits = [first, second](at::IntArrayRef shape) { return first.fits(shape) && second.fits(shape); },
        .edit = [first, second](
                    const at::Tensor& weight,
                    double strength) { return second.edit(first.edit(weight, strength), strength); }};
  }

  // That, over `rank`, is the scale.
  double alpha_of(int64_t rank) {
    const auto whole = static_cast<double>(rank);
    if (parts_.has(Part::kScale)) return parts_.number(Part::kScale) * whole;
    double alpha = parts_.has(Part::kAlpha) ? parts_.number(Part::kAlpha) : context_.default_alpha(rank);
    if (alpha == 0 && context_.takes_zero_alpha_for_rank) alpha = whole;
    constexpr double kAdaloraEpsilon = 1e-5;
    return parts_.has(Part::kSingular) ? alpha * whole / (whole + kAdaloraEpsilon) : alpha;
  }

  double scale_for(int64_t rank) {
    if (rank > 0) scale_ = alpha_of(rank) / static_cast<double>(rank);
    return scale_;
  }

  const ModuleParts& parts_;
  const ModuleContext& context_;
  double scale_ = 1;
};

}  // namespace

ModuleRead read_module(const ModuleParts& parts, const ModuleContext& context) {
  return ModuleReader(parts, context).read();
}

}  // namespace sdlora::lora
