#include "checkpoint/safetensors_json.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "checkpoint/printable.h"
#include "common/error.h"

namespace sdlora::checkpoint {
namespace {

constexpr const char* kMetadataName = "__metadata__";
constexpr int kDeepestUnknownField = 100;  // the reference stops at 128 levels

// Receives nlohmann's events; its methods are those of nlohmann::json_sax. Levels of nesting:
// 0 outside, 1 in the header object, 2 in a tensor's object or the metadata's, 3 in `shape` or
// `data_offsets`. Within the value of a field that the format does not know they are counted apart.
class HeaderEvents {
 public:
  using Json = nlohmann::json;

  explicit HeaderEvents(const std::filesystem::path& file) : file_(file) {}

  SafetensorsJson take() { return std::move(result_); }

  bool start_object(size_t) {
    if (is_unknown_field_) return enter_unknown();
    if (level_ >= 2) refuse("an object inside an entry");
    ++level_;
    return true;
  }

  bool end_object() {
    if (is_unknown_field_ && unknown_level_ > 0) return leave_unknown();
    --level_;
    return true;
  }

  bool key(std::string& name) {
    if (is_unknown_field_ && unknown_level_ > 0) return true;
    if (level_ == 1) {
      start_entry(name);
    } else {
      start_field(name);
    }
    return true;
  }

  bool string(std::string& text) {
    if (is_unknown_field_) return true;
    if (level_ == 2 && entry_ == nullptr) {
      result_.metadata[field_] = text;
    } else if (level_ == 2 && field_ == "dtype") {
      entry_->dtype = text;
    } else {
      refuse("a string");
    }
    return true;
  }

  bool start_array(size_t) {
    if (is_unknown_field_) return enter_unknown();
    if (level_ == 2 && entry_ != nullptr && field_ == "shape") {
      numbers_ = &entry_->shape.emplace();
      most_numbers_ = kMaximumRank;
    } else if (level_ == 2 && entry_ != nullptr && field_ == "data_offsets") {
      numbers_ = &entry_->data_offsets.emplace();
      most_numbers_ = 2;
    } else {
      refuse("an array");
    }
    ++level_;
    return true;
  }

  bool end_array() {
    if (is_unknown_field_ && unknown_level_ > 0) return leave_unknown();
    --level_;
    return true;
  }

  bool number_unsigned(Json::number_unsigned_t value) {
    if (is_unknown_field_) return true;
    if (level_ != 3) refuse("a number");
    if (numbers_->size() == most_numbers_) refuse(fmt::format("more than {} numbers", most_numbers_));
    numbers_->push_back(value);
    return true;
  }

  bool number_integer(Json::number_integer_t value) {
    if (is_unknown_field_) return true;
    refuse(fmt::format("the negative number {}", value));
  }

  bool number_float(Json::number_float_t, const std::string& text) {
    if (is_unknown_field_) return true;
    refuse("the number " + printable(text));
  }

  bool boolean(bool) {
    if (is_unknown_field_) return true;
    refuse("true or false");
  }

  bool null() {
    const bool is_metadata = level_ == 1 && name_ == kMetadataName;
    if (is_unknown_field_ || is_metadata) return true;
    refuse("null");
  }

  bool binary(Json::binary_t&) { refuse("binary data"); }

  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& error) {
    throw Error(ExitCode::kBadData,
                {.what = "the safetensors header is not valid JSON",
                 .seen = fmt::format("at header byte {}: {}", position, printable(error.what())),
                 .where = file_.string()});
  }

 private:
  void start_entry(const std::string& name) {
    if (name.find('\0') != std::string::npos) {
      throw Error(ExitCode::kBadData, {.what = "a tensor's name in the safetensors header is unusable",
                                       .expected = "no NUL",
                                       .seen = fmt::format("{} bytes, beginning with \"{}\"", name.size(),
                                                           printable(name.substr(0, 40))),
                                       .where = file_.string()});
    }
    name_ = name;
    field_.clear();
    is_unknown_field_ = false;
    if (name == kMetadataName) {
      if (has_metadata_) refuse_twice(name);
      has_metadata_ = true;
      entry_ = nullptr;
      return;
    }
    const auto [place, is_new] = result_.entries.try_emplace(name);
    if (!is_new) refuse_twice(name);
    entry_ = &place->second;
  }

  bool enter_unknown() {
    if (++unknown_level_ > kDeepestUnknownField) refuse("lists and objects within each other, too deep");
    return true;
  }

  bool leave_unknown() {
    --unknown_level_;
    return true;
  }

  void start_field(const std::string& name) {
    field_ = name;
    is_unknown_field_ = false;
    bool is_seen = false;
    if (entry_ == nullptr) {
      is_seen = result_.metadata.contains(name);
    } else if (name == "dtype") {
      is_seen = entry_->dtype.has_value();
    } else if (name == "shape") {
      is_seen = entry_->shape.has_value();
    } else if (name == "data_offsets") {
      is_seen = entry_->data_offsets.has_value();
    } else {
      is_unknown_field_ = true;
    }
    if (is_seen) refuse_twice(name);
  }

  [[noreturn]] void refuse(const std::string& seen) const {
    throw Error(
        ExitCode::kBadData,
        {.what = "the safetensors header is not as the format wants it",
         .expected = R"({"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …} with )"
                     "whole numbers from 0 and at most 8 dimensions, and text as metadata",
         .seen = seen + (field_.empty() ? "" : " at \"" + printable(field_) + "\""),
         .where = place()});
  }

  [[noreturn]] void refuse_twice(const std::string& name) const {
    throw Error(ExitCode::kBadData, {.what = "the safetensors header has a name twice",
                                     .expected = "every name once",
                                     .seen = "\"" + printable(name) + "\" again",
                                     .where = place()});
  }

  std::string place() const {
    return name_.empty() ? file_.string() : file_.string() + ", entry " + printable(name_);
  }

  const std::filesystem::path& file_;
  SafetensorsJson result_;
  int level_ = 0;
  int unknown_level_ = 0;
  bool is_unknown_field_ = false;
  bool has_metadata_ = false;
  std::string name_;                   // of the entry we are in
  std::string field_;                  // of the field in it
  SafetensorsEntry* entry_ = nullptr;  // null in the metadata
  std::vector<uint64_t>* numbers_ = nullptr;
  size_t most_numbers_ = 0;
};

}  // namespace

SafetensorsJson parse_safetensors_json(std::string_view json, const std::filesystem::path& file) {
  // nlohmann skips a byte-order mark and takes NUL for the end; the format knows neither. The reference skips
  // white space.
  const bool has_nul = json.find('\0') != std::string_view::npos;
  const size_t begin = std::min(json.find_first_not_of(" \t\r\n"), json.size());
  if (begin == json.size() || json[begin] != '{' || has_nul) {
    throw Error(ExitCode::kBadData,
                {.what = "this is not a safetensors file",
                 .expected = "a header that is a JSON object: it begins with { and has no NUL",
                 .seen = has_nul ? fmt::format("NUL at header byte {}", json.find('\0'))
                         : begin == json.size()
                             ? "an empty header"
                             : fmt::format("first byte 0x{:02x}", static_cast<unsigned char>(json[begin])),
                 .where = file.string()});
  }
  HeaderEvents events(file);
  nlohmann::json::sax_parse(json, &events);
  return events.take();
}

}  // namespace sdlora::checkpoint
