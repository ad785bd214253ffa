#include "common/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

namespace sdlora {
namespace {

constexpr size_t kLongestPattern = 10'000;
constexpr uint32_t kMostSteps = 1'000'000;  // a module's path takes some hundred
constexpr uint32_t kMostKibibytes = 20'000;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string message_of(int code) {
  std::string text(256, '\0');
  const int length =
      pcre2_get_error_message(code, reinterpret_cast<unsigned char*>(text.data()), text.size());
  text.resize(length < 0 ? 0 : static_cast<size_t>(length));
  return text;
}

}  // namespace

struct Pattern::Compiled {
  Compiled(std::string_view text, int& failure, size_t& at)
      : code(pcre2_compile(bytes_of(text), text.size(), PCRE2_DOLLAR_ENDONLY, &failure, &at, nullptr)) {}

  ~Compiled() { pcre2_code_free(code); }

  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;

  pcre2_code* code;
};

Pattern::Pattern(std::string text, std::string where, ExitCode malformed)
    : text_(std::move(text)), where_(std::move(where)), malformed_(malformed) {
  const auto refuse = [&](const std::string& seen) {
    throw Error(malformed_, {.what = "not a regular expression",
                             .expected = "one in Perl's syntax, as Python's re has it",
                             .seen = seen,
                             .where = where_});
  };
  if (text_.size() > kLongestPattern) refuse(fmt::format("{} bytes", text_.size()));
  int failure = 0;
  size_t at = 0;
  compiled_ = std::make_shared<Compiled>(text_, failure, at);
  if (compiled_->code == nullptr) refuse(fmt::format("{} ({} at byte {})", text_, message_of(failure), at));
}

bool Pattern::match(std::string_view subject, uint32_t options) const {
  using Context = std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)>;
  using Data = std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)>;
  const Context context(pcre2_match_context_create(nullptr), pcre2_match_context_free);
  const Data data(pcre2_match_data_create(1, nullptr), pcre2_match_data_free);
  pcre2_set_match_limit(context.get(), kMostSteps);
  pcre2_set_heap_limit(context.get(), kMostKibibytes);
  const int result =
      pcre2_match(compiled_->code, bytes_of(subject), subject.size(), 0, options, data.get(), context.get());
  if (result >= 0) return true;
  if (result == PCRE2_ERROR_NOMATCH) return false;
  throw Error(malformed_,
              {.what = "a regular expression takes too long",
               .expected = fmt::format("at most {} steps", kMostSteps),
               .seen = fmt::format("{} on {} ({})", text_, subject.substr(0, 100), message_of(result)),
               .where = where_,
               .advice = "write it without a quantifier within a quantifier"});
}

bool Pattern::is_found_in(std::string_view subject) const {
  return match(subject, 0);
}

bool Pattern::matches(std::string_view subject) const {
  return match(subject, PCRE2_ANCHORED | PCRE2_ENDANCHORED);
}

}  // namespace sdlora
