// Adapters merged into a model when its weights are loaded: W' = W + m ΔW in fp32 for every module that they
// have, one adapter after the other, before the weights are converted to the type that the model computes in.
// Nothing is added to a step's cost.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "lora/adapter_file.h"
#include "model/loading/weight_edits.h"

namespace sdlora::lora {

struct Applied {
  int64_t tensor_count;  // that found their module
  int64_t file_tensor_count;
  LeftOut left_out;  // the others; add() has warned of them
};

class AdapterEdits final : public model::WeightEdits {
 public:
  // `table`: the model's modules; must outlive this.
  explicit AdapterEdits(const ModuleTable& table) : table_(table) {}

  // One adapter more, of the strength m. With 0 nothing is changed, so the model computes its own very bytes.
  // Throws Error(kBadData) when not one tensor fits the model, when one has its module's name but another
  // shape, or when the adapter is for another family of models.
  Applied add(const AdapterFile& adapter, double strength);

  // Weights and biases that are changed.
  size_t weight_count() const { return edits_.size(); }

  bool touches(const std::string& name) const override;
  at::Tensor edited(const std::string& name, const at::Tensor& weight) const override;

 private:
  struct StrengthenedEdit {
    Edit edit;
    double strength;
  };

  using Edits = std::vector<StrengthenedEdit>;

  void add(const std::string& weight_name, const Edit& edit, double strength);
  const Edits* find(const std::string& weight_name) const;

  const ModuleTable& table_;
  std::map<std::string, Edits> edits_;  // by the name of the weight or bias
};

}  // namespace sdlora::lora
