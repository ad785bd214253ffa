#include "checkpoint/torch_zip.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "tests/checkpoint/written_zip.h"
#include "tests/support/error_of.h"
#include "tests/support/same_tensors.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

NamedTensors example() {
  return {{"down.to_q.lora_A", at::arange(6, at::kFloat).view({2, 3})},
          {"down.to_q.lora_B", at::arange(6, at::kFloat).view({3, 2}).to(at::kHalf)},
          {"empty", at::empty({0, 4})},
          {"scalar", at::scalar_tensor(int64_t{1} << 40, at::kLong)},
          {"x.bf16", at::ones({1, 2, 1, 1}, at::kBFloat16)}};
}

TEST(TorchZip, ReadsBackWhatItWrote) {
  const TemporaryFolder folder;
  write_torch_zip(folder / "lora_weights.pt", example());
  expect_same_tensors(read_torch_zip(folder / "lora_weights.pt"), example());
  EXPECT_THAT(folder.names(), ElementsAre("lora_weights.pt"));
}

TEST(TorchZip, HoldsManyTensorsAndNone) {
  const TemporaryFolder folder;
  NamedTensors many;
  for (int i = 0; i < 700; ++i) many["module." + std::to_string(i)] = at::full({1 + i % 5}, i);
  write_torch_zip(folder / "many.pt", many);
  expect_same_tensors(read_torch_zip(folder / "many.pt"), many);
  write_torch_zip(folder / "none.pt", {});
  EXPECT_TRUE(read_torch_zip(folder / "none.pt").empty());
}

TEST(TorchZip, WritesTheSameBytesUnderAnyNameAndAtAnyTime) {
  const TemporaryFolder folder;
  write_torch_zip(folder / "a.pt", example());
  write_torch_zip(folder / "other name.pt", example());
  EXPECT_EQ(bytes_of(folder / "a.pt"), bytes_of(folder / "other name.pt"));
}

TEST(TorchZip, WritesAViewWithoutTheRestOfItsStorage) {
  const TemporaryFolder folder;
  const at::Tensor flat = at::arange(1'000'000, at::kFloat);
  const NamedTensors views = {{"a", flat.narrow(0, 5, 8)}, {"b", flat.narrow(0, 13, 8).view({2, 4}).t()}};
  write_torch_zip(folder / "views.pt", views);
  EXPECT_LT(std::filesystem::file_size(folder / "views.pt"), 10'000U);
  expect_same_tensors(read_torch_zip(folder / "views.pt"), views);
}

TEST(TorchZip, TakesTensorsThatRequireAGradient) {
  const TemporaryFolder folder;
  write_torch_zip(folder / "a.pt", {{"x", at::ones({2}).set_requires_grad(true)}});
  EXPECT_FALSE(read_torch_zip(folder / "a.pt").at("x").requires_grad());
}

// Neither LibTorch nor Python compares a record's checksum. Here no byte may change a tensor unnoticed.
TEST(TorchZip, NoFlippedByteIsAcceptedWithOtherTensors) {
  const TemporaryFolder folder;
  write_torch_zip(folder / "good.pt", example());
  const std::string good = bytes_of(folder / "good.pt");
  size_t refused = 0;
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bytes = good;
    bytes[i] = static_cast<char>(bytes[i] ^ 0x10);
    write_bytes(folder / "bad.pt", bytes);
    NamedTensors seen;
    const std::string message = error_of([&] { seen = read_torch_zip(folder / "bad.pt"); });
    if (message == "nothing was thrown") {
      expect_same_tensors(seen, example());
    } else {
      EXPECT_THAT(message, AllOf(StartsWith("65 "), HasSubstr("bad.pt"))) << i;
      ++refused;
    }
  }
  EXPECT_GT(refused, good.size() / 4);
}

TEST(TorchZip, NamesTheDamagedRecord) {
  const TemporaryFolder folder;
  write_torch_zip(folder / "a.pt", {{"x", at::full({4}, 1.25)}});
  std::string bytes = bytes_of(folder / "a.pt");
  const at::Tensor pattern = at::full({4}, 1.25);
  const std::string data(static_cast<const char*>(pattern.const_data_ptr()), pattern.nbytes());
  const size_t at = bytes.find(data);
  ASSERT_NE(at, std::string::npos);
  bytes[at + 2] = static_cast<char>(bytes[at + 2] ^ 1);
  write_bytes(folder / "a.pt", bytes);
  EXPECT_THAT(error_of([&] { read_torch_zip(folder / "a.pt"); }),
              AllOf(StartsWith("65 "), HasSubstr("data/0 is damaged"), HasSubstr("CRC-32")));
}

TEST(TorchZip, RefusesEveryShorterPrefixAndTrailingBytes) {
  const TemporaryFolder folder;
  write_torch_zip(folder / "good.pt", example());
  const std::string good = bytes_of(folder / "good.pt");
  for (size_t bytes = 0; bytes < good.size(); bytes += 1 + bytes / 50) {
    write_bytes(folder / "bad.pt", good.substr(0, bytes));
    EXPECT_THAT(error_of([&] { read_torch_zip(folder / "bad.pt"); }),
                AllOf(StartsWith("65 "), HasSubstr("bad.pt")));
  }
  write_bytes(folder / "bad.pt", good + "x");
  EXPECT_THAT(error_of([&] { read_torch_zip(folder / "bad.pt"); }), HasSubstr("bytes after its end"));
}

TEST(TorchZip, RefusesADescriptionThatIsNoAdapters) {
  const TemporaryFolder folder;
  write_bytes(folder / "a.pt", written::zip_of({{"a/data.pkl", std::string((size_t{4} << 20) + 1, 'N')}}));
  EXPECT_THAT(error_of([&] { read_torch_zip(folder / "a.pt"); }),
              AllOf(StartsWith("65 "), HasSubstr("at most 4194304 bytes in data.pkl")));
}

TEST(TorchZip, SaysWhatAFileIsInstead) {
  const TemporaryFolder folder;
  EXPECT_THAT(error_of([&] { read_torch_zip(folder / "absent.pt"); }),
              AllOf(StartsWith("74"), HasSubstr("absent.pt")));
  write_bytes(folder / "a.pt", "");
  EXPECT_THAT(error_of([&] { read_torch_zip(folder / "a.pt"); }),
              AllOf(StartsWith("65"), HasSubstr("an empty file")));
  write_bytes(folder / "a.pt", "\x80\x02\x8a\x0a old torch");
  EXPECT_THAT(error_of([&] { read_torch_zip(folder / "a.pt"); }),
              AllOf(StartsWith("65"), HasSubstr("before 1.6")));
}

}  // namespace
}  // namespace sdlora::checkpoint
