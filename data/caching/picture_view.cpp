#include "data/caching/picture_view.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include "comm/fail_together.h"
#include "common/error.h"
#include "common/host.h"
#include "common/text_list.h"
#include "data/images/image_file.h"
#include "data/images/image_folder.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr size_t kPicturesSent = 20;  // by a rank that sees others

std::string words_for(const comm::Communicator& world) {
  return fmt::format("rank {} on host {}", world.rank(), host_name());
}

[[noreturn]] void fail_for_different_views(const fs::path& images, const std::vector<std::string>& seen) {
  throw Error(ExitCode::kMismatch,
              {.what = "the ranks do not see the same pictures",
               .expected = "one folder, the same for all ranks",
               .seen = indented_list(seen),
               .where = images.string(),
               .advice = "put the pictures (and --output) on a file system that all hosts share; "
                         "what is encoded is kept"});
}

// What a folder is, wherever it is seen from.
std::string identity_of(const fs::path& folder) {
  struct stat status {};

  if (::stat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) return "";
  return fmt::format("{} {} {}", host_name(), status.st_dev, status.st_ino);
}

}  // namespace

void require_same_view(const fs::path& images, const std::vector<UnreadPicture>& unread,
                       comm::Communicator& world) {
  if (unread.empty() || world.size() == 1) return;
  Json own = {{"who", words_for(world)}, {"can_read", Json::array()}};
  for (const UnreadPicture& picture : unread)
    own["can_read"].push_back(!is_unreadable(inspect_image(images / picture.source).unusable_reason));
  std::vector<Json> views;
  for (const std::string& text : world.gather(own.dump())) views.push_back(Json::parse(text));
  std::vector<std::string> seen;
  for (size_t picture = 0; picture < unread.size(); ++picture) {
    const auto can_read = [picture](const Json& view) { return view["can_read"][picture].get<bool>(); };
    const Json& blind = views[static_cast<size_t>(unread[picture].rank)];
    const auto other = std::find_if(views.begin(), views.end(), can_read);
    if (can_read(blind) || other == views.end()) continue;
    seen.push_back(fmt::format("{}: not by {} ({}), but by {}", unread[picture].source,
                               blind["who"].get<std::string>(), unread[picture].reason,
                               (*other)["who"].get<std::string>()));
  }
  if (!seen.empty()) fail_for_different_views(images, seen);
}

void require_same_listing(const fs::path& images, bool looks_below, const std::vector<std::string>& sources,
                          comm::Communicator& world) {
  if (world.size() == 1) return;
  const std::vector<std::string> folders = world.gather(identity_of(images));
  const auto rank = static_cast<size_t>(world.rank());
  const bool is_first_to_see_it = std::find(folders.begin(), folders.end(), folders[rank]) ==
                                  folders.begin() + static_cast<ptrdiff_t>(rank);
  Json own = Json::array();
  comm::fail_together(world, [&] {
    if (rank == 0 || !is_first_to_see_it || folders[rank].empty()) return;
    for (const std::string& source : find_images(images, looks_below).sources)
      if (own.size() < kPicturesSent && !std::binary_search(sources.begin(), sources.end(), source))
        own.push_back(fmt::format("{}: by {}, but not by rank 0", source, words_for(world)));
  });
  std::vector<std::string> seen;
  for (const std::string& text : world.gather(own.dump()))
    for (const Json& line : Json::parse(text)) seen.push_back(line.get<std::string>());
  if (!seen.empty()) fail_for_different_views(images, seen);
}

}  // namespace sdlora::data
