// What a rank leaves behind when its watchdog expires: OUTPUT/flight-rank-N.json. Where it was, its last
// collectives, and how far the ranks of its host are. A rank that is stopped or killed may leave none: the
// ranks of its host name it under "behind"; over several hosts it is the one with the lowest "entered", or
// without a file.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "comm/collective_log.h"

namespace sdlora::comm {

// The moment a watchdog expires.
struct FlightMoment {
  std::string_view place;  // "rank 1 of 2 on host node7"
  std::string_view doing;  // "step 12, sample 3"
  std::chrono::duration<double> without_progress;
};

class FlightRecord {
 public:
  // Sets the memory aside that write() needs. An empty file name: nothing is written.
  FlightRecord(std::filesystem::path file, size_t host_rank_count);

  const std::filesystem::path& file() const { return file_; }

  // Allocates nothing and takes no lock that another thread may hold, since the main thread may be stuck
  // anywhere. Returns whether the file is whole.
  bool write(const FlightMoment& moment, const CollectiveLog& log) noexcept;

 private:
  std::filesystem::path file_;
  std::vector<char> text_;
};

// One line: which collective this rank is in or was in last, and which ranks of its host are behind.
std::string describe_last_collective(const CollectiveLog& log);

// "flight-rank-3.json"
std::string flight_record_name(int rank);

// (rank 0 only) Puts the records of an earlier attempt out of the way of the next ones, under previous-….
void set_aside_flight_records(const std::filesystem::path& run_directory);

}  // namespace sdlora::comm
