// Pickles made by hand, hostile ones among them.
#include "checkpoint/torch_pickle.h"

#include <random>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "tests/checkpoint/written_pickle.h"
#include "tests/support/error_of.h"

namespace sdlora::checkpoint {
namespace {

using namespace std::string_literals;
using namespace written;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

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
  const std::string whole = torch_storage("FloatStorage", "0", 4);
  const NamedTensors tensors =
      read(dict_of(text("column") + tensor(whole, 1, integer(2), integer(2)) + text("all") + good_tensor()));
  EXPECT_TRUE(at::equal(tensors.at("column"), at::tensor({1.0F, 3.0F})));
  EXPECT_TRUE(tensors.at("column").is_alias_of(tensors.at("all")));
}

TEST(TorchPickle, ReadsScalarsAndEmptyTensors) {
  const NamedTensors tensors = read(dict_of(
      text("scalar") + tensor(torch_storage("FloatStorage", "0", 4), 3, "", "") + text("empty") +
      tensor(torch_storage("FloatStorage", "0", 4), 0, integer(0) + integer(5), integer(5) + integer(1))));
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
  EXPECT_THAT(error_for("\x80\x01}."), HasSubstr("pickle protocol 2"));
  EXPECT_THAT(error_for("\x80\x06}."), HasSubstr("pickle protocol 2"));
}

TEST(TorchPickle, PassesOverWhatIsNoTensor) {
  const NamedTensors tensors =
      read(dict_of(text("w") + good_tensor() + text("step") + "K\x07" + text("lr") + "G" +
                   std::string(8, '\0') + text("none") + "N" + text("names") + "](" + text("a") + text("b") +
                   "e" + text("dict") + "}" + "K\x05" + good_tensor()));
  ASSERT_EQ(tensors.size(), 1U);
  EXPECT_TRUE(tensors.contains("w"));
}

TEST(TorchPickle, UnwrapsStateDictAlsoTwice) {
  const std::string inner = dict_with(text("w") + good_tensor());
  const std::string nested = dict_with(text("epoch") + "K\x06" + text("state_dict") + inner);
  EXPECT_TRUE(read(kProtocol + nested + ".").contains("w"));
  EXPECT_TRUE(read(dict_of(text("state_dict") + nested + text("v") + good_tensor())).contains("w"));
  EXPECT_TRUE(read(dict_of(text("model") + inner)).contains("w"));
  EXPECT_TRUE(read(dict_of(text("model") + inner + text("optimizer") + inner)).contains("w"));
}

TEST(TorchPickle, UnwrapsNothingWhereItWouldHaveToChoose) {
  const std::string inner = dict_with(text("w") + good_tensor());
  EXPECT_THAT(error_for(dict_of(text("a") + inner + text("b") + inner)),
              HasSubstr("a dict under \"a\", a dict under \"b\""));
  EXPECT_THAT(error_for(dict_of(text("string_to_token") + inner + text("string_to_param") + inner)),
              HasSubstr("textual inversion"));
}

TEST(TorchPickle, ReadsLightningsClassAsAKey) {
  const std::string callback =
      "cpytorch_lightning.callbacks.model_checkpoint\nModelCheckpoint\n" +
      dict_with(text("best_model_score") + "cnumpy.core.multiarray\nscalar\n" +
                tuple("cnumpy\ndtype\n" + tuple(text("f8") + "\x89\x88") + "R" +
                      tuple("K\x03" + text("<") + "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00"s) + "b" +
                      "c_codecs\nencode\n" + tuple(text("x") + text("latin1")) + "R") +
                "R");
  const NamedTensors tensors = read(dict_of(text("callbacks") + dict_with(callback) + text("state_dict") +
                                            dict_with(text("w") + good_tensor())));
  EXPECT_EQ(tensors.size(), 1U);
}

TEST(TorchPickle, KeepsNothingOfObjectsOfUnknownClasses) {
  const std::string made = "cmy.module\nConfig\n)\x81";
  for (const std::string& object :
       {made, made + "}b", made + "](" + text("x") + "eb", made + "(" + text("k") + good_tensor() + "u",
        made + "(" + text("k") + "e", made + "K\x01" + "a", made + ")R", "cmy.module\nmake\n)R)R"s,
        "cmy.module\nConfig\n)}\x92"s, "\x8f(K\1\x90"s, "(K\1\x91"s, "(K\1K\2l"s, "(K\1K\2d"s}) {
    EXPECT_EQ(read(dict_of(text("w") + good_tensor() + text("o") + object)).size(), 1U);
    EXPECT_THAT(error_for(kProtocol + object + "."), HasSubstr("names as keys"));
  }
  EXPECT_THAT(error_for(kProtocol + made + "."), HasSubstr("my.module.Config, which was not run"));
}

TEST(TorchPickle, ReadsAParameterDict) {
  const std::string dict =
      "ctorch.nn.modules.container\nParameterDict\n)\x81" +
      dict_with(text("training") + "\x88" + text("_parameters") + dict_with(text("*") + good_tensor())) + "b";
  EXPECT_TRUE(read(kProtocol + dict + ".").contains("*"));
}

TEST(TorchPickle, ReadsTheOrderedDictOfPython2) {
  const std::string pairs = "](" + ("](" + text("w") + good_tensor() + "e") + "e";
  EXPECT_TRUE(read(kProtocol + "ccollections\nOrderedDict\n" + pairs + "\x85R.").contains("w"));
  EXPECT_THAT(error_for(kProtocol + "ccollections\nOrderedDict\n](K\1e\x85R."),
              HasSubstr("keys with values"));
  EXPECT_TRUE(read(kProtocol + "}(U\1w" + good_tensor() + "u.").contains("w"));
}

TEST(TorchPickle, ReadsTensorsOfEveryFunctionThatMakesThem) {
  const std::string begin_shape_strides = integer(0) + tuple(integer(2)) + tuple(integer(1));
  const std::string v1 = "ctorch._utils\n_rebuild_tensor\n" +
                         tuple(torch_storage("FloatStorage", "0", 4) + begin_shape_strides) + "R";
  const std::string v3 = "ctorch._utils\n_rebuild_tensor_v3\n" +
                         tuple(storage("torch.storage\nUntypedStorage", "0", 16) + begin_shape_strides +
                               "\x89" + kHooks + "ctorch\nfloat8_e4m3fn\n") +
                         "R";
  const std::string with_attributes =
      "ctorch._tensor\n_rebuild_from_type_v2\n" +
      tuple("ctorch._utils\n_rebuild_tensor\nctorch\nTensor\n" +
            tuple(torch_storage("FloatStorage", "0", 4) + begin_shape_strides) + "}") +
      "R";
  const NamedTensors tensors =
      read(dict_of(text("v1") + v1 + text("v3") + v3 + text("attributes") + with_attributes));
  EXPECT_TRUE(at::equal(tensors.at("v1"), at::tensor({0.0F, 1.0F})));
  EXPECT_TRUE(at::equal(tensors.at("attributes"), at::tensor({0.0F, 1.0F})));
  EXPECT_EQ(tensors.at("v3").scalar_type(), at::kFloat8_e4m3fn);
  EXPECT_EQ(tensors.at("v3").numel(), 2);
}

TEST(TorchPickle, SaysWhichTensorItCannotRead) {
  const std::string sparse = "ctorch._utils\n_rebuild_sparse_tensor\n)R";
  EXPECT_THAT(
      error_for(dict_of(text("w") + good_tensor() + text("s") + sparse)),
      AllOf(HasSubstr("torch._utils._rebuild_sparse_tensor, which was not run"), HasSubstr("tensor s")));
  const std::string quantized = tensor(torch_storage("QInt8Storage", "0", 4), 0, integer(4), integer(1));
  EXPECT_THAT(error_for(dict_of(text("q") + quantized)), HasSubstr("torch.QInt8Storage"));
  EXPECT_EQ(parse_tensor_pickle(dict_of(text("q") + quantized), "some.pt").tensors.at("q").dtype,
            at::ScalarType::Undefined);
}

TEST(TorchPickle, RefusesAFileThatNamesAModuleThatRunsThings) {
  for (const char* name : {"os\nsystem\n",
                           "posix\nsystem\n",
                           "nt\nsystem\n",
                           "sys\nexit\n",
                           "subprocess\nPopen\n",
                           "builtins\neval\n",
                           "builtins\nexec\n",
                           "builtins\ngetattr\n",
                           "builtins\n__import__\n",
                           "builtins\nopen\n",
                           "builtins\ncompile\n",
                           "__builtin__\neval\n",
                           "__builtin__\nfile\n",
                           "runpy\nrun_path\n",
                           "shutil\nrmtree\n",
                           "socket\nsocket\n",
                           "webbrowser\nopen\n",
                           "importlib\nimport_module\n",
                           "importlib.util\nx\n",
                           "pickle\nloads\n",
                           "ctypes\nCDLL\n",
                           "torch.hub\nload\n",
                           "torch\nhub.load\n",
                           "torch\nos.system\n",
                           "numpy\nf.builtins.eval\n",
                           "operator\nattrgetter\n",
                           "torch\nload\n",
                           "io\nopen\n"}) {
    // Only named, beside sound tensors, and never called.
    EXPECT_THAT(error_for(dict_of(text("w") + good_tensor() + text("x") + "c" + name)),
                AllOf(HasSubstr("which was not run"), HasSubstr("do not load it in Python")))
        << name;
  }
  const std::string stacked = "\x80\x04}(\x8c\1w" + good_tensor() + "\x8c\1x\x8c\x02os\x8c\x06system\x93u.";
  EXPECT_THAT(error_for(stacked), HasSubstr("os.system, which was not run"));
}

TEST(TorchPickle, RefusesGetattrWithinACallThatIsNotMade) {
  const std::string hidden = "cmy.module\nmake\n" + tuple("cbuiltins\ngetattr\n") + "R";
  EXPECT_THAT(error_for(dict_of(text("w") + good_tensor() + text("x") + hidden)),
              HasSubstr("builtins.getattr"));
}

TEST(TorchPickle, TakesHarmlessBuiltinsAndWhatOnlySoundsDangerous) {
  for (const char* name :
       {"builtins\nset\n", "__builtin__\ndict\n", "builtins\nobject\n", "builtins\nbytearray\n",
        "builtins\ncomplex\n", "mymodel.os\nConfig\n", "ossaudio\nopen\n", "torch\nfloat32\n",
        "pathlib\nPosixPath\n", "code.models\nNet\n", "torch\ndevice\n"}) {
    EXPECT_EQ(read(dict_of(text("w") + good_tensor() + text("x") + "c" + name)).size(), 1U) << name;
  }
}

TEST(TorchPickle, ReadsTheOpcodesOfProtocols3To5) {
  const std::string frame = "\x95" + bytes_of_integer(uint64_t{4});
  const std::string name8 = "\x8d" + bytes_of_integer(uint64_t{1}) + "w";
  const std::string long4 = "\x8b" + bytes_of_integer(uint32_t{9}) + std::string(9, '\1');
  const std::string bytes = "C\2ab"s + "0B" + bytes_of_integer(uint32_t{1}) + "a0\x8e" +
                            bytes_of_integer(uint64_t{1}) + "a0\x96" + bytes_of_integer(uint64_t{1}) + "a0";
  const NamedTensors tensors = read("\x80\x05" + frame + "}\x94(" + name8 + good_tensor() + "2\x94" + "0" +
                                    "\x8c\1v" + "h\1" + "K\1" + long4 + "u" + bytes + ".");
  EXPECT_EQ(tensors.size(), 2U);
  EXPECT_TRUE(tensors.at("v").is_alias_of(tensors.at("w")));
}

// 4 million values are more than any model names; what repeats itself by reference is counted, too.
TEST(TorchPickle, TakesNoMoreMemoryOrTimeThanItsLimit) {
  EXPECT_THAT(error_for(kProtocol + std::string(5'000'000, ']') + "."), HasSubstr("at most 4194304 values"));
  EXPECT_THAT(error_for(kProtocol + "N" + std::string(5'000'000, '\x94') + "."),
              HasSubstr("at most 4194304 values"));
  EXPECT_THAT(error_for(kProtocol + std::string(5'000'000, '(') + "."), HasSubstr("at most 4194304 values"));
  std::string pairs = "](";
  for (int i = 0; i < 10'000; ++i) pairs += "](NNe";
  std::string repeated = kProtocol + pairs + "eq\1";
  for (int i = 0; i < 10'000; ++i) repeated += "ccollections\nOrderedDict\nh\1\x85R";
  EXPECT_THAT(error_for(repeated + "."), HasSubstr("at most 4194304 values"));
}

TEST(TorchPickle, RefusesANameThatComesTwice) {
  EXPECT_THAT(error_for(dict_of(text("w") + good_tensor() + text("w") + good_tensor())),
              HasSubstr("\"w\" again"));
}

TEST(TorchPickle, RefusesViewsThatLeaveTheirStorage) {
  const std::string whole = torch_storage("FloatStorage", "0", 4);
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
       {torch_storage("FloatStorage", "0", 5), torch_storage("FloatStorage", "0", 3),
        torch_storage("DoubleStorage", "0", 4), torch_storage("FloatStorage", "0", -4),
        torch_storage("FloatStorage", "0", INT64_MAX)}) {
    EXPECT_THAT(error_for(dict_of(text("w") + tensor(bad, 0, integer(1), integer(1)))),
                HasSubstr("contradicts itself"));
  }
  EXPECT_THAT(error_for(dict_of(text("w") +
                                tensor(torch_storage("FloatStorage", "1", 4), 0, integer(1), integer(1)))),
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
                                   tensor(torch_storage("FloatStorage", "0", 4), 1, integer(2), integer(1)));
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
