#include "trainer/optimizers/optimizer_arguments.h"

#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/error.h"

namespace sdlora::trainer {
namespace {

constexpr double kBelowOne = 0.999999999;  // with 1 a moment never sees a gradient

[[noreturn]] void refuse(const std::string& optimizer, const std::string& expected, const std::string& seen) {
  throw Error(ExitCode::kUsage, {.what = "--optimizer-args does not fit --optimizer " + optimizer,
                                 .expected = expected,
                                 .seen = seen,
                                 .advice = "see docs/training.md"});
}

// "(0.9, 0.99)" → "0.9,0.99"
std::string without_brackets(std::string text) {
  std::erase_if(text, [](char letter) { return std::string("()[] ").find(letter) != std::string::npos; });
  return text;
}

}  // namespace

OptimizerArguments::OptimizerArguments(const OptimizerOptions& options)
    : optimizer_(word_of(options.kind, optimizer_words())) {
  for (const std::string& text : options.arguments) {
    std::istringstream words(text);
    for (std::string word; words >> word;) {
      const size_t equals = word.find('=');
      if (equals == std::string::npos || equals == 0) refuse(optimizer_, "name=value", word);
      if (!given_.emplace(word.substr(0, equals), word.substr(equals + 1)).second)
        refuse(optimizer_, "each name once", word);
    }
  }
}

void OptimizerArguments::take(const std::string& name, double& value, double least, double most) {
  known_.push_back(name);
  const auto given = given_.extract(name);
  if (!given) return;
  double read = 0;
  if (!read_value(given.mapped(), read) || read < least || read > most)
    refuse(optimizer_, fmt::format("{} from {:g} to {:g}", name, least, most), given.mapped());
  value = read;
}

void OptimizerArguments::take(const std::string& name, bool& value) {
  known_.push_back(name);
  const auto given = given_.extract(name);
  if (!given) return;
  std::string text = given.mapped();
  if (text == "True" || text == "False") text[0] = static_cast<char>(text[0] - 'A' + 'a');  // as in Python
  if (!read_value(text, value)) refuse(optimizer_, name + "=true or false", given.mapped());
}

void OptimizerArguments::take_betas(double& beta1, double& beta2) {
  take_pair("betas", beta1, beta2);
  if (beta1 > kBelowOne || beta2 > kBelowOne)
    refuse(optimizer_, "betas below 1", fmt::format("{:g},{:g}", beta1, beta2));
}

void OptimizerArguments::take_pair(const std::string& name, double& first, double& second) {
  known_.push_back(name);
  const auto given = given_.extract(name);
  if (!given) return;
  const std::string text = without_brackets(given.mapped());
  const size_t comma = text.find(',');
  double one = 0, other = 0;
  if (comma == std::string::npos || !read_value(text.substr(0, comma), one) ||
      !read_value(text.substr(comma + 1), other) || one < 0 || other < 0)
    refuse(optimizer_, name + "=NUMBER,NUMBER, each 0 or more", given.mapped());
  first = one;
  second = other;
}

void OptimizerArguments::refuse_rest() const {
  if (given_.empty()) return;
  refuse(optimizer_, fmt::format("some of {}", fmt::join(known_, ", ")), given_.begin()->first);
}

}  // namespace sdlora::trainer
