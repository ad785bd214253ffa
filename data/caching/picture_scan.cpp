#include "data/caching/picture_scan.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "comm/fail_together.h"
#include "common/log.h"
#include "data/caching/picture_view.h"
#include "data/caching/stop_request.h"

namespace sdlora::data {
namespace {

using Json = nlohmann::json;
using ScanClock = std::chrono::steady_clock;

constexpr size_t kInspectedPerRound = 16;  // by a rank; between two rounds the ranks hear of a stop
constexpr std::chrono::seconds kBetweenLines{30};

Json to_json(const std::vector<SkippedImage>& images) {
  Json json = Json::array();
  for (const SkippedImage& image : images) json.push_back({image.source, image.reason});
  return json;
}

std::vector<SkippedImage> images_in(const Json& json) {
  std::vector<SkippedImage> images;
  for (const Json& image : json) images.push_back({image.at(0), image.at(1)});
  return images;
}

// (all ranks) Rank 0's search.
FoundImages broadcast_found_images(const CacheOptions& options, comm::Communicator& world) {
  std::string text;
  comm::fail_together(world, [&] {
    if (world.rank() != 0) return;
    const FoundImages found = find_images(options.images, leave_when_asked(options));
    text = Json{{"sources", found.sources},
                {"skipped", to_json(found.skipped)},
                {"passed_over", to_json(found.passed_over)},
                {"caption_lists", found.caption_lists}}
               .dump();
  });
  world.broadcast(text, 0);
  const Json json = Json::parse(text);
  return {.sources = json.at("sources"),
          .skipped = images_in(json.at("skipped")),
          .passed_over = images_in(json.at("passed_over")),
          .caption_lists = json.at("caption_lists")};
}

// Every size-th of the pictures from `first` to before `end`; none when asked to stop.
Json inspect_own(const CacheOptions& options, const std::vector<std::string>& sources, size_t first,
                 size_t end, const comm::Communicator& world) {
  Json own = Json::array();
  for (size_t image = first + static_cast<size_t>(world.rank()); image < end;
       image += static_cast<size_t>(world.size())) {
    if (is_stop_requested(options)) return nullptr;
    const InspectedImage inspected = inspect_image(options.images / sources[image]);
    own.push_back({inspected.sha256, inspected.unusable_reason, inspected.other_kind, inspected.size.width,
                   inspected.size.height});
  }
  return own;
}

// (all ranks) What all saw, by image.
std::vector<InspectedImage> gather_inspections(const CacheOptions& options,
                                               const std::vector<std::string>& sources,
                                               comm::Communicator& world) {
  const auto rank_count = static_cast<size_t>(world.size());
  std::vector<InspectedImage> all(sources.size());
  ScanClock::time_point said_at = ScanClock::now();
  for (size_t first = 0; first < sources.size(); first += rank_count * kInspectedPerRound) {
    const size_t end = std::min(sources.size(), first + rank_count * kInspectedPerRound);
    const std::vector<std::string> texts =
        world.gather(inspect_own(options, sources, first, end, world).dump());
    for (size_t other = 0; other < rank_count; ++other) {
      const Json list = Json::parse(texts[other]);
      if (list.is_null()) throw stopped_by_a_signal();
      for (size_t entry = 0; entry < list.size(); ++entry)
        all[first + other + entry * rank_count] = {list[entry].at(0), list[entry].at(1), list[entry].at(2),
                                                   PictureSize{list[entry].at(3), list[entry].at(4)}};
    }
    if (world.rank() == 0 && ScanClock::now() - said_at > kBetweenLines) {
      log::info(fmt::format("{} of {} pictures looked at", end, sources.size()));
      said_at = ScanClock::now();
    }
  }
  return all;
}

// What a person might wonder about, and that is no fault.
void tell_of_names(const ScannedPictures& scanned) {
  if (const std::vector<SkippedImage>& passed_over = scanned.found.passed_over; !passed_over.empty())
    log::info(fmt::format("{} passed over, not meant as pictures of the set:{}", passed_over.size(),
                          indented_list_of(passed_over)));
  std::vector<SkippedImage> misnamed;
  for (size_t image = 0; image < scanned.inspected.size(); ++image)
    if (const std::string& kind = scanned.inspected[image].other_kind; !kind.empty())
      misnamed.push_back({scanned.found.sources[image], kind});
  if (!misnamed.empty())
    log::info(fmt::format("{} read by their content, which is of another kind than the name:{}",
                          misnamed.size(), indented_list_of(misnamed)));
}

}  // namespace

ScannedPictures scan_pictures(const CacheOptions& options, comm::Communicator& world) {
  ScannedPictures scanned;
  scanned.found = broadcast_found_images(options, world);
  require_same_listing(options.images, scanned.found.sources, world);
  scanned.inspected = gather_inspections(options, scanned.found.sources, world);
  std::vector<UnreadPicture> unread;
  for (size_t image = 0; image < scanned.inspected.size(); ++image)
    if (const std::string& reason = scanned.inspected[image].unusable_reason; is_unreadable(reason))
      unread.push_back({scanned.found.sources[image],
                        static_cast<int>(image % static_cast<size_t>(world.size())), reason});
  require_same_view(options.images, unread, world);
  if (world.rank() == 0) tell_of_names(scanned);
  return scanned;
}

}  // namespace sdlora::data
