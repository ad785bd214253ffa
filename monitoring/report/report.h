// report.html: one page that shows a run, in one file that opens offline. What was measured comes from
// metrics.jsonl, over all attempts of the run; the pictures from previews/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "monitoring/records/table_row.h"

namespace sdlora::monitoring {

struct ReportSetting {
  std::string name;
  std::string value;
  std::string default_value;  // empty: there is none
};

struct RunReport {
  std::filesystem::path run_directory;  // metrics.jsonl and previews/ are read here
  std::string state;                    // running, finished, stopped, diverged, failed
  int64_t step = 0;                     // steps done
  int64_t max_steps = 0;
  int64_t parameter_count = 0;
  double max_gradient_norm = 0;  // where gradients are clipped; 0: never
  std::vector<ReportSetting> settings;
  std::vector<TableRow> run_rows;
  std::vector<TableRow> data_rows;
  std::vector<std::string> captions;  // a few
};

// Writes RUN_DIRECTORY/report.html, complete or not at all. Throws Error(kIo).
void write_report(const RunReport& report);

}  // namespace sdlora::monitoring
