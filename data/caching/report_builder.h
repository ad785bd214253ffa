// The report of a data set (data/shards/data_report.h), made from what is planned, and in words.
#pragma once

#include <string>
#include <vector>

#include "data/caching/cache_plan.h"
#include "data/shards/data_report.h"

namespace sdlora::data {

// `cut_count`: captions that are longer than what is read of them.
DataReport report_on(const std::vector<PlannedSample>& samples, const std::vector<std::string>& captions,
                     int64_t cut_count);

// A line for each thing that there is to say: "captions: 3 pictures have an empty one; …".
std::string report_lines(const Manifest& manifest);

}  // namespace sdlora::data
