#include "checkpoint/safetensors.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "tests/support/error_of.h"
#include "tests/support/same_tensors.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

NamedTensors one_of_every_type() {
  NamedTensors tensors;
  for (const at::ScalarType dtype : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16, at::kLong, at::kInt,
                                     at::kShort, at::kChar, at::kByte, at::kBool}) {
    tensors[std::string("type.") + at::toString(dtype)] = at::arange(7, at::kLong).remainder(2).to(dtype);
  }
  tensors["scalar"] = at::scalar_tensor(2.5);
  tensors["empty"] = at::empty({0, 3});
  tensors["name with \"quotes\", \\ and ü"] = at::ones({1, 2, 1, 2});
  return tensors;
}

TEST(Safetensors, ReadsBackEveryTypeShapeAndMetadata) {
  const TemporaryFolder folder;
  const Metadata metadata = {{"format", "pt"}, {"ss \"key\"", "line\nbreak"}};
  write_safetensors(folder / "file", one_of_every_type(), metadata);

  Metadata seen_metadata;
  expect_same_tensors(read_safetensors(folder / "file", &seen_metadata), one_of_every_type());
  EXPECT_EQ(seen_metadata, metadata);

  const SafetensorsFile mapped(folder / "file");
  NamedTensors views;
  for (const auto& [name, info] : mapped.tensors()) views[name] = mapped.tensor(name);
  expect_same_tensors(views, one_of_every_type());
  EXPECT_EQ(mapped.metadata(), metadata);
}

TEST(Safetensors, KeepsNaNAndInfinityBitForBit) {
  const TemporaryFolder folder;
  const at::Tensor bits =
      at::tensor({0x7fc00001, 0x7f800000, 0x00000001, static_cast<int>(0x80000000)}, at::kInt);
  write_safetensors(folder / "file", {{"x", bits.view(at::kFloat)}});
  EXPECT_TRUE(at::equal(read_safetensors(folder / "file").at("x").view(at::kInt), bits));
}

TEST(Safetensors, HoldsAnEmptyDict) {
  const TemporaryFolder folder;
  write_safetensors(folder / "file", {});
  EXPECT_TRUE(read_safetensors(folder / "file").empty());
  EXPECT_TRUE(SafetensorsFile(folder / "file").tensors().empty());
}

TEST(Safetensors, WritesStridedViewsAsTheyLook) {
  const TemporaryFolder folder;
  const at::Tensor base = at::arange(12, at::kFloat).view({3, 4});
  const NamedTensors views = {
      {"transposed", base.t()}, {"column", base.select(1, 2)}, {"expanded", base.expand({2, 3, 4})}};
  write_safetensors(folder / "file", views);
  expect_same_tensors(read_safetensors(folder / "file"), views);
}

TEST(Safetensors, WritesTheReferenceLayout) {
  const TemporaryFolder folder;
  write_safetensors(folder / "file",
                    {{"a", at::ones({1}, at::kByte)}, {"b", at::ones({1})}, {"c", at::ones({1}, at::kLong)}});
  const std::string bytes = bytes_of(folder / "file");
  const std::string header =
      R"({"c":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},)"
      R"("a":{"dtype":"U8","shape":[1],"data_offsets":[12,13]}})";
  EXPECT_EQ(static_cast<unsigned char>(bytes[0]) % 8, 0);
  EXPECT_EQ(bytes.substr(8, header.size()), header);
}

TEST(Safetensors, ViewsShareTheMappingAndOutliveTheFileObjectAndTheName) {
  const TemporaryFolder folder;
  write_safetensors(folder / "file", {{"x", at::arange(1000, at::kFloat)}});
  at::Tensor first;
  at::Tensor second;
  {
    const SafetensorsFile file(folder / "file");
    first = file.tensor("x");
    second = file.tensor("x");
  }
  write_safetensors(folder / "file", {{"x", at::zeros({1000})}});
  std::filesystem::remove(folder / "file");
  EXPECT_EQ(first.const_data_ptr(), second.const_data_ptr());
  EXPECT_TRUE(at::equal(first, at::arange(1000, at::kFloat)));
}

TEST(Safetensors, CopiesDataThatIsNotAligned) {
  const TemporaryFolder folder;
  // One byte first, so that the float begins at an odd address; a header of 120 bytes.
  std::string header =
      R"({"byte":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"x":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}})";
  header.resize(120, ' ');
  write_bytes(folder / "file",
              std::string("\x78\0\0\0\0\0\0\0", 8) + header + std::string("\x07\0\0\x20\x40", 5));
  const SafetensorsFile file(folder / "file");
  EXPECT_EQ(file.tensor("x").item<float>(), 2.5F);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(file.tensor("x").const_data_ptr()) % sizeof(float), 0U);
  EXPECT_EQ(read_safetensors(folder / "file").at("x").item<float>(), 2.5F);
}

// What the reference reads, too (safetensors 0.8.0).
TEST(Safetensors, ReadsHeadersThatAreUnusual) {
  const TemporaryFolder folder;
  const std::string entry = R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  const std::string long_name(100'000, 'n');
  for (
      const std::string& header :
      {R"({"__metadata__":null,"x":)" + entry + "}", " \t\r\n{\"x\":" + entry + " }\n",
       std::string(
           R"({"x":{"dtype":"F32","strides":[1,{"dtype":null}],"shape":[1],"data_offsets":[0,4],"no":-1.5,"no":"x"}})"),
       "{\"" + long_name + "\":" + entry + "}"}) {
    const uint64_t header_bytes = header.size();
    write_bytes(folder / "file", std::string(reinterpret_cast<const char*>(&header_bytes), 8) + header +
                                     std::string("\0\0\x20\x40", 4));
    const NamedTensors tensors = read_safetensors(folder / "file");
    ASSERT_EQ(tensors.size(), 1U) << header.substr(0, 100);
    EXPECT_EQ(tensors.begin()->second.item<float>(), 2.5F);
    EXPECT_TRUE(tensors.begin()->first == "x" || tensors.begin()->first == long_name);
  }
}

TEST(Safetensors, KeepsFloatsOf8BitsBitForBit) {
  const TemporaryFolder folder;
  const at::Tensor bits = at::arange(256, at::kInt).to(at::kByte);
  write_safetensors(folder / "file",
                    {{"e4m3", bits.view(at::kFloat8_e4m3fn)}, {"e5m2", bits.view(at::kFloat8_e5m2)}});
  const NamedTensors tensors = read_safetensors(folder / "file");
  EXPECT_EQ(tensors.at("e4m3").scalar_type(), at::kFloat8_e4m3fn);
  EXPECT_EQ(tensors.at("e5m2").scalar_type(), at::kFloat8_e5m2);
  for (const auto& [name, tensor] : tensors) EXPECT_TRUE(at::equal(tensor.view(at::kByte), bits)) << name;
}

TEST(Safetensors, DescribesTensorsWithoutReadingThem) {
  const TemporaryFolder folder;
  write_safetensors(folder / "file", {{"x", at::ones({2, 3}, at::kHalf)}});
  const SafetensorsFile file(folder / "file");
  const TensorInfo& info = file.tensors().at("x");
  EXPECT_EQ(info.dtype, at::kHalf);
  EXPECT_EQ(info.shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(info.byte_count, 12U);
  EXPECT_EQ(info.begin_byte + info.byte_count, std::filesystem::file_size(folder / "file"));
  EXPECT_THAT(error_of([&] { file.tensor("y"); }),
              AllOf(StartsWith("65"), HasSubstr("lacks"), HasSubstr(": y")));
}

TEST(Safetensors, DoesNotWriteWhatItWouldNotRead) {
  const TemporaryFolder folder;
  const at::Tensor x = at::ones({1});
  EXPECT_THAT(error_of([&] { write_safetensors(folder / "file", {{"__metadata__", x}}); }), StartsWith("65"));
  EXPECT_THAT(error_of([&] { write_safetensors(folder / "file", {{"\xff", x}}); }), StartsWith("65"));
  EXPECT_THAT(error_of([&] {
                write_safetensors(folder / "file", {{"x", x}}, {{"key", "\xff"}});
              }),
              StartsWith("65"));
  EXPECT_THAT(error_of([&] { write_safetensors(folder / "file", {{"x", at::Tensor()}}); }), StartsWith("70"));
  EXPECT_THAT(error_of([&] {
                write_safetensors(folder / "file", {{"x", x.to(at::kComplexFloat)}});
              }),
              AllOf(StartsWith("70"), HasSubstr("tensor x")));
  EXPECT_TRUE(folder.names().empty());
}

TEST(Safetensors, NamesAFileThatIsMissing) {
  const TemporaryFolder folder;
  EXPECT_THAT(error_of([&] { read_safetensors(folder / "absent"); }),
              AllOf(StartsWith("74"), HasSubstr("absent")));
  EXPECT_THAT(error_of([&] { SafetensorsFile{folder / "absent"}; }),
              AllOf(StartsWith("74"), HasSubstr("absent")));
}

}  // namespace
}  // namespace sdlora::checkpoint
