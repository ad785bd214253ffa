#include "data/images/image_loader.h"

#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <opencv2/imgcodecs.hpp>
#include <unistd.h>

#include "checkpoint/sha256.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::data {
namespace {

using testing::HasSubstr;

void write_image(const std::filesystem::path& file, int side, int grey = 77) {
  cv::imwrite(file.string(), cv::Mat(side, side, CV_8UC3, cv::Scalar(grey, grey, grey)));
}

// Processes whose parent is `parent`.
std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> children;
  const std::string id = std::to_string(parent);
  std::ifstream list("/proc/" + id + "/task/" + id + "/children");
  for (pid_t child = 0; list >> child;) children.push_back(child);
  return children;
}

TEST(ImageLoader, GivesResultsInTheOrderOfTheRequests) {
  const TemporaryFolder folder;
  ImageLoader loader;
  for (int image = 0; image < 6; ++image) {
    const std::filesystem::path file = folder / (std::to_string(image) + ".png");
    write_image(file, image % 2 == 0 ? 900 : 8, 10 * image);  // the even ones take longer
    loader.request(file, square(4));
  }
  EXPECT_EQ(loader.pending_count(), 6);
  for (int image = 0; image < 6; ++image) {
    const LoadedImage loaded = loader.take();
    EXPECT_EQ(loaded.unusable_reason, "");
    EXPECT_EQ(loaded.rgb, std::string(4 * 4 * 3, static_cast<char>(10 * image)));
    EXPECT_EQ(loaded.sha256, checkpoint::sha256_of_file(folder / (std::to_string(image) + ".png")));
  }
}

TEST(ImageLoader, CutsThePictureToTheSizeAskedFor) {
  const TemporaryFolder folder;
  write_image(folder / "grey.png", 40);
  ImageLoader loader;
  loader.request(folder / "grey.png", {.width = 24, .height = 8});
  EXPECT_EQ(loader.take().rgb, std::string(24 * 8 * 3, static_cast<char>(77)));
}

TEST(ImageLoader, SaysWhyAnImageIsOfNoUse) {
  const TemporaryFolder folder;
  write_bytes(folder / "empty.png", "");
  ImageLoader loader;
  loader.request(folder / "empty.png", square(8));
  loader.request(folder / "nowhere.png", square(8));
  EXPECT_THAT(loader.take().unusable_reason, HasSubstr("empty"));
  EXPECT_THAT(loader.take().unusable_reason, HasSubstr("No such file"));
}

TEST(ImageLoader, ADecoderThatDiesCostsItsImageAlone) {
  const TemporaryFolder folder;
  write_image(folder / "large.png", 8000);  // takes long enough to be caught
  write_image(folder / "small.png", 8);
  ImageLoader loader;
  const std::vector<pid_t> spawners = children_of(::getpid());
  ASSERT_EQ(spawners.size(), 1u);
  loader.request(folder / "large.png", square(8));
  std::vector<pid_t> decoders;
  for (int attempt = 0; attempt < 1000 && decoders.empty(); ++attempt) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    decoders = children_of(spawners[0]);
  }
  ASSERT_EQ(decoders.size(), 1u);
  ::kill(decoders[0], SIGSEGV);
  loader.request(folder / "small.png", square(8));
  EXPECT_THAT(loader.take().unusable_reason, HasSubstr("crashed"));
  EXPECT_EQ(loader.take().unusable_reason, "");
}

TEST(ImageLoader, LeavesNoProcessBehind) {
  const TemporaryFolder folder;
  write_image(folder / "large.png", 4000);
  {
    ImageLoader loader;
    loader.request(folder / "large.png", square(8));
  }
  EXPECT_TRUE(children_of(::getpid()).empty());
}

TEST(ImageLoader, LeavesNoOpenFileBehind) {
  const TemporaryFolder folder;
  write_image(folder / "small.png", 8);
  const auto open_files = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                         std::filesystem::directory_iterator());
  };
  const auto before = open_files();
  {
    ImageLoader loader;
    for (int image = 0; image < 20; ++image) {
      loader.request(folder / "small.png", square(8));
      if (image % 2 == 0) loader.take();
    }
  }
  EXPECT_EQ(open_files(), before);
}

}  // namespace
}  // namespace sdlora::data
