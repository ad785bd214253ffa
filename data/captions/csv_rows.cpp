#include "data/captions/csv_rows.h"

#include <utility>

#include <csv.h>

namespace sdlora::data {
namespace {

struct Parsed {
  CsvRows result;
  std::vector<std::string> row;
};

void end_field(void* bytes, size_t count, void* parsed) {
  static_cast<Parsed*>(parsed)->row.emplace_back(static_cast<const char*>(bytes), count);
}

void end_row(int /*ending*/, void* parsed) {
  auto& [result, row] = *static_cast<Parsed*>(parsed);
  result.rows.push_back(std::exchange(row, {}));
}

}  // namespace

CsvRows csv_rows(const std::string& text) {
  Parsed parsed;
  csv_parser parser;
  if (csv_init(&parser, CSV_APPEND_NULL) != 0) return {.rows = {}, .flaw = "no memory"};
  const size_t read_bytes = csv_parse(&parser, text.data(), text.size(), end_field, end_row, &parsed);
  // A quote within a field is a quote, but at the end of the file one that was never closed is a flaw: it has
  // swallowed the rest.
  csv_set_opts(&parser, CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL);
  const bool is_read = read_bytes == text.size() && csv_fini(&parser, end_field, end_row, &parsed) == 0;
  if (!is_read) parsed.result.flaw = csv_strerror(csv_error(&parser));
  csv_free(&parser);
  return std::move(parsed.result);
}

}  // namespace sdlora::data
