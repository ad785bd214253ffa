// GoogleTest's main under mpirun: every rank runs every test, a failure on one rank is a failure of all.
// SDLORA_TEST_RANKS=n in the environment makes another number of ranks a failure.
#include <cstdlib>
#include <iostream>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include "comm/communicator.h"
#include "comm/mpi_session.h"

namespace {

// Rank 0 prints as usual; the others print only what fails.
class FailurePrinter : public testing::EmptyTestEventListener {
 public:
  explicit FailurePrinter(int rank) : rank_(rank) {}

  // Remembered, since asking for the current test while a result arrives waits for GoogleTest's own lock for
  // ever.
  void OnTestStart(const testing::TestInfo& test) override {
    test_ = std::string(test.test_suite_name()) + "." + test.name();
  }

  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    std::cout << "[rank " << rank_ << "] " << test_ << " failed at "
              << (result.file_name() ? result.file_name() : "?") << ":" << result.line_number() << "\n"
              << result.message() << std::endl;
  }

 private:
  int rank_;
  std::string test_;
};

void speak_only_of_failures(int rank) {
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  delete listeners.Release(listeners.default_result_printer());
  delete listeners.Release(listeners.default_xml_generator());
  listeners.Append(new FailurePrinter(rank));  // GoogleTest owns it
}

// (all ranks) --gtest_shuffle orders by the seed, which would else be each rank's clock.
void share_random_seed(sdlora::comm::Communicator& world) {
  std::string seed =
      std::to_string(testing::GTEST_FLAG(random_seed) != 0 ? testing::GTEST_FLAG(random_seed)
                                                           : static_cast<int>(getpid() % 99999) + 1);
  world.broadcast(seed, 0);
  testing::GTEST_FLAG(random_seed) = std::stoi(seed);
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  sdlora::comm::MpiSession session(&argc, &argv);
  const auto world = sdlora::comm::make_mpi_communicator();
  const char* expected_ranks = std::getenv("SDLORA_TEST_RANKS");
  if (expected_ranks != nullptr && std::stoi(expected_ranks) != world->size()) {
    std::cerr << "this test wants " << expected_ranks << " ranks, and runs on " << world->size() << "\n";
    return 1;
  }
  share_random_seed(*world);
  if (world->rank() != 0) speak_only_of_failures(world->rank());

  const bool has_failed = RUN_ALL_TESTS() != 0;
  for (const std::string& verdict : world->gather(has_failed ? "failed" : "passed"))
    if (verdict == "failed") return 1;
  return 0;
}
