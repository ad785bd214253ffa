// Pickles made by hand, hostile ones among them.
#include "checkpoint/torch_pickle.h"

#include <cstring>
#include <random>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "tests/support/error_of.h"

namespace sdlora::checkpoint {
namespace {

using namespace std::string_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string text(const std::string& value) {
  const auto bytes = static_cast<uint32_t>(value.size());
  std::string length(sizeof bytes, '\0');
  std::memcpy(length.data(), &bytes, sizeof bytes);
  return "X" + length + value;
}

std::string integer(int64_t value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return "\x8a\x08" + bytes;
}

std::string tuple(const std::string& items) {
  return "(" + items + "t";
}

const std::string kProtocol = "\x80\x02";
const std::string kHooks = "ccollections\nOrderedDict\n)R";

std::string storage(const std::string& storage_class, const std::string& key, int64_t elements) {
  return tuple(text("storage") + "ctorch\n" + storage_class + "\n" + text(key) + text("cpu") +
               integer(elements)) +
         "Q";
}

std::string tensor(const std::string& storage, int64_t begin, const std::string& shape,
                   const std::string& strides) {
  return "ctorch._utils\n_rebuild_tensor_v2\n" +
         tuple(storage + integer(begin) + tuple(shape) + tuple(strides) + "\x89" + kHooks) + "R";
}

std::string dict_of(const std::string& items) {
  return kProtocol + "}(" + items + "u.";
}

std::string good_tensor() {
  return tensor(storage("FloatStorage", "0", 4), 0, integer(2) + integer(2), integer(2) + integer(1));
}

// The archive has one record, data/0, with the floats 0, 1, 2, 3.
NamedTensors read(const std::string& pickle) {
  const at::Tensor floats = at::arange(4, at::kFloat);
  const RecordReader read_record = [&floats](const std::string& name) -> std::string_view {
    if (name != "data/0") throw Error(ExitCode::kBadData, {.what = "lacks " + name, .where = "some.pt"});
    return {static_cast<const char*>(floats.const_data_ptr()), floats.nbytes()};
  };
  return read_tensor_pickle(pickle, read_record, "some.pt");
}

std::string error_for(const std::string& pickle) {
  const std::string message = error_of([&] { read(pickle); });
  EXPECT_THAT(message, AllOf(StartsWith("65 "), HasSubstr("some.pt")));
  return message;
}

TEST(TorchPickle, ReadsADictOfTensors) {
  const NamedTensors tensors = read(dict_of(text("w") + good_tensor()));
  ASSERT_EQ(tensors.size(), 1U);
  EXPECT_TRUE(at::equal(tensors.at("w"), at::arange(4, at::kFloat).view({2, 2})));
}

TEST(TorchPickle, ReadsAnOrderedDictItsMetadataAndParameters) {
  const std::string parameter =
      "ctorch._utils\n_rebuild_parameter\n" + tuple(good_tensor() + "\x88" + kHooks) + "R";
  const std::string metadata = "}(" + text("_metadata") + kHooks + "u";
  const NamedTensors tensors = read(kProtocol + kHooks + "(" + text("w") + parameter + "u" + metadata + "b.");
  EXPECT_TRUE(at::equal(tensors.at("w"), at::arange(4, at::kFloat).view({2, 2})));
}

TEST(TorchPickle, KeepsStridesOffsetsAndSharedStorages) {
  const std::string whole = storage("FloatStorage", "0", 4);
  const NamedTensors tensors =
      read(dict_of(text("column") + tensor(whole, 1, integer(2), integer(2)) + text("all") + good_tensor()));
  EXPECT_TRUE(at::equal(tensors.at("column"), at::tensor({1.0F, 3.0F})));
  EXPECT_TRUE(tensors.at("column").is_alias_of(tensors.at("all")));
}

TEST(TorchPickle, ReadsScalarsAndEmptyTensors) {
  const NamedTensors tensors = read(
      dict_of(text("scalar") + tensor(storage("FloatStorage", "0", 4), 3, "", "") + text("empty") +
              tensor(storage("FloatStorage", "0", 4), 0, integer(0) + integer(5), integer(5) + integer(1))));
  EXPECT_EQ(tensors.at("scalar").item<float>(), 3.0F);
  EXPECT_EQ(tensors.at("empty").sizes(), (at::IntArrayRef{0, 5}));
}

TEST(TorchPickle, RunsNothing) {
  for (const char* name :
       {"posix\nsystem\n", "builtins\neval\n", "os\nsystem\n", "torch\nload\n", "collections\nCounter\n"}) {
    const std::string call = "c"s + name + tuple(text("echo hello")) + "R";
    EXPECT_THAT(error_for(kProtocol + call + "."), HasSubstr("was not run")) << name;
    EXPECT_THAT(error_for(dict_of(text("w") + call)), HasSubstr("was not run")) << name;
  }
}

TEST(TorchPickle, SaysWhatItMetInPlaceOfADictOfTensors) {
  EXPECT_THAT(error_for(kProtocol + "]."), HasSubstr("a list"));
  EXPECT_THAT(error_for(kProtocol + good_tensor() + "."), HasSubstr("a tensor"));
  EXPECT_THAT(error_for(dict_of(text("step") + "K\x07")), HasSubstr("a whole number under \"step\""));
  EXPECT_THAT(error_for(dict_of(text("model") + "}")), HasSubstr("a dict under \"model\""));
  EXPECT_THAT(error_for(dict_of(text("loss") + "G" + std::string(8, '\0'))),
              HasSubstr("a floating-point number"));
  EXPECT_THAT(error_for(dict_of(text("x") + "N")), HasSubstr("None"));
  EXPECT_THAT(error_for(dict_of("K\x01" + good_tensor())), HasSubstr("names as keys"));
  EXPECT_THAT(error_for("\x80\x04}."), HasSubstr("pickle protocol 2"));
}

TEST(TorchPickle, RefusesANameThatComesTwice) {
  EXPECT_THAT(error_for(dict_of(text("w") + good_tensor() + text("w") + good_tensor())),
              HasSubstr("\"w\" again"));
}

TEST(TorchPickle, RefusesViewsThatLeaveTheirStorage) {
  const std::string whole = storage("FloatStorage", "0", 4);
  const int64_t huge = int64_t{1} << 62;
  const auto with = [&](int64_t begin, const std::string& shape, const std::string& strides) {
    return dict_of(text("w") + tensor(whole, begin, shape, strides));
  };
  for (const std::string& pickle :
       {with(1, integer(4), integer(1)), with(-1, integer(2), integer(1)), with(4, "", ""),
        with(0, integer(5), integer(1)), with(0, integer(2), integer(4)), with(3, integer(2), integer(-1)),
        with(0, integer(-2), integer(1)), with(0, integer(huge), integer(0)),
        with(0, integer(huge) + integer(huge), integer(1) + integer(1)),
        with(0, integer(2), integer(INT64_MAX)), with(1, integer(2), integer(INT64_MAX)),
        with(0, integer(0) + integer(huge) + integer(4), integer(1) + integer(1) + integer(1)),
        with(0, integer(2) + integer(2), integer(1)), with(INT64_MIN, integer(0), integer(1))}) {
    EXPECT_THAT(error_for(pickle), HasSubstr("does not lie within its storage"));
  }
}

TEST(TorchPickle, RefusesStoragesThatContradictTheirRecord) {
  for (const std::string& bad :
       {storage("FloatStorage", "0", 5), storage("FloatStorage", "0", 3), storage("DoubleStorage", "0", 4),
        storage("FloatStorage", "0", -4), storage("FloatStorage", "0", INT64_MAX)}) {
    EXPECT_THAT(error_for(dict_of(text("w") + tensor(bad, 0, integer(1), integer(1)))),
                HasSubstr("contradicts itself"));
  }
  EXPECT_THAT(
      error_for(dict_of(text("w") + tensor(storage("FloatStorage", "1", 4), 0, integer(1), integer(1)))),
      HasSubstr("lacks data/1"));
}

TEST(TorchPickle, RefusesBrokenPickles) {
  for (const std::string& pickle : {""s,
                                    "\x80"s,
                                    "."s,
                                    kProtocol + "}",
                                    kProtocol + "R.",
                                    kProtocol + "t.",
                                    kProtocol + "u.",
                                    kProtocol + "s.",
                                    kProtocol + "}u.",
                                    kProtocol + "}(K\1u.",
                                    kProtocol + "\x87.",
                                    kProtocol + "q\1.",
                                    kProtocol + "h\1.",
                                    kProtocol + "j\xff\xff\xff\xff.",
                                    kProtocol + "X\xff\xff\xff\xff",
                                    kProtocol + "\x8a\xff",
                                    kProtocol + "\x8a\x09" + std::string(9, '\1') + ".",
                                    kProtocol + "ctorch",
                                    kProtocol + "Q.",
                                    kProtocol + ")Q.",
                                    kProtocol + "}b.",
                                    kProtocol + ")))R.",
                                    kProtocol + "ccollections\nOrderedDict\nK\1\x85R.",
                                    kProtocol + "ctorch._utils\n_rebuild_tensor_v2\n)R.",
                                    kProtocol + "ctorch\nFloatStorage\n)R.",
                                    kProtocol + "}(00t."}) {
    error_for(pickle);
  }
}

TEST(TorchPickle, SurvivesDepthAndCycles) {
  std::string deep = kProtocol + ")";
  for (int i = 0; i < 1'000'000; ++i) deep += "\x85";
  error_for(deep + ".");
  EXPECT_THAT(error_for(kProtocol + "}q\1" + text("self") + "h\1s."), HasSubstr("a dict under \"self\""));
}

TEST(TorchPickle, SurvivesRandomDamage) {
  const std::string good = dict_of(text("w") + good_tensor() + text("v") +
                                   tensor(storage("FloatStorage", "0", 4), 1, integer(2), integer(1)));
  std::mt19937 random(20260101);
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string pickle = good;
    for (uint32_t i = 0; i <= random() % 4; ++i)
      pickle[random() % pickle.size()] = static_cast<char>(random());
    const std::string message = error_of([&] {
      for (const auto& [name, tensor] : read(pickle)) tensor.sum();
    });
    refused += message == "nothing was thrown" ? 0 : 1;
  }
  EXPECT_GT(refused, 10'000);
}

}  // namespace
}  // namespace sdlora::checkpoint
