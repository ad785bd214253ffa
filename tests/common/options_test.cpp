#include "common/options.h"

#include <cstdlib>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/command_line.h"
#include "common/error.h"

namespace sdlora {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

enum class Colour { kRed, kGreen };

struct Example {
  int64_t count = 8;
  int64_t share = 0;
  uint64_t seed = 0;
  double rate = 1e-5;
  std::string text = "plain";
  std::filesystem::path place;
  std::vector<std::string> rules;
  Colour colour = Colour::kRed;
  bool is_quiet = false;

  void declare(OptionSet& set) {
    OptionGroup numbers = set.group("Numbers");
    numbers.add("count", count, Scope::kResult, "how many").positive();
    numbers.add("share", share, Scope::kResult, "of each").auto_is_zero().at_least(0);
    numbers.add("seed", seed, Scope::kResult, "of draws");
    numbers.add("rate", rate, Scope::kResult, "how fast").between(0, 1);
    OptionGroup words = set.group("Words");
    words.add("text", text, Scope::kRun, "what is said");
    words.add("place", place, Scope::kRank, "where");
    words.add("rule", rules, Scope::kResult, "may be given several times");
    words.add("colour", colour, Scope::kRun, "red | green")
        .one_of({{"red", Colour::kRed}, {"green", Colour::kGreen}});
    words.add("quiet", is_quiet, Scope::kRun, "says nothing");
  }
};

struct Parsed {
  Example example;
  Settings settings;
};

Parsed parsed(const std::vector<std::string>& words) {
  Parsed result;
  CLI::App app("test", "prog");
  OptionSet set(app);
  result.example.declare(set);
  std::vector<const char*> arguments{"prog"};
  for (const std::string& word : words) arguments.push_back(word.c_str());
  parse_command_line(app, static_cast<int>(arguments.size()), arguments.data());
  result.settings = set.settings();
  return result;
}

std::string refusal_of(const std::vector<std::string>& words) {
  try {
    parsed(words);
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kUsage);
    return error.what();
  }
  return "nothing was refused";
}

std::string file_with(const std::string& text) {
  const std::string path = testing::TempDir() + "options_test.toml";
  std::ofstream(path) << text;
  return path;
}

std::string text_of_setting(const Parsed& result, const std::string& name) {
  return result.settings.texts({Scope::kResult, Scope::kRun, Scope::kRank}).at(name);
}

TEST(Options, HaveTheirDefaultsWhenNothingIsGiven) {
  const Parsed result = parsed({});
  EXPECT_EQ(result.example.count, 8);
  EXPECT_EQ(result.settings.defaults(), result.settings.texts({Scope::kResult, Scope::kRun, Scope::kRank}));
}

TEST(Options, RefuseNumbersThatAreNotFiniteAsFlagAndInTheFile) {
  for (const std::string word : {"nan", "-nan", "inf", "-inf", "infinity", "1e999"}) {
    EXPECT_THAT(refusal_of({"--rate", word}), AllOf(HasSubstr("--rate"), HasSubstr(word))) << word;
    EXPECT_THAT(refusal_of({"--count", word}), HasSubstr("--count")) << word;
  }
  for (const std::string word : {"nan", "+inf", "-inf", "\"nan\""})
    EXPECT_THAT(refusal_of({"--config", file_with("rate = " + word + "\n")}), HasSubstr("--rate")) << word;
}

TEST(Options, RefuseMalformedNumbersAndNumbersOutOfRange) {
  for (const std::string word : {"", "many", "1.5", "1e3", "7x", " 7", "0", "-1", "9999999999999999999"})
    EXPECT_THAT(refusal_of({"--count", word}), AllOf(HasSubstr("--count"), HasSubstr("positive"))) << word;
  for (const std::string word : {"", "x", "0,5", "--1", "1.01", "-0.1"})
    EXPECT_THAT(refusal_of({"--rate", word}), AllOf(HasSubstr("--rate"), HasSubstr("0 to 1"))) << word;
  EXPECT_THAT(refusal_of({"--seed", "-1"}), HasSubstr("--seed"));
  EXPECT_THAT(refusal_of({"--share", "-1"}), HasSubstr("auto or a whole number"));
}

TEST(Options, TakeNumbersToTheirLimits) {
  EXPECT_EQ(parsed({"--seed", "18446744073709551615"}).example.seed, UINT64_MAX);
  EXPECT_EQ(parsed({"--seed", "0xff"}).example.seed, 255);
  EXPECT_EQ(parsed({"--rate", "1"}).example.rate, 1);
  EXPECT_EQ(parsed({"--rate", "+.5"}).example.rate, 0.5);
}

TEST(Options, ReadTheWordsOfAnEnumAndNoOther) {
  EXPECT_EQ(parsed({"--colour", "green"}).example.colour, Colour::kGreen);
  EXPECT_THAT(refusal_of({"--colour", "blue"}),
              AllOf(HasSubstr("--colour"), HasSubstr("red, green"), HasSubstr("blue")));
}

TEST(Options, TakeTheLastOfSeveral) {
  EXPECT_EQ(parsed({"--count", "2", "--count", "3"}).example.count, 3);
  EXPECT_EQ(parsed({"--count", "nonsense", "--count", "3"}).example.count, 3);
  EXPECT_TRUE(parsed({"--quiet", "--quiet"}).example.is_quiet);
  EXPECT_FALSE(parsed({"--quiet", "--quiet=false"}).example.is_quiet);
  EXPECT_EQ(parsed({"--colour", "green", "--colour", "red"}).example.colour, Colour::kRed);
}

TEST(Options, CollectAList) {
  EXPECT_THAT(parsed({"--rule", "a,b", "--rule", "[c]"}).example.rules, ElementsAre("a,b", "[c]"));
  EXPECT_THAT(parsed({"--config", file_with("rule = ['a', \"b\"]\n")}).example.rules, ElementsAre("a", "b"));
  EXPECT_THAT(parsed({"--config", file_with("rule = ['a', 'b']\n"), "--rule", "c"}).example.rules,
              ElementsAre("c"));
}

TEST(Options, LetFlagsWinOverTheFile) {
  const std::string file = file_with("count = 2\nquiet = true\ntext = 'file'\n");
  const Parsed result = parsed({"--quiet=false", "--config", file, "--count", "5"});
  EXPECT_EQ(result.example.count, 5);
  EXPECT_FALSE(result.example.is_quiet);
  EXPECT_EQ(result.example.text, "file");
}

TEST(Options, WriteAValueInOneWay) {
  for (const std::string word : {"1e-5", "1e-05", "0.00001", "1E-5", "+1e-5", "10e-6"})
    EXPECT_EQ(text_of_setting(parsed({"--rate", word}), "rate"), "1e-5") << word;
  EXPECT_EQ(text_of_setting(parsed({}), "rate"), "1e-5");
  EXPECT_EQ(text_of_setting(parsed({"--rate", "0.50"}), "rate"), "0.5");
  EXPECT_EQ(text_of_setting(parsed({"--rate", "-0"}), "rate"), "0");
  EXPECT_EQ(text_of_setting(parsed({"--count", "+07"}), "count"), "7");
  EXPECT_EQ(text_of_setting(parsed({"--share", "0"}), "share"), "auto");
  EXPECT_EQ(text_of_setting(parsed({"--quiet=on"}), "quiet"), "true");
  for (const auto& [value, text] : std::map<double, std::string>{{0.001, "1e-3"},
                                                                 {0.01, "0.01"},
                                                                 {7.5, "7.5"},
                                                                 {1000, "1000"},
                                                                 {1e20, "1e20"},
                                                                 {-2.5e-10, "-2.5e-10"}})
    EXPECT_EQ(text_of(value), text);
}

TEST(Options, ReadTheTextOfANumberBackToTheSameNumber) {
  for (const double value : {0.1, 1.0 / 3, 1e-300, 5e-324, 1.7976931348623157e308, 123456.789, 1e5 + 0.1}) {
    double read = 0;
    ASSERT_TRUE(read_value(text_of(value), read)) << text_of(value);
    EXPECT_EQ(read, value);
  }
}

TEST(Options, TellSettingsByTheirScope) {
  const Settings settings = parsed({"--place", "x"}).settings;
  EXPECT_EQ(settings.texts({Scope::kRank}), (std::map<std::string, std::string>{{"place", "x"}}));
  EXPECT_EQ(settings.texts({Scope::kRank, Scope::kRun}).size(), 4);
}

TEST(Options, ResolveWhatWasLeftToTheProgram) {
  Settings settings = parsed({}).settings;
  settings.resolve("share", "4");
  EXPECT_EQ(settings.defaults().at("share"), "4");
  Settings given = parsed({"--share", "2"}).settings;
  given.resolve("share", "2");
  EXPECT_EQ(given.defaults().at("share"), "auto");
}

TEST(Options, ReadTheirTomlBackToTheSameValues) {
  const std::vector<std::string> hostile{R"(\.attn2\.)",
                                         R"(a "quoted" path)",
                                         "two\nlines\tand a tab",
                                         "nan",
                                         "true",
                                         "123",
                                         "1.10",
                                         "",
                                         "größe/猫",
                                         "{}",
                                         "%%",
                                         "[a, b]",
                                         "# no comment",
                                         "'''",
                                         "a\\",
                                         "\x01\x7f",
                                         "inf",
                                         "2024-01-01",
                                         " blank ",
                                         "--",
                                         "auto"};
  for (const std::string& text : hostile) {
    std::vector<std::string> words{"--rule",   "x",    "--quiet", "--seed", "18446744073709551615",
                                   "--colour", "green"};
    for (const std::string option : {"--text", "--place", "--rule"}) {
      if (!text.empty()) words.push_back(option + "=" + text);  // or it might be an option
      if (text.empty()) words.insert(words.end(), {option, text});
    }
    const Parsed first = parsed(words);
    EXPECT_EQ(first.example.text, text);
    const std::string toml = first.settings.to_toml("title");
    const Parsed second = parsed({"--config", file_with(toml)});
    EXPECT_EQ(second.settings.texts({Scope::kResult, Scope::kRun, Scope::kRank}),
              first.settings.texts({Scope::kResult, Scope::kRun, Scope::kRank}))
        << toml;
    EXPECT_EQ(second.example.place, first.example.place);
    EXPECT_EQ(second.example.rules, first.example.rules);
  }
}

TEST(Options, WriteTomlByTypeWithTheGroupsAsComments) {
  const std::string toml = parsed({"--rate", "1", "--text", "7"}).settings.to_toml("title");
  EXPECT_THAT(toml,
              HasSubstr("# title\n\n# Numbers\ncount = 8\nshare = \"auto\"\nseed = 0\nrate = 1.0\n\n# Words\n"
                        "text = \"7\"\n"));
  EXPECT_THAT(toml, AllOf(HasSubstr("rule = []\n"), HasSubstr("quiet = false\n"), Not(HasSubstr("place"))));
}

TEST(Options, LeaveOutOfTomlWhatIsNotUtf8) {
  const std::string toml = parsed({"--place=caf\xe9", "--text=ok"}).settings.to_toml("title");
  EXPECT_THAT(toml, HasSubstr("# place is not UTF-8"));
  EXPECT_EQ(parsed({"--config", file_with(toml)}).example.text, "ok");
  for (const char* bytes : {"\x80", "\xc0\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82"})
    EXPECT_EQ(toml_string(bytes), std::nullopt);
}

TEST(Options, ReadFilesOfEarlierVersions) {
  const Parsed result =
      parsed({"--config", file_with("# The resolved configuration\ncount = 4\nrate = 1e-05\n"
                                    "text = 1.10\nplace = \"runs/ink\"\nshare = \"auto\"\n"
                                    "colour = \"green\"\nquiet = false\n")});
  EXPECT_EQ(result.example.rate, 1e-5);
  EXPECT_EQ(result.example.text, "1.10");
  EXPECT_EQ(result.example.place, "runs/ink");
  EXPECT_EQ(parsed({"--config", file_with("rate = \"0.5\"\n")}).example.rate, 0.5);
}

TEST(Options, RefuseAFileThatIsNotTomlNamingTheLine) {
  EXPECT_THAT(refusal_of({"--config", file_with("count = 2\ntext = \"\\.attn\"\n")}),
              AllOf(HasSubstr("options_test.toml, line 2"), HasSubstr("not TOML")));
  EXPECT_THAT(refusal_of({"--config", file_with("count = 2\ncount = 3\n")}), HasSubstr("line 2"));
  EXPECT_THAT(refusal_of({"--config", file_with("\n\ncount = {a = 3}\n")}),
              AllOf(HasSubstr("line 3"), HasSubstr("table")));
  EXPECT_THAT(refusal_of({"--config", file_with("[[numbers]]\ncount = 3\n")}), HasSubstr("numbers"));
  EXPECT_THAT(refusal_of({"--config", file_with("count = [3]\n")}),
              AllOf(HasSubstr("line 1"), HasSubstr("list")));
  EXPECT_THAT(refusal_of({"--config", file_with("help = true\n")}), HasSubstr("command line alone"));
  for (const char* key : {"--", "++", "-x", "cuont"})
    EXPECT_THAT(refusal_of({"--config", file_with(std::string("\"") + key + "\" = 3\n")}),
                HasSubstr("unknown option or config key"))
        << key;
}

TEST(Options, StandUnderHeadingsOfAnyName) {
  const Parsed result =
      parsed({"--config", file_with("text = \"a\"\n[training]\ncount = 2\n[training.more]\nrate = 0.5\n")});
  EXPECT_EQ(result.example.text, "a");
  EXPECT_EQ(result.example.count, 2);
  EXPECT_EQ(result.example.rate, 0.5);
  EXPECT_THAT(refusal_of({"--config", file_with("count = 2\n[training]\ncount = 3\n")}),
              AllOf(HasSubstr("count twice"), HasSubstr("line")));
  EXPECT_THAT(refusal_of({"--config", file_with("[training]\ncuont = 3\n")}),
              HasSubstr("did you mean --count?"));
}

TEST(Options, ReadAFileWithAByteOrderMark) {
  EXPECT_EQ(parsed({"--config", file_with("\xEF\xBB\xBF"
                                          "count = 2\r\n")})
                .example.count,
            2);
}

TEST(Options, KnowTheHomeDirectoryAndReplaceNothingElseInAPath) {
  const std::string home = std::getenv("HOME");
  EXPECT_EQ(parsed({"--place", "~/runs"}).example.place, home + "/runs");
  EXPECT_EQ(parsed({"--config", file_with("place = '~'\n")}).example.place, home);
  EXPECT_EQ(parsed({"--place", "a~/~"}).example.place, "a~/~");
  EXPECT_EQ(parsed({"--place", "./$x"}).example.place, "./$x");
  for (const std::string path : {"$HOME/runs", "${HOME}/runs"})
    EXPECT_THAT(refusal_of({"--place", path}), AllOf(HasSubstr("--place"), HasSubstr(path)));
}

TEST(Options, SayWhichWholeNumbersTheyHold) {
  for (const std::string word : {"-1", "18446744073709551616", "1e3"})
    EXPECT_THAT(refusal_of({"--seed", word}), HasSubstr("a whole number, 0 to 18446744073709551615"));
}

TEST(Options, SuggestTheNearestKey) {
  EXPECT_THAT(refusal_of({"--config", file_with("cuont = 3\n")}), HasSubstr("did you mean --count?"));
}

TEST(Options, ShowGroupsDefaultsAndRangesInTheHelp) {
  CLI::App app("test", "prog");
  OptionSet set(app);
  Example example;
  example.declare(set);
  EXPECT_THAT(app.help(),
              AllOf(HasSubstr("\nNumbers:\n"), HasSubstr("\nWords:\n"),
                    HasSubstr("--rate FLOAT:0 to 1=1e-5 "), HasSubstr("--share INT:0 or more=auto"),
                    HasSubstr("--colour TEXT:{red,green}=red"), HasSubstr("--quiet  ")));
}

TEST(Options, PrintThemselvesAsMarkdown) {
  testing::internal::CaptureStdout();
  parsed({"--help-markdown", "--count", "3"});
  const std::string page = testing::internal::GetCapturedStdout();
  EXPECT_THAT(page, AllOf(HasSubstr("## prog\n"), HasSubstr("### Words\n"),
                          HasSubstr("| `--count` | `8` | result | how many |\n"),
                          HasSubstr("| `--quiet` | off | run | says nothing |\n"),
                          HasSubstr("| `--colour` | `red` | run | red \\| green |\n"),
                          HasSubstr("| `--place` | none | rank | where |\n")));
}

TEST(Options, AreRequiredUnlessAnotherReplacesThem) {
  const auto parse = [](std::vector<const char*> words) {
    CLI::App app("test", "prog");
    OptionSet set(app);
    std::string needed, instead;
    set.group("Group").add("needed", needed, Scope::kRun, "needed").required();
    set.group("Group").add("instead", instead, Scope::kRun, "in its place").replaces_required();
    words.insert(words.begin(), "prog");
    return parse_command_line(app, static_cast<int>(words.size()), words.data());
  };
  EXPECT_THROW(parse({}), Error);
  EXPECT_EQ(parse({"--needed", "x"}), ParseResult::kRun);
  EXPECT_EQ(parse({"--instead", "x"}), ParseResult::kRun);
}

}  // namespace
}  // namespace sdlora
