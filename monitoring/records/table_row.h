// What is to be said of a run, as a name and a text; a table of them is shown on the terminal and in the
// report.
#pragma once

#include <string>
#include <vector>

namespace sdlora::monitoring {

struct TableRow {
  std::string name;
  std::string text;  // may have several lines
};

// Two aligned columns, a string a line: the names, and the texts.
std::vector<std::string> table_of(const std::vector<TableRow>& rows);

}  // namespace sdlora::monitoring
