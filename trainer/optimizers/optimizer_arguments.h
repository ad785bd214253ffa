// --optimizer-args: "name=value …", the names and defaults being those of the original in Python.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "trainer/options/optimizer_options.h"

namespace sdlora::trainer {

// Each take_… leaves the value as it is where nothing is given, and throws Error(kUsage) for what is not one.
class OptimizerArguments {
 public:
  // Throws Error(kUsage): what is no name=value, or a name given twice.
  explicit OptimizerArguments(const OptimizerOptions& options);

  void take(const std::string& name, double& value, double least, double most);
  void take(const std::string& name, bool& value);

  // "0.9,0.99", also in brackets. Each from 0 to below 1.
  void take_betas(double& beta1, double& beta2);

  // Two numbers from 0 on.
  void take_pair(const std::string& name, double& first, double& second);

  // Throws Error(kUsage) naming what was not taken, and what there is to take.
  void refuse_rest() const;

 private:
  std::string optimizer_;
  std::map<std::string, std::string> given_;  // not taken yet
  std::vector<std::string> known_;
};

}  // namespace sdlora::trainer
