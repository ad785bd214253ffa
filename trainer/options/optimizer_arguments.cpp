#include "trainer/options/optimizer_arguments.h"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/error.h"
#include "trainer/options/optimizer_configs.h"

namespace sdlora::trainer {
namespace {

// "betas=(0.9, 0.99) eps=1e-8": also of a text with brackets, whose blanks are not between arguments.
std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words(1);
  int depth = 0;
  for (const char letter : text) {
    const bool opens = letter == '(' || letter == '[', closes = letter == ')' || letter == ']';
    depth += opens ? 1 : closes ? -1 : 0;
    if (opens || closes) continue;
    if (letter != ' ' && letter != '\t')
      words.back() += letter;
    else if (depth == 0 && !words.back().empty())
      words.emplace_back();
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

std::string canonical_value(const std::string& value) {
  if (value == "True" || value == "true") return "true";
  if (value == "False" || value == "false") return "false";
  std::istringstream parts(value);
  std::vector<std::string> numbers;
  for (std::string part; std::getline(parts, part, ',');)
    numbers.push_back(canonical_text(ValueKind::kNumber, part));
  return fmt::format("{}", fmt::join(numbers, ","));
}

}  // namespace

OptimizerArguments::OptimizerArguments(const OptimizerOptions& options)
    : optimizer_(word_of(options.kind, optimizer_words())) {
  for (const std::string& word : canonical_arguments(options.arguments)) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) refuse("name=value", word);
    if (!given_.emplace(word.substr(0, equals), word.substr(equals + 1)).second)
      refuse("each name once", word);
  }
}

void OptimizerArguments::refuse(const std::string& expected, const std::string& seen) const {
  throw Error(ExitCode::kUsage, {.what = "--optimizer-args does not fit --optimizer " + optimizer_,
                                 .expected = expected,
                                 .seen = seen,
                                 .advice = "see docs/training.md"});
}

void OptimizerArguments::refuse(const std::string& expected, double seen) const {
  refuse(expected, text_of(seen));
}

std::optional<std::string> OptimizerArguments::given(const std::string& name) {
  known_.push_back(name);
  const auto found = given_.extract(name);
  return found ? std::optional(found.mapped()) : std::nullopt;
}

void OptimizerArguments::take(const std::string& name, double& value, double least, double most) {
  std::optional<double> taken;
  take(name, taken, least, most);
  value = taken.value_or(value);
}

void OptimizerArguments::take(const std::string& name, std::optional<double>& value, double least,
                              double most) {
  const std::optional<std::string> text = given(name);
  if (!text) return;
  double read = 0;
  if (!read_value(*text, read) || read < least || read > most)
    refuse(fmt::format("{} from {} to {}", name, text_of(least), text_of(most)), *text);
  value = read;
}

void OptimizerArguments::take(const std::string& name, bool& value) {
  const std::optional<std::string> text = given(name);
  if (text && !read_value(*text, value)) refuse(name + "=true or false", *text);
}

void OptimizerArguments::take_betas(double& beta1, double& beta2) {
  take_pair("betas", beta1, beta2);
  if (std::max(beta1, beta2) > kLargestDecay) refuse("betas below 1", std::max(beta1, beta2));
}

void OptimizerArguments::take_pair(const std::string& name, double& first, double& second) {
  const std::optional<std::string> text = given(name);
  if (!text) return;
  const size_t comma = text->find(',');
  double one = 0, other = 0;
  if (comma == std::string::npos || !read_value(text->substr(0, comma), one) ||
      !read_value(text->substr(comma + 1), other) || one < 0 || other < 0)
    refuse(name + "=NUMBER,NUMBER, each 0 or more", *text);
  first = one;
  second = other;
}

void OptimizerArguments::refuse_rest() const {
  if (!given_.empty()) refuse(fmt::format("some of {}", fmt::join(known_, ", ")), given_.begin()->first);
}

std::vector<std::string> canonical_arguments(const std::vector<std::string>& texts) {
  std::vector<std::string> arguments;
  for (const std::string& text : texts)
    for (const std::string& word : words_of(text)) {
      const size_t equals = word.find('=');
      arguments.push_back(equals == std::string::npos
                              ? word
                              : word.substr(0, equals + 1) + canonical_value(word.substr(equals + 1)));
    }
  std::sort(arguments.begin(), arguments.end());
  return arguments;
}

}  // namespace sdlora::trainer
