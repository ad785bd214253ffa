// Files as torch before 1.6 wrote them, by hand: what torch of today no longer writes, and damage.
#include "checkpoint/torch_legacy.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "checkpoint/tensor_file.h"
#include "checkpoint/torch_zip.h"
#include "tests/checkpoint/written_pickle.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::checkpoint {
namespace {

using namespace std::string_literals;
using namespace written;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::string kMagic = "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.";

struct LegacyParts {
  std::string protocol = kProtocol + "M\xe9\x03.";
  std::string system = dict_of(text("little_endian") + "\x88");
  std::string object;
  std::string keys = kProtocol + "](" + text("94") + "e.";
  std::string storages;  // each a count and its elements
};

std::string file_of(const LegacyParts& parts) {
  return kMagic + parts.protocol + parts.system + parts.object + parts.keys + parts.storages;
}

std::string floats(std::vector<float> values) {
  return bytes_of_integer(static_cast<int64_t>(values.size())) +
         std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

// Elements 1 … of the storage "94" of four floats, of which `view` says what the tensor's storage is.
std::string viewed_storage(const std::string& view) {
  return tuple(text("storage") + "ctorch\nFloatStorage\n" + text("94") + text("cuda:0") + integer(4) + view) +
         "Q";
}

class TorchLegacy : public ::testing::Test {
 protected:
  std::shared_ptr<const TensorFile> open(const LegacyParts& parts) {
    write_bytes(folder_ / "old.ckpt", file_of(parts));
    return open_tensor_file(folder_ / "old.ckpt");
  }

  // Both readers must say the same.
  std::string error_for(const LegacyParts& parts) {
    const std::string message = error_of([&] { open(parts); });
    EXPECT_EQ(message, error_of([&] { read_torch_zip(folder_ / "old.ckpt"); }));
    EXPECT_THAT(message, AllOf(StartsWith("65 "), HasSubstr("old.ckpt")));
    return message;
  }

  TemporaryFolder folder_;
};

LegacyParts good_parts() {
  return {.object = dict_of(text("w") + tensor(viewed_storage("N"), 0, integer(4), integer(1))),
          .storages = floats({0, 1, 2, 3})};
}

TEST_F(TorchLegacy, IsKnownByItsMagicNumber) {
  EXPECT_TRUE(is_legacy_torch_file(file_of(good_parts())));
  EXPECT_FALSE(is_legacy_torch_file(dict_of("")));
  EXPECT_FALSE(is_legacy_torch_file(""));
  EXPECT_TRUE(at::equal(open(good_parts())->tensor("w"), at::arange(4, at::kFloat)));
}

TEST_F(TorchLegacy, ReadsAStorageThatIsAViewOfAnother) {
  LegacyParts parts = good_parts();
  const std::string view = tuple(text("95") + integer(1) + integer(3));
  parts.object = dict_of(text("w") + tensor(viewed_storage(view), 1, integer(2), integer(1)) + text("all") +
                         tensor(viewed_storage("N"), 0, integer(4), integer(1)));
  const auto file = open(parts);
  EXPECT_TRUE(at::equal(file->tensor("w"), at::tensor({2.0F, 3.0F})));
  EXPECT_TRUE(at::equal(file->tensor("all"), at::arange(4, at::kFloat)));
  EXPECT_TRUE(at::equal(read_torch_zip(folder_ / "old.ckpt").at("w"), at::tensor({2.0F, 3.0F})));
}

TEST_F(TorchLegacy, RefusesViewsThatLeaveTheStorage) {
  LegacyParts parts = good_parts();
  for (const int64_t first : {int64_t{3}, int64_t{-1}, INT64_MAX}) {
    const std::string view = tuple(text("95") + integer(first) + integer(3));
    parts.object = dict_of(text("w") + tensor(viewed_storage(view), 1, integer(2), integer(1)));
    EXPECT_THAT(error_for(parts), HasSubstr("within its storage"));
  }
}

TEST_F(TorchLegacy, PassesOverClassesThatWereSavedWithTheirSource) {
  LegacyParts parts = good_parts();
  const std::string module =
      tuple(text("module") + "cmy.net\nNet\n" + text("net.py") + text("class Net: pass")) + "Q";
  parts.object = dict_of(text("net") + module + ")\x81" + text("w") +
                         tensor(viewed_storage("N"), 0, integer(4), integer(1)));
  EXPECT_EQ(open(parts)->tensors().size(), 1U);
}

TEST_F(TorchLegacy, RefusesOtherProtocolsAndByteOrders) {
  LegacyParts parts = good_parts();
  parts.protocol = kProtocol + "K\1.";
  EXPECT_THAT(error_for(parts), HasSubstr("protocol 1001"));
  parts = good_parts();
  parts.system = dict_of(text("little_endian") + "\x89");
  EXPECT_THAT(error_for(parts), HasSubstr("big-endian"));
}

TEST_F(TorchLegacy, RefusesStoragesThatAreCutOffOrContradictThePickle) {
  LegacyParts parts = good_parts();
  parts.storages.pop_back();
  EXPECT_THAT(error_for(parts), HasSubstr("cut off"));
  parts.storages = "1234567";
  EXPECT_THAT(error_for(parts), HasSubstr("cut off"));
  for (const int64_t count : {int64_t{-1}, INT64_MAX, INT64_MIN}) {
    parts.storages = bytes_of_integer(count) + "1234";
    EXPECT_THAT(error_for(parts), HasSubstr("cut off"));
  }
  parts.storages = floats({0, 1, 2});
  EXPECT_THAT(error_for(parts), HasSubstr("contradicts itself"));
  parts = good_parts();
  parts.keys = kProtocol + "].";
  EXPECT_THAT(error_for(parts), HasSubstr("lacks the storage"));
  parts.keys = kProtocol + "](" + text("95") + "e.";
  EXPECT_THAT(error_for(parts), HasSubstr("storage 95"));
  parts.keys = kProtocol + "}.";
  EXPECT_THAT(error_for(parts), HasSubstr("a list of storages"));
}

TEST_F(TorchLegacy, RefusesADangerousFileByName) {
  LegacyParts parts = good_parts();
  parts.object = dict_of(text("w") + tensor(viewed_storage("N"), 0, integer(4), integer(1)) + text("x") +
                         "cnt\nsystem\n");
  EXPECT_THAT(error_for(parts), HasSubstr("nt.system, which was not run"));
}

}  // namespace
}  // namespace sdlora::checkpoint
