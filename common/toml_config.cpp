#include "common/toml_config.h"

#include <algorithm>
#include <iterator>
#include <sstream>

#include <fmt/format.h>

#include "common/error.h"
#include "common/toml_plus_plus.h"

namespace sdlora {
namespace {

constexpr const char* kAdvice = "write texts in quotes; in \"…\" a backslash is written twice, in '…' once";

// Columns count characters, from 1.
size_t byte_of(std::string_view line, toml::source_index column) {
  size_t byte = 0;
  for (toml::source_index at = 1; at < column && byte < line.size(); ++at) do {
      ++byte;
    } while (byte < line.size() && (static_cast<uint8_t>(line[byte]) & 0xC0) == 0x80);
  return byte;
}

class TomlConfig : public CLI::Config {
 public:
  explicit TomlConfig(const CLI::App& app) : app_(app) {}

  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
    std::string text{std::istreambuf_iterator<char>(input), {}};
    if (text.starts_with("\xEF\xBB\xBF"))
      text.erase(0, 3);  // byte-order mark, of which toml++ counts no column
    const auto read = [&](const toml::table& table) {
      std::vector<CLI::ConfigItem> entries;
      read_table(table, text, entries);
      return entries;
    };
    return with_toml(text, "the config file is not TOML", app_.get_config_ptr()->as<std::string>(), kAdvice,
                     read);
  }

  std::string to_config(const CLI::App*, bool, bool, std::string) const override { return {}; }  // to_toml()

 private:
  std::string place_of(const toml::source_region& region) const {
    return fmt::format("{}, line {}", app_.get_config_ptr()->as<std::string>(), region.begin.line);
  }

  // [headings] are for the eye: an option is set by its long name, wherever it stands.
  void read_table(const toml::table& table, const std::string& text,
                  std::vector<CLI::ConfigItem>& read) const {
    for (const auto& [key, node] : table) {
      const toml::table* heading = node.as_table();
      if (heading != nullptr && !is_option(key.str())) {
        read_table(*heading, text, read);
        continue;
      }
      std::string name = known(key);
      if (std::any_of(read.begin(), read.end(),
                      [&](const CLI::ConfigItem& item) { return item.name == name; }))
        throw Error(ExitCode::kUsage, {.what = "the config file sets " + name + " twice",
                                       .expected = "an option once, under whichever heading",
                                       .where = place_of(key.source()),
                                       .advice = "leave one of them out"});
      read.push_back({.name = std::move(name), .inputs = texts_of(key.str(), node, text)});
    }
  }

  bool is_option(std::string_view key) const {
    return app_.get_option_no_throw(fmt::format("--{}", key)) != nullptr;
  }

  // An option that a file may set, or a word that CLI11 knows nothing of.
  std::string known(const toml::key& key) const {
    std::string name(key.str());
    const CLI::Option* option = app_.get_option_no_throw((name.size() == 1 ? "-" : "--") + name);
    if (name == "--" || name == "++") throw CLI::ConfigError::Extras(name);  // marks of CLI11's own
    if (option == nullptr || option->get_configurable()) return name;
    throw Error(ExitCode::kUsage, {.what = name + " is for the command line alone",
                                   .where = place_of(key.source()),
                                   .advice = "leave it out of the config file"});
  }

  bool is_list(std::string_view key) const {
    const CLI::Option* option = app_.get_option_no_throw(fmt::format("--{}", key));
    return option != nullptr && option->get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll;
  }

  std::vector<std::string> texts_of(std::string_view key, const toml::node& node,
                                    const std::string& text) const {
    if (const toml::array* list = node.as_array(); list != nullptr && is_list(key)) {
      std::vector<std::string> texts;
      for (const toml::node& item : *list) texts.push_back(text_of_value(key, item, text));
      return texts;
    }
    return {text_of_value(key, node, text)};
  }

  std::string text_of_value(std::string_view key, const toml::node& node, const std::string& text) const {
    if (node.is_table() || node.is_array())
      throw Error(ExitCode::kUsage,
                  {.what = fmt::format("the config file's {} is a {}", key,
                                       node.is_table() ? "table" : "list, and the option takes one value"),
                   .expected = "an option's long name and its value",
                   .where = place_of(node.source()),
                   .advice = "see " + app_.get_name() + " --help"});
    if (const auto* words = node.as_string()) return words->get();
    if (const auto* integer = node.as_integer()) return std::to_string(integer->get());
    return as_written(node.source(), text);
  }

  // 1.10 may be a folder's name, so a number keeps its digits.
  static std::string as_written(const toml::source_region& region, const std::string& text) {
    std::istringstream lines(text);
    std::string line;
    for (toml::source_index i = 0; i < region.begin.line; ++i) std::getline(lines, line);
    const size_t begin = byte_of(line, region.begin.column);
    return line.substr(begin, byte_of(line, region.end.column) - begin);
  }

  const CLI::App& app_;
};

}  // namespace

std::shared_ptr<CLI::Config> make_toml_config(const CLI::App& app) {
  return std::make_shared<TomlConfig>(app);
}

}  // namespace sdlora
