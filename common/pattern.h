// A regular expression that somebody else wrote: matching is bounded in time, memory and depth.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/error.h"

namespace sdlora {

class Pattern {
 public:
  // Perl's syntax (PCRE2), of which Python's and ECMAScript's common part is a part. `where` it stands, for
  // messages: "--lora-targets", "alpha_pattern in FILE". Throws Error(`malformed`) when it is none, or is
  // longer than 10,000 bytes.
  Pattern(std::string text, std::string where, ExitCode malformed);

  // Whether a part of `subject` matches, or all of it. Throws Error(kUsage or kBadData, as above) when that
  // takes more than a million steps: a quantifier within a quantifier may take for ever.
  bool is_found_in(std::string_view subject) const;
  bool matches(std::string_view subject) const;

 private:
  struct Compiled;

  bool match(std::string_view subject, uint32_t options) const;

  std::string text_, where_;
  ExitCode malformed_;
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace sdlora
