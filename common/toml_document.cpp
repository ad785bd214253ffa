#include "common/toml_document.h"

#include <sstream>

#include <fmt/format.h>

#include "common/error.h"
#include "common/json_text.h"
#include "common/toml_plus_plus.h"
#include "common/utf8.h"

namespace sdlora {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json to_json(const toml::node& node) {
  if (const toml::table* table = node.as_table()) {
    json object = json::object();
    for (const auto& [key, value] : *table) object[std::string(key.str())] = to_json(value);
    return object;
  }
  if (const toml::array* array = node.as_array()) {
    json list = json::array();
    for (const toml::node& value : *array) list.push_back(to_json(value));
    return list;
  }
  if (const auto text = node.value_exact<std::string>()) return *text;
  if (const auto number = node.value_exact<int64_t>()) return *number;
  if (const auto number = node.value_exact<double>()) return *number;
  if (const auto truth = node.value_exact<bool>()) return *truth;
  std::ostringstream date;
  node.visit([&date](const auto& value) {
    if constexpr (toml::is_date<decltype(value)> || toml::is_time<decltype(value)> ||
                  toml::is_date_time<decltype(value)>)
      date << value.get();
  });
  return date.str();
}

}  // namespace

json parse_document(const std::string& bytes, const fs::path& file) {
  const std::string text = without_byte_order_mark(bytes);
  if (file.extension() != ".json")
    return with_toml(text, "the file is not TOML", file.string(), "",
                     [](const toml::table& table) { return to_json(table); });
  json document = parse_json_or_discard<json>(text);
  if (document.is_discarded())
    throw Error(ExitCode::kUsage, {.what = "the file is not JSON", .where = file.string()});
  return document;
}

}  // namespace sdlora
