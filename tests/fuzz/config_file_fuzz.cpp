// The TOML file of --config, with an option of every kind; and config.toml, which is written of what was
// read, read again.
#include <cstdlib>

#include "common/command_line.h"
#include "tests/fuzz/fuzz_file.h"
#include "tests/fuzz/fuzz_verdict.h"

using namespace sdlora;

namespace {

enum class Colour { kRed, kBlue };

Settings parse(const std::filesystem::path& file) {
  bool flag = false;
  int small = 1;
  int64_t whole = 1;
  uint64_t seed = 0;
  double number = 0.5;
  std::string text = "text";
  std::filesystem::path path;
  std::optional<std::string> maybe;
  std::vector<std::string> list;
  Colour colour = Colour::kRed;
  CLI::App app("fuzz", "fuzz");
  OptionSet options(app);
  OptionGroup group = options.group("Options");
  group.add("flag", flag, Scope::kRun, "help");
  group.add("small", small, Scope::kRun, "help").at_least(0);
  group.add("whole", whole, Scope::kRun, "help");
  group.add("seed", seed, Scope::kRun, "help");
  group.add("number", number, Scope::kRun, "help");
  group.add("text", text, Scope::kRun, "help");
  group.add("path", path, Scope::kRun, "help");
  group.add("maybe", maybe, Scope::kRun, "help");
  group.add("list", list, Scope::kRun, "help");
  group.add("colour", colour, Scope::kRun, "help").one_of({{"red", Colour::kRed}, {"blue", Colour::kBlue}});
  const std::string name = file.string();
  const char* const words[] = {"fuzz", "--config", name.c_str()};
  parse_command_line(app, 3, words);
  return options.settings();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::filesystem::path file = fuzz::write_file("config.toml", fuzz::text_of(data, size));
  fuzz::expect_orderly([&] {
    const Settings read = parse(file);
    const std::string again = read.to_toml("title");
    const Settings back = parse(fuzz::write_file("written.toml", again));
    for (size_t i = 0; i < read.all().size(); ++i)
      if (back.all()[i].text != read.all()[i].text && again.find("UTF-8") == std::string::npos) std::abort();
  });
  return 0;
}
