#include "checkpoint/tensor_file.h"

#include <fstream>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "checkpoint/safetensors.h"
#include "checkpoint/torch_zip.h"
#include "tests/checkpoint/written_zip.h"
#include "tests/support/error_of.h"
#include "tests/support/same_tensors.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::checkpoint {
namespace {

using namespace std::string_literals;
using namespace written;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

NamedTensors some_tensors() {
  return {{"a", at::arange(6, at::kFloat).view({2, 3})},
          {"b", at::arange(6, at::kFloat).to(at::kHalf)},
          {"c", at::arange(4, at::kFloat).to(at::kFloat8_e4m3fn)},
          {"d", at::arange(4, at::kFloat).to(at::kFloat8_e5m2)},
          {"empty", at::empty({0, 4})},
          {"scalar", at::scalar_tensor(int64_t{1} << 40, at::kLong)}};
}

NamedTensors all_of(const TensorFile& file) {
  NamedTensors tensors;
  for (const auto& [name, description] : file.tensors()) {
    tensors[name] = file.tensor(name);
    EXPECT_EQ(tensors[name].scalar_type(), description.dtype) << name;
    EXPECT_EQ(tensors[name].sizes().vec(), description.shape) << name;
    EXPECT_TRUE(tensors[name].is_contiguous()) << name;
  }
  return tensors;
}

// at::equal knows no 8-bit floats.
void expect_same_bits(NamedTensors seen, NamedTensors expected) {
  for (NamedTensors* tensors : {&seen, &expected}) {
    for (auto& [name, tensor] : *tensors) {
      if (c10::isFloat8Type(tensor.scalar_type())) tensor = tensor.view(at::kByte);
    }
  }
  expect_same_tensors(seen, expected);
}

std::string four_floats() {
  const at::Tensor floats = at::arange(4, at::kFloat);
  return {static_cast<const char*>(floats.const_data_ptr()), floats.nbytes()};
}

TEST(TensorFile, IsWhatItsContentSaysNotItsName) {
  const TemporaryFolder folder;
  write_safetensors(folder / "model.ckpt", some_tensors(), {{"format", "pt"}});
  const auto file = open_tensor_file(folder / "model.ckpt");
  expect_same_bits(all_of(*file), some_tensors());
  EXPECT_EQ(file->metadata(), (Metadata{{"format", "pt"}}));
  EXPECT_EQ(file->path(), folder / "model.ckpt");

  NamedTensors without_8_bits = some_tensors();
  without_8_bits.erase("c");
  without_8_bits.erase("d");
  write_torch_zip(folder / "model.safetensors", without_8_bits);
  const auto torch_file = open_tensor_file(folder / "model.safetensors");
  expect_same_bits(all_of(*torch_file), without_8_bits);
  EXPECT_TRUE(torch_file->metadata().empty());
}

TEST(TensorFile, SaysWhichTensorItLacks) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", some_tensors());
  write_torch_zip(folder / "b", {{"x", at::ones({2})}});
  for (const char* name : {"a", "b"})
    EXPECT_THAT(error_of([&] { open_tensor_file(folder / name)->tensor("y"); }),
                AllOf(StartsWith("65 "), HasSubstr("lacks a tensor"), HasSubstr(": y"),
                      HasSubstr((folder / name).string())));
  EXPECT_THAT(error_of([&] { open_tensor_file(folder / "absent"); }), StartsWith("74"));
}

TEST(TensorFile, MapsAnAlignedTensorOfATorchZipAndOutlivesTheFilesName) {
  const TemporaryFolder folder;
  write_torch_zip(folder / "a.pt", {{"x", at::arange(1000, at::kFloat)}});
  at::Tensor first, second;
  {
    const auto file = open_tensor_file(folder / "a.pt");
    first = file->tensor("x");
    second = file->tensor("x");
  }
  write_torch_zip(folder / "a.pt", {{"x", at::zeros({1000})}});
  std::filesystem::remove(folder / "a.pt");
  EXPECT_EQ(first.const_data_ptr(), second.const_data_ptr());
  EXPECT_TRUE(at::equal(first, at::arange(1000, at::kFloat)));
}

TEST(TensorFile, CopiesWhatIsNotAlignedOrNotContiguous) {
  const TemporaryFolder folder;
  const std::string whole = torch_storage("FloatStorage", "0", 4);
  const std::string pickle =
      dict_of(text("w") + good_tensor() + text("column") + tensor(whole, 1, integer(2), integer(2)) +
              text("row") + tensor(whole, 2, integer(2), integer(1)));
  for (size_t padding = 4; padding < 12; ++padding) {
    write_bytes(folder / "a.pt",
                zip_of({{"a/data.pkl", pickle}, {"a/data/0", four_floats(), 0, std::string(padding, 'x')}}));
    const auto file = open_tensor_file(folder / "a.pt");
    const NamedTensors tensors = all_of(*file);
    EXPECT_TRUE(at::equal(tensors.at("w"), at::arange(4, at::kFloat).view({2, 2})));
    EXPECT_TRUE(at::equal(tensors.at("column"), at::tensor({1.0F, 3.0F})));
    EXPECT_TRUE(at::equal(tensors.at("row"), at::tensor({2.0F, 3.0F})));
  }
}

TEST(TensorFile, ComparesAStoragesChecksumWhenItsTensorIsRead) {
  const TemporaryFolder folder;
  write_torch_zip(folder / "a.pt", {{"x", at::full({4}, 1.25)}, {"y", at::full({4}, 2.5)}});
  std::string bytes = bytes_of(folder / "a.pt");
  const at::Tensor pattern = at::full({4}, 1.25);
  bytes[bytes.find(std::string(static_cast<const char*>(pattern.const_data_ptr()), 16)) + 2] ^= 1;
  write_bytes(folder / "a.pt", bytes);
  const auto file = open_tensor_file(folder / "a.pt");
  EXPECT_TRUE(at::equal(file->tensor("y"), at::full({4}, 2.5)));
  EXPECT_THAT(error_of([&] { file->tensor("x"); }), AllOf(StartsWith("65 "), HasSubstr("data/0 is damaged")));
}

TEST(TensorFile, RefusesAtOnceAPickleThatIsDamagedOrTensorsBeyondTheFile) {
  const TemporaryFolder folder;
  const auto error_for = [&](const std::string& bytes) {
    write_bytes(folder / "a.pt", bytes);
    return error_of([&] { open_tensor_file(folder / "a.pt"); });
  };
  const std::string pickle = dict_of(text("w") + good_tensor());
  std::string damaged = zip_of({{"a/data.pkl", pickle}, {"a/data/0", four_floats()}});
  damaged[damaged.find("FloatStorage")] = 'f';
  EXPECT_THAT(error_for(damaged), HasSubstr("data.pkl is damaged"));
  EXPECT_THAT(error_for(zip_of({{"a/data.pkl", pickle}})), HasSubstr("lacks the record data/0"));
  EXPECT_THAT(error_for(zip_of({{"a/data.pkl", pickle}, {"a/data/0", "short"}})),
              HasSubstr("contradicts itself"));
  EXPECT_THAT(
      error_for(zip_of({{"a/data.pkl", pickle}, {"a/data/0", four_floats()}, {"a/byteorder", "big"}})),
      HasSubstr("big-endian"));
  const std::string beyond =
      dict_of(text("w") + tensor(torch_storage("FloatStorage", "0", 4), 1, integer(4), integer(1)));
  EXPECT_THAT(error_for(zip_of({{"a/data.pkl", beyond}, {"a/data/0", four_floats()}})),
              HasSubstr("does not lie within its storage"));
}

TEST(TensorFile, DescribesWhatItDoesNotRead) {
  const TemporaryFolder folder;
  const std::string repeated = tensor(torch_storage("FloatStorage", "0", 4), 0, integer(1 << 20) + integer(4),
                                      integer(0) + integer(1));
  const std::string sparse = "ctorch._utils\n_rebuild_sparse_tensor\n)R";
  write_bytes(
      folder / "a.pt",
      zip_of({{"a/data.pkl", dict_of(text("w") + good_tensor() + text("s") + sparse + text("r") + repeated)},
              {"a/data/0", four_floats()}}));
  const auto file = open_tensor_file(folder / "a.pt");
  EXPECT_EQ(file->tensors().at("s").dtype, at::ScalarType::Undefined);
  EXPECT_EQ(file->tensors().at("r").shape, (std::vector<int64_t>{1 << 20, 4}));
  EXPECT_TRUE(at::equal(file->tensor("w"), at::arange(4, at::kFloat).view({2, 2})));
  EXPECT_THAT(error_of([&] { file->tensor("s"); }), HasSubstr("sparse"));
  EXPECT_THAT(error_of([&] { file->tensor("r"); }), HasSubstr("repeats"));

  const std::string header =
      R"({"f4":{"dtype":"F4","shape":[2,4],"data_offsets":[0,4]},"x":{"dtype":"U8","shape":[1],"data_offsets":[4,5]}})";
  write_bytes(folder / "b", bytes_of_integer(uint64_t{header.size()}) + header + "12345");
  const auto quantized = open_tensor_file(folder / "b");
  EXPECT_EQ(quantized->tensors().at("f4").dtype, at::ScalarType::Undefined);
  EXPECT_EQ(quantized->tensors().at("f4").shape, (std::vector<int64_t>{2, 4}));
  EXPECT_EQ(quantized->tensor("x").item<uint8_t>(), '5');
  EXPECT_THAT(error_of([&] { quantized->tensor("f4"); }),
              AllOf(StartsWith("65 "), HasSubstr("F4"), HasSubstr("tensor f4")));
}

// As v1-5-pruned.ckpt of 7.7 GB: places beyond 32 bits. The hole before them takes no room on the disk.
TEST(TensorFile, ReadsAnArchiveAbove4GiB) {
  const TemporaryFolder folder;
  const uint64_t hole_bytes = (uint64_t{5} << 30) + 8;
  const std::string pickle = dict_of(text("w") + good_tensor());
  std::string archive =
      zip_of({{"a/data.pkl", pickle}, {"a/data/0", four_floats()}}, /*is_wide=*/true, hole_bytes);
  {
    std::ofstream stream(folder / "a.ckpt", std::ios::binary);
    stream << "PK\3\4";
    stream.seekp(static_cast<std::streamoff>(hole_bytes));
    stream << archive;
  }
  ASSERT_EQ(std::filesystem::file_size(folder / "a.ckpt"), hole_bytes + archive.size());
  EXPECT_TRUE(
      at::equal(open_tensor_file(folder / "a.ckpt")->tensor("w"), at::arange(4, at::kFloat).view({2, 2})));
}

}  // namespace
}  // namespace sdlora::checkpoint
