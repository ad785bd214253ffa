// A config.json of diffusers or transformers, read with the key and the file in every error.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace sdlora::model {

class ModelConfig {
 public:
  // Takes Python's NaN and Infinity, which diffusers writes. Throws Error(kBadData): not readable, not JSON,
  // not an object.
  explicit ModelConfig(std::filesystem::path file);

  // Values that are not read from a config file but known of a model; `file`: what messages name.
  ModelConfig(const nlohmann::json& values, std::filesystem::path file);

  const std::filesystem::path& file() const { return file_; }

  // Each throws Error(kBadData) naming file and key: absent without a default, of another type, or an integer
  // beyond 100 million.
  int64_t integer(const std::string& key, std::optional<int64_t> fallback = {}) const;
  double number(const std::string& key, std::optional<double> fallback = {}) const;
  double number_or_infinity(const std::string& key, double fallback) const;  // not NaN
  std::vector<double> numbers(const std::string& key) const;                 // at least one
  bool boolean(const std::string& key, bool fallback) const;
  std::string text(const std::string& key, std::optional<std::string> fallback = {}) const;
  std::vector<std::string> texts(const std::string& key) const;
  std::vector<int64_t> integers(const std::string& key) const;
  // A list of `count` integers, or one integer for all.
  std::vector<int64_t> integers(const std::string& key, size_t count,
                                std::optional<int64_t> fallback = {}) const;

  bool has(const std::string& key) const { return find(key) != nullptr; }  // neither absent nor null

  bool is_null(const std::string& key) const;  // there, and null

  // The object of that key as a config of its own, of the same file; nothing when it is absent or no object.
  std::optional<ModelConfig> section(const std::string& key) const;

  // Refuses a feature that this program does not have: the key must be absent, null or equal to `only` (JSON
  // text).
  void require(const std::string& key, const std::string& only,
               const std::string& advice = kOtherModelAdvice) const;

  // Shows the key's value, the beginning of a long one.
  [[noreturn]] void refuse(const std::string& key, const std::string& expected,
                           const std::string& advice = kOtherModelAdvice) const;

 private:
  static constexpr const char* kOtherModelAdvice =
      "use a model of the Stable Diffusion 1.x or 2.x architecture";

  ModelConfig(std::filesystem::path file, std::shared_ptr<const nlohmann::json> values)
      : file_(std::move(file)), values_(std::move(values)) {}

  const nlohmann::json* find(const std::string& key) const;  // nullptr when absent or null

  std::filesystem::path file_;
  std::shared_ptr<const nlohmann::json> values_;
};

}  // namespace sdlora::model
