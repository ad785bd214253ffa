// --optimizer-args: "name=value …", by the names of the optimiser's original in Python.
#pragma once

#include <map>
#include <optional>
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
  void take(const std::string& name, std::optional<double>& value, double least, double most);
  void take(const std::string& name, bool& value);

  // "0.9,0.99". Each from 0 to below 1.
  void take_betas(double& beta1, double& beta2);

  // Two numbers from 0 on.
  void take_pair(const std::string& name, double& first, double& second);

  // Throws Error(kUsage) naming what was not taken, and what there is to take.
  void refuse_rest() const;

  [[noreturn]] void refuse(const std::string& expected, const std::string& seen) const;
  [[noreturn]] void refuse(const std::string& expected, double seen) const;

 private:
  // What is given by that name, which is taken by this; and the name is known.
  std::optional<std::string> given(const std::string& name);

  std::string optimizer_;
  std::map<std::string, std::string> given_;  // not taken yet
  std::vector<std::string> known_;
};

// One name=value each, by name, with one spelling of each value: "betas=(0.90, 0.99)" is "betas=0.9,0.99".
// What is no such thing is left as it is.
std::vector<std::string> canonical_arguments(const std::vector<std::string>& texts);

}  // namespace sdlora::trainer
