// The rows of a CSV file, by libcsv: fields between commas, in quotes where they hold commas, quotes or ends
// of lines. Rows without anything are left out.
#pragma once

#include <string>
#include <vector>

namespace sdlora::data {

struct CsvRows {
  std::vector<std::vector<std::string>> rows;
  std::string flaw;  // why the rest could not be read; empty where all could
};

CsvRows csv_rows(const std::string& text);

}  // namespace sdlora::data
