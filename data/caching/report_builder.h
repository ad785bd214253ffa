// The report of a data set (data/shards/data_report.h), made from what is planned, and in words.
#pragma once

#include <string>
#include <vector>

#include "data/caching/cache_plan.h"
#include "data/captions/long_captions.h"
#include "data/shards/data_report.h"

namespace sdlora::data {

// `lost_lines`: of caption lists, without a picture.
DataReport report_on(const std::vector<PlannedSample>& samples, const std::vector<std::string>& captions,
                     const LongCaptions& long_captions, const std::vector<std::string>& lost_lines);

// A line for each thing that there is to say: "captions: 3 pictures have an empty one; …".
std::string report_lines(const Manifest& manifest);

}  // namespace sdlora::data
