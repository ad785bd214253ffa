// What every communicator promises, whatever carries it. Runs on any number of ranks.
#include "tests/comm/communicator_contract.h"

#include <limits>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "comm/fail_together.h"
#include "common/error.h"

namespace sdlora::comm {
namespace {

class CommunicatorContract : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = reason_to_skip(); !reason.empty()) GTEST_SKIP() << reason;
    world_ = make_communicator_under_test();
    rank_ = world_->rank();
    size_ = world_->size();
    sum_of_ranks_ = size_ * (size_ - 1) / 2;
  }

  // Sums it over the ranks where the communicator under test wants its tensors; the result on the host.
  at::Tensor sum_over_ranks(const at::Tensor& tensor) {
    at::Tensor sum =
        tensor.to(device_under_test(), tensor.scalar_type(), /*non_blocking=*/false, /*copy=*/true);
    const void* memory = sum.data_ptr();
    world_->all_reduce_sum(sum);
    EXPECT_EQ(sum.data_ptr(), memory) << "not in place";
    return sum.cpu();
  }

  std::unique_ptr<Communicator> world_;
  int64_t rank_ = 0;
  int64_t size_ = 1;
  int64_t sum_of_ranks_ = 0;
};

ExitCode exit_code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.exit_code();
  }
  return ExitCode::kDone;
}

TEST_F(CommunicatorContract, RanksAreNumberedFromZero) {
  EXPECT_GE(rank_, 0);
  EXPECT_LT(rank_, size_);
  EXPECT_GE(world_->local_rank(), 0);
  EXPECT_LT(world_->local_rank(), world_->local_size());
  EXPECT_LE(world_->local_size(), size_);
  std::vector<std::string> expected;
  for (int64_t rank = 0; rank < size_; ++rank) expected.push_back(std::to_string(rank));
  EXPECT_EQ(world_->gather(std::to_string(rank_)), expected);
}

TEST_F(CommunicatorContract, SumsIntegersExactlyAndInPlace) {
  const at::Tensor sum = sum_over_ranks(at::arange(100'000, at::kLong) + rank_);
  EXPECT_TRUE(sum.equal(at::arange(100'000, at::kLong) * size_ + sum_of_ranks_));
}

TEST_F(CommunicatorContract, SumsFloatsAndDoubles) {
  for (const auto type : {at::kFloat, at::kDouble}) {
    const at::Tensor sum = sum_over_ranks(at::full({3, 5}, 0.5, type) + rank_);
    EXPECT_TRUE(sum.equal(
        at::full({3, 5}, 0.5 * static_cast<double>(size_) + static_cast<double>(sum_of_ranks_), type)));
  }
}

TEST_F(CommunicatorContract, IntegersWrapAround) {
  const int64_t largest = std::numeric_limits<int64_t>::max();
  const at::Tensor sum = sum_over_ranks(at::full({2}, largest, at::kLong));
  EXPECT_EQ(sum[0].item<int64_t>(),
            static_cast<int64_t>(static_cast<uint64_t>(largest) * static_cast<uint64_t>(size_)));
}

TEST_F(CommunicatorContract, NotANumberOnOneRankReachesAll) {
  at::Tensor tensor = at::zeros({2});
  if (rank_ == size_ - 1) tensor[1] = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor sum = sum_over_ranks(tensor);
  EXPECT_EQ(sum[0].item<float>(), 0.0F);
  EXPECT_TRUE(std::isnan(sum[1].item<float>()));
}

TEST_F(CommunicatorContract, SumsNothingWithoutComplaint) {
  EXPECT_EQ(sum_over_ranks(at::empty({0}, at::kLong)).numel(), 0);
}

TEST_F(CommunicatorContract, SumsAViewWithoutTouchingItsNeighbours) {
  at::Tensor whole = at::ones({9}, device_under_test());
  at::Tensor part = whole.narrow(0, 3, 3);
  world_->all_reduce_sum(part);
  EXPECT_EQ(whole.sum().item<float>(), static_cast<float>(6 + 3 * size_));
}

TEST_F(CommunicatorContract, RefusesTensorsItCannotSum) {
  at::Tensor strided = at::zeros({4, 4}).t();
  at::Tensor half = at::zeros({4}, at::kHalf);
  at::Tensor absent;
  EXPECT_EQ(exit_code_of([&] { world_->all_reduce_sum(strided); }), ExitCode::kInternal);
  EXPECT_EQ(exit_code_of([&] { world_->all_reduce_sum(half); }), ExitCode::kInternal);
  EXPECT_EQ(exit_code_of([&] { world_->all_reduce_sum(absent); }), ExitCode::kInternal);
}

TEST_F(CommunicatorContract, BroadcastReplacesWhateverTheOthersHeld) {
  const std::string message = std::string("zero\0byte", 9) + std::string(3'000'000, 'x');
  for (int root = 0; root < size_; ++root) {
    std::string bytes = rank_ == root ? message : std::string(rank_ * 7, '?');
    world_->broadcast(bytes, root);
    EXPECT_TRUE(bytes == message);
  }
}

TEST_F(CommunicatorContract, BroadcastsTheEmptyString) {
  std::string bytes = rank_ == 0 ? "" : "stale";
  world_->broadcast(bytes, 0);
  EXPECT_EQ(bytes, "");
}

TEST_F(CommunicatorContract, RefusesARootThatDoesNotExist) {
  std::string bytes = "kept";
  EXPECT_EQ(exit_code_of([&] { world_->broadcast(bytes, static_cast<int>(size_)); }), ExitCode::kInternal);
}

TEST_F(CommunicatorContract, GathersTextsOfDifferentLengthByRank) {
  const auto texts = world_->gather(std::string(rank_ * 1000, static_cast<char>('a' + rank_)));
  ASSERT_EQ(static_cast<int64_t>(texts.size()), size_);
  for (int64_t rank = 0; rank < size_; ++rank)
    EXPECT_EQ(texts[rank], std::string(rank * 1000, static_cast<char>('a' + rank)));
}

TEST_F(CommunicatorContract, EveryHostHasTheBytesOfItsFirstRank) {
  std::string bytes = "from rank " + std::to_string(rank_);
  const std::string own = bytes;
  world_->broadcast_on_host(bytes);
  EXPECT_THAT(bytes, testing::StartsWith("from rank "));
  EXPECT_TRUE(world_->local_rank() != 0 || bytes == own) << bytes;
  EXPECT_TRUE(world_->local_size() != size_ || bytes == "from rank 0") << bytes;
}

TEST_F(CommunicatorContract, LogsEachCollectiveOnce) {
  const int64_t before = world_->log().entries().count;
  world_->barrier();
  sum_over_ranks(at::ones({3}, at::kLong));
  std::string bytes = "four";
  world_->broadcast(bytes, 0);
  world_->gather("x");
  world_->broadcast_on_host(bytes);
  const CollectiveLog::Entries entries = world_->log().entries();
  EXPECT_EQ(entries.count, before + 5);
  const CollectiveLog::Entry& sum = entries.items[static_cast<size_t>(before + 1)];
  EXPECT_THAT(sum.operation, testing::HasSubstr("all_reduce_sum"));
  EXPECT_EQ(sum.bytes, 24);
  EXPECT_GE(sum.left_ns, sum.entered_ns);
}

TEST_F(CommunicatorContract, SeesHowFarTheRanksOfItsHostAre) {
  world_->barrier();
  const CollectiveLog& log = world_->log();
  EXPECT_TRUE(size_ == 1 || static_cast<int>(log.host_ranks().size()) == world_->local_size());
  for (const HostRank& other : log.host_ranks())
    EXPECT_GE(other.progress->entered.load(), 1) << "rank " << other.rank;
}

TEST_F(CommunicatorContract, MixesCallsInAnyOrder) {
  for (int64_t round = 0; round < 50; ++round) {
    at::Tensor tensor = at::full({17}, rank_ + round, at::kLong);
    world_->all_reduce_sum(tensor);
    world_->barrier();
    std::string bytes = std::to_string(tensor[16].item<int64_t>());
    world_->broadcast(bytes, static_cast<int>(round % size_));
    ASSERT_EQ(bytes, std::to_string(sum_of_ranks_ + round * size_));
  }
}

TEST_F(CommunicatorContract, AgreeIsSilentWhenAllIsWell) {
  int64_t calls = 0;
  fail_together(*world_, [&] { ++calls; });
  EXPECT_EQ(calls, 1);
}

TEST_F(CommunicatorContract, AgreeThrowsTheLowestRanksErrorOnEveryRank) {
  std::string seen;
  try {
    fail_together(*world_, [&] {
      if (rank_ >= size_ / 2)
        throw Error(rank_ == size_ / 2 ? ExitCode::kBadData : ExitCode::kIo, {.what = "rank's trouble"});
    });
  } catch (const Error& error) {
    seen = error.what();
    EXPECT_EQ(error.exit_code(), ExitCode::kBadData);
  }
  EXPECT_THAT(seen, testing::StartsWith("rank's trouble"));
  const std::string place =
      size_ > 1 ? "rank " + std::to_string(size_ / 2) + " of " : "";  // alone there is none to name
  EXPECT_THAT(seen, testing::HasSubstr(place));
  for (const std::string& other : world_->gather(seen)) EXPECT_EQ(other, seen);
}

TEST_F(CommunicatorContract, AgreeTurnsAnyExceptionIntoAnError) {
  EXPECT_EQ(exit_code_of([&] {
              fail_together(*world_, [&] {
                if (rank_ == size_ - 1) throw std::out_of_range("map::at");
              });
            }),
            ExitCode::kInternal);
}

}  // namespace
}  // namespace sdlora::comm
