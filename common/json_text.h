// JSON that somebody else wrote. nlohmann's own reading takes any depth, and then copying, comparing and
// writing overflow the stack; its get<int64_t>() makes 3 of 3.7, anything of 1e300 and -1 of 2^64 - 1.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace sdlora {

inline constexpr int kDeepestJson = 100;

// Throws Json::exception: not JSON, or lists and objects more than kDeepestJson deep.
template <typename Json = nlohmann::json>
Json parse_json(std::string_view text) {
  return Json::parse(text, [](int depth, typename Json::parse_event_t, Json&) {
    if (depth > kDeepestJson)
      throw Json::other_error::create(502, "lists and objects within each other, too deep", nullptr);
    return true;
  });
}

// The same, with is_discarded() in place of an exception.
template <typename Json = nlohmann::json>
Json parse_json_or_discard(std::string_view text) {
  try {
    return parse_json<Json>(text);
  } catch (const typename Json::exception&) {
    return Json(Json::value_t::discarded);
  }
}

// Python's json module writes NaN, Infinity and -Infinity, which are no JSON (diffusers does so in scheduler
// files): the same text with each of them a string of that spelling. What is inside strings stays.
std::string quote_nonfinite_numbers(std::string_view text);

// Throws Json::exception for what is no whole number, or none of an int64_t.
template <typename Json>
int64_t whole_number(const Json& value) {
  if (!value.is_number_integer() ||
      (value.is_number_unsigned() && value.template get<uint64_t>() > std::numeric_limits<int64_t>::max()))
    throw Json::type_error::create(302, "a whole number is wanted, not " + value.dump(), &value);
  return value.template get<int64_t>();
}

}  // namespace sdlora
