#include "model/loading/model_config.h"

#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/json_text.h"

namespace sdlora::model {
namespace {

// No count, width or number of steps of a model is larger, and the product of two overflows nowhere.
constexpr int64_t kLargestInteger = 100'000'000;

bool is_integer(const nlohmann::json& value) {
  if (value.is_number_unsigned()) return value.get<uint64_t>() <= kLargestInteger;
  return value.is_number_integer() && value.get<int64_t>() >= -kLargestInteger;
}

// A list may have a thousand numbers.
std::string beginning_of(const nlohmann::json& value) {
  constexpr size_t kLongest = 100, kBeginning = 40;
  std::string text = value.dump();
  if (text.size() <= kLongest) return text;
  return fmt::format(
      "{} … ({})", text.substr(0, kBeginning),
      value.is_structured() ? fmt::format("{} values", value.size()) : fmt::format("{} bytes", text.size()));
}

}  // namespace

ModelConfig::ModelConfig(std::filesystem::path file) : file_(std::move(file)) {
  try {
    values_ = std::make_shared<const nlohmann::json>(parse_json(quote_nonfinite_numbers(read_text(file_))));
  } catch (const nlohmann::json::exception& failure) {
    throw Error(ExitCode::kBadData, {.what = "cannot read a model's config",
                                     .expected = "JSON",
                                     .seen = failure.what(),
                                     .where = file_.string(),
                                     .advice = "copy the model again"});
  }
  if (!values_->is_object())
    throw Error(ExitCode::kBadData, {.what = "cannot read a model's config",
                                     .expected = "a JSON object",
                                     .seen = values_->type_name(),
                                     .where = file_.string()});
}

ModelConfig::ModelConfig(const nlohmann::json& values, std::filesystem::path file)
    : file_(std::move(file)), values_(std::make_shared<const nlohmann::json>(values)) {}

const nlohmann::json* ModelConfig::find(const std::string& key) const {
  const auto entry = values_->find(key);
  return entry == values_->end() || entry->is_null() ? nullptr : &*entry;
}

bool ModelConfig::is_null(const std::string& key) const {
  const auto entry = values_->find(key);
  return entry != values_->end() && entry->is_null();
}

std::optional<ModelConfig> ModelConfig::section(const std::string& key) const {
  const nlohmann::json* value = find(key);
  if (!value || !value->is_object()) return std::nullopt;
  return ModelConfig(file_, std::make_shared<const nlohmann::json>(*value));
}

void ModelConfig::refuse(const std::string& key, const std::string& expected,
                         const std::string& advice) const {
  const nlohmann::json* value = find(key);
  throw Error(ExitCode::kBadData, {.what = "cannot use this model's config",
                                   .expected = key + ": " + expected,
                                   .seen = value ? key + ": " + beginning_of(*value) : key + " is absent",
                                   .where = file_.string(),
                                   .advice = advice});
}

int64_t ModelConfig::integer(const std::string& key, std::optional<int64_t> fallback) const {
  const nlohmann::json* value = find(key);
  if (!value && fallback) return *fallback;
  if (!value || !is_integer(*value)) refuse(key, "an integer");
  return value->get<int64_t>();
}

double ModelConfig::number(const std::string& key, std::optional<double> fallback) const {
  const nlohmann::json* value = find(key);
  if (!value && fallback) return *fallback;
  if (!value || !value->is_number()) refuse(key, "a number");
  return value->get<double>();
}

double ModelConfig::number_or_infinity(const std::string& key, double fallback) const {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const nlohmann::json* value = find(key);
  if (value && *value == "Infinity") return kInfinity;  // json_text.h
  if (value && *value == "-Infinity") return -kInfinity;
  return number(key, fallback);
}

std::vector<double> ModelConfig::numbers(const std::string& key) const {
  const nlohmann::json* value = find(key);
  if (!value || !value->is_array() || value->empty()) refuse(key, "a list of numbers");
  for (const nlohmann::json& item : *value)
    if (!item.is_number()) refuse(key, "a list of numbers");
  return value->get<std::vector<double>>();
}

bool ModelConfig::boolean(const std::string& key, bool fallback) const {
  const nlohmann::json* value = find(key);
  if (!value) return fallback;
  if (!value->is_boolean()) refuse(key, "true or false");
  return value->get<bool>();
}

std::string ModelConfig::text(const std::string& key, std::optional<std::string> fallback) const {
  const nlohmann::json* value = find(key);
  if (!value && fallback) return *fallback;
  if (!value || !value->is_string()) refuse(key, "a string");
  return value->get<std::string>();
}

std::vector<std::string> ModelConfig::texts(const std::string& key) const {
  const nlohmann::json* value = find(key);
  if (!value || !value->is_array()) refuse(key, "a list of strings");
  for (const nlohmann::json& item : *value)
    if (!item.is_string()) refuse(key, "a list of strings");
  return value->get<std::vector<std::string>>();
}

std::vector<int64_t> ModelConfig::integers(const std::string& key) const {
  const nlohmann::json* value = find(key);
  if (!value || !value->is_array() || value->empty()) refuse(key, "a list of integers");
  for (const nlohmann::json& item : *value)
    if (!is_integer(item)) refuse(key, "a list of integers");
  return value->get<std::vector<int64_t>>();
}

std::vector<int64_t> ModelConfig::integers(const std::string& key, size_t count,
                                           std::optional<int64_t> fallback) const {
  const nlohmann::json* value = find(key);
  if (!value || value->is_number_integer()) return std::vector<int64_t>(count, integer(key, fallback));
  std::vector<int64_t> list = integers(key);
  if (list.size() != count) refuse(key, "an integer or a list of " + std::to_string(count));
  return list;
}

void ModelConfig::require(const std::string& key, const std::string& only, const std::string& advice) const {
  const nlohmann::json* value = find(key);
  if (value && *value != nlohmann::json::parse(only)) refuse(key, only + " (or absent)", advice);
}

}  // namespace sdlora::model
