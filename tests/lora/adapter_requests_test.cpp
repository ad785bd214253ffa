#include "lora/adapter_requests.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "common/atomic_file.h"
#include "common/error.h"

namespace sdlora::lora {
namespace {

TEST(AdapterRequests, HaveAScaleOfTheirOwnOrTheDefault) {
  const auto requests = adapter_requests({"a.safetensors", "b.pt:0.5", "c:-1e-1", "d:0"}, 0.8);
  ASSERT_EQ(requests.size(), 4);
  EXPECT_EQ(requests[0].file, "a.safetensors");
  EXPECT_EQ(requests[0].scale, 0.8);
  EXPECT_EQ(requests[1].file, "b.pt");
  EXPECT_EQ(requests[1].scale, 0.5);
  EXPECT_EQ(requests[2].scale, -0.1);
  EXPECT_EQ(requests[3].scale, 0);
}

TEST(AdapterRequests, KeepAColonThatIsOfTheFilesName) {
  EXPECT_EQ(adapter_requests({"C:style.pt"}, 1)[0].file, "C:style.pt");
  const std::filesystem::path file = std::filesystem::path(testing::TempDir()) / "style:2";
  write_text_atomically(file, "x");
  EXPECT_EQ(adapter_requests({file.string()}, 1)[0].file, file);
  EXPECT_EQ(adapter_requests({file.string() + ":0.5"}, 1)[0].file, file);
  std::filesystem::remove(file);
}

TEST(AdapterRequests, NameAFile) {
  for (const char* text : {"", ":0.5"}) EXPECT_THROW(adapter_requests({text}, 1), Error) << text;
}

}  // namespace
}  // namespace sdlora::lora
