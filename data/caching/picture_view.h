// Whether the ranks see the same pictures. Hosts may have folders of their own under one name, or one has
// lost its network disk: then a picture is not gone, and leaving it out would be wrong.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "comm/communicator.h"

namespace sdlora::data {

// A picture that `rank` could not read.
struct UnreadPicture {
  std::string source;
  int rank = 0;
  std::string reason;
};

// (all ranks, with the same list) Every rank tries to read them. Throws Error(kMismatch) on all, naming who
// sees what, when one can and the rank that could not still cannot.
void require_same_view(const std::filesystem::path& images, const std::vector<UnreadPicture>& unread,
                       comm::Communicator& world);

// (all ranks) `looks_below` as find_images() has it. Of the folders that the ranks' hosts have under this
// name, each is listed once. Throws Error(kMismatch) on all ranks when another than rank 0's holds pictures
// that are not among `sources`.
void require_same_listing(const std::filesystem::path& images, bool looks_below,
                          const std::vector<std::string>& sources, comm::Communicator& world);

}  // namespace sdlora::data
