#include "data/caching/picture_scan.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "checkpoint/sha256.h"
#include "comm/fail_together.h"
#include "common/log.h"
#include "common/text_list.h"
#include "data/caching/mask_names.h"
#include "data/caching/owned_names.h"
#include "data/caching/picture_view.h"
#include "data/caching/scan_memory.h"
#include "data/caching/stop_request.h"
#include "data/images/image_bytes.h"

namespace sdlora::data {
namespace {

using Json = nlohmann::json;
using ScanClock = std::chrono::steady_clock;

constexpr size_t kInspectedPerRound = 16;  // by a rank; between two rounds the ranks hear of a stop
constexpr std::chrono::seconds kBetweenLines{30}, kBetweenSaves{30};

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
FoundImages broadcast_found_images(const CacheOptions& options, const PictureSubset& subset,
                                   comm::Communicator& world) {
  std::string text;
  comm::fail_together(world, [&] {
    if (world.rank() != 0) return;
    const FoundImages found = find_images(subset.folder, subset.looks_below, leave_when_asked(options));
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

// (all ranks) Which file is the mask of which picture, as rank 0 sees it.
void broadcast_masks(const PictureSubset& subset, std::optional<MaskNames>& masks, ScannedPictures& scanned,
                     comm::Communicator& world) {
  std::string text;
  comm::fail_together(world, [&] {
    if (world.rank() != 0) return;
    masks.emplace(subset);
    Json names = Json::array();
    for (const std::string& source : scanned.found.sources) names.push_back(masks->mask_of(source));
    text = names.dump();
  });
  world.broadcast(text, 0);
  for (const Json& name : Json::parse(text)) scanned.masks.push_back({.name = name, .sha256 = {}});
}

Look look_at_picture(const ScanMemory& memory, const PictureSubset& subset, const std::string& source) {
  return memory.look_at(subset.folder / source, LookAt::kPicture,
                        [&] { return inspect_image(subset.folder / source); });
}

Look look_at_mask(const ScanMemory& memory, const PictureSubset& subset, const std::string& mask) {
  if (mask.empty()) return {};
  return memory.look_at(subset.masks_root() / mask, LookAt::kMask, [&] {
    InspectedImage inspected;
    try {
      inspected.sha256 = checkpoint::sha256_of(read_mask_file(subset.masks_root() / mask));
    } catch (const UnusableImage& reason) {
      inspected.unusable_reason = reason.what();
    }
    return inspected;
  });
}

// Every size-th of the pictures from `first` to before `end`; none when asked to stop.
Json inspect_own(const CacheOptions& options, const PictureSubset& subset, const ScannedPictures& scanned,
                 const ScanMemory& memory, size_t first, size_t end, const comm::Communicator& world) {
  Json own = Json::array();
  for (size_t image = first + static_cast<size_t>(world.rank()); image < end;
       image += static_cast<size_t>(world.size())) {
    if (is_stop_requested(options)) return nullptr;
    own.push_back({to_json(look_at_picture(memory, subset, scanned.found.sources[image])),
                   to_json(look_at_mask(memory, subset, scanned.masks[image].name))});
  }
  return own;
}

// What a rank saw of number `image`, and of its mask.
void take(const Json& seen, const PictureSubset& subset, size_t image, ScannedPictures& scanned,
          ScanMemory& memory) {
  const Look picture = look_from(seen.at(0)), mask = look_from(seen.at(1));
  InspectedImage& inspected = scanned.inspected[image];
  inspected = picture.seen;
  if (inspected.unusable_reason.empty()) inspected.unusable_reason = mask.seen.unusable_reason;
  scanned.masks[image].sha256 = mask.seen.sha256;
  memory.keep(subset.folder / scanned.found.sources[image], LookAt::kPicture, picture);
  if (const std::string& name = scanned.masks[image].name; !name.empty())
    memory.keep(subset.masks_root() / name, LookAt::kMask, mask);
}

// (all ranks) What all saw, by image. What is seen is remembered by rank 0, also when asked to stop.
void gather_inspections(const CacheOptions& options, const PictureSubset& subset, ScanMemory& memory,
                        ScannedPictures& scanned, comm::Communicator& world) {
  const std::vector<std::string>& sources = scanned.found.sources;
  const auto rank_count = static_cast<size_t>(world.size());
  scanned.inspected.resize(sources.size());
  const auto remember = [&] {
    if (world.rank() == 0) memory.save_to(options.output / kScanName);
  };
  ScanClock::time_point said_at = ScanClock::now(), saved_at = said_at;
  for (size_t first = 0; first < sources.size(); first += rank_count * kInspectedPerRound) {
    const size_t end = std::min(sources.size(), first + rank_count * kInspectedPerRound);
    const std::vector<std::string> texts =
        world.gather(inspect_own(options, subset, scanned, memory, first, end, world).dump());
    for (size_t other = 0; other < rank_count; ++other) {
      const Json list = Json::parse(texts[other]);
      if (list.is_null()) {
        remember();
        throw stopped_by_a_signal();
      }
      for (size_t entry = 0; entry < list.size(); ++entry)
        take(list[entry], subset, first + other + entry * rank_count, scanned, memory);
    }
    if (ScanClock::now() - saved_at > kBetweenSaves) {
      remember();
      saved_at = ScanClock::now();
    }
    if (world.rank() == 0 && ScanClock::now() - said_at > kBetweenLines) {
      log::info(fmt::format("{} of {} pictures looked at", end, sources.size()));
      said_at = ScanClock::now();
    }
  }
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

// Which pictures have none, and which masks are no picture's.
void tell_of_masks(const PictureSubset& subset, const MaskNames& masks, const ScannedPictures& scanned) {
  std::vector<std::string> without;
  std::set<std::string> used;
  for (size_t image = 0; image < scanned.masks.size(); ++image) {
    used.insert(scanned.masks[image].name);
    if (scanned.masks[image].name.empty()) without.push_back(scanned.found.sources[image]);
  }
  if (const auto lost = masks.others_than(used, scanned.found.passed_over); !lost.empty())
    log::warning(fmt::format("{} masks in {} are no picture's:{}", lost.size(), subset.masks_root().string(),
                             indented_list(lost)));
  if (!without.empty())
    log::info(fmt::format("{} of {} pictures in {} have no mask: all of them counts:{}", without.size(),
                          scanned.found.sources.size(), subset.folder.string(), indented_list(without)));
}

}  // namespace

ScanMemory broadcast_scan_memory(const CacheOptions& options, comm::Communicator& world) {
  ScanMemory memory;
  std::string text;
  comm::fail_together(world, [&] {
    if (world.rank() != 0) return;
    memory = ScanMemory(options.output / kScanName);
    text = memory.to_text();
  });
  world.broadcast(text, 0);
  return world.rank() == 0 ? memory : ScanMemory::from_text(text);
}

ScannedPictures scan_pictures(const CacheOptions& options, const PictureSubset& subset, ScanMemory& memory,
                              comm::Communicator& world) {
  ScannedPictures scanned;
  scanned.found = broadcast_found_images(options, subset, world);
  require_same_listing(subset.folder, subset.looks_below, scanned.found.sources, world);
  std::optional<MaskNames> masks;  // rank 0's
  broadcast_masks(subset, masks, scanned, world);
  gather_inspections(options, subset, memory, scanned, world);
  std::vector<UnreadPicture> unread;
  for (size_t image = 0; image < scanned.inspected.size(); ++image)
    if (const std::string& reason = scanned.inspected[image].unusable_reason; is_unreadable(reason))
      unread.push_back({scanned.found.sources[image],
                        static_cast<int>(image % static_cast<size_t>(world.size())), reason});
  require_same_view(subset.folder, unread, world);
  if (world.rank() == 0) {
    tell_of_names(scanned);
    if (subset.mask == MaskKind::kFile) tell_of_masks(subset, *masks, scanned);
  }
  return scanned;
}

}  // namespace sdlora::data
