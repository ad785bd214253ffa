#include "monitoring/records/table_row.h"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>

namespace sdlora::monitoring {

std::vector<std::string> table_of(const std::vector<TableRow>& rows) {
  size_t name_width = 0;
  for (const TableRow& row : rows) name_width = std::max(name_width, row.name.size());
  std::vector<std::string> lines;
  for (const TableRow& row : rows) {
    std::istringstream texts(row.text);
    std::string name = row.name;
    for (std::string text; std::getline(texts, text); name.clear())
      lines.push_back(fmt::format("{:<{}}  {}", name, name_width, text));
  }
  return lines;
}

}  // namespace sdlora::monitoring
