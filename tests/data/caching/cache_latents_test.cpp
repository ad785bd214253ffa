// The whole job on one rank with the small model: what the Python tests cannot reach from outside.
#include "data/caching/cache_latents.h"

#include <atomic>
#include <cstdlib>
#include <memory>
#include <stdexcept>

#include <gmock/gmock.h>
#include <opencv2/imgcodecs.hpp>

#include "checkpoint/sha256.h"
#include "common/error.h"
#include "data/caching/cache_record.h"
#include "data/caching/worker_threads.h"
#include "data/dataset.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::data {
namespace {

class CacheLatents : public testing::Test {
 protected:
  CacheLatents() {
    for (int picture = 0; picture < 40; ++picture) {
      cv::Mat image(32, 32, CV_8UC3);
      cv::randu(image, 0, 255);
      std::filesystem::create_directories(folder_ / "images");
      cv::imwrite((folder_ / "images").string() + "/" + std::to_string(100 + picture) + ".png", image);
    }
  }

  CacheOptions options(const std::string& output) const {
    return {.model = std::getenv("SDLORA_TINY_MODEL"),
            .images = folder_ / "images",
            .output = folder_ / output,
            .image_size = 32,
            .captions = {.for_the_rest = "a picture"},
            .encoder_threads = 2,
            .save_interval_seconds = 0};
  }

  CacheReport run(const CacheOptions& options, const CacheProgress& progress = nullptr) {
    const auto world = comm::make_single_process_communicator();
    return cache_latents(options, *world, loader_, progress);
  }

  static CacheProgress die_after(int64_t count) {
    return [count](const CacheMark& mark) {
      if (mark.done_count == count) throw std::runtime_error("killed");
    };
  }

  static ExitCode exit_code_of(const std::function<void()>& work) {
    try {
      work();
    } catch (const Error& error) {
      return error.exit_code();
    }
    return ExitCode::kDone;
  }

  static std::string manifest_hash(const CacheOptions& options) {
    return checkpoint::sha256_of_file(options.output / kManifestName);
  }

  const TemporaryFolder folder_;
  ImageLoader loader_;
};

TEST_F(CacheLatents, ShowsProgressFromTheStartToTheEnd) {
  std::vector<int64_t> seen;
  CacheMark last;
  run(options("cache"), [&](const CacheMark& mark) {
    EXPECT_EQ(mark.total_count, 40);
    seen.push_back(mark.done_count);
    last = mark;
  });
  EXPECT_EQ(last.own_count, 40);
  EXPECT_EQ(last.own_encoded_count, 40);
  EXPECT_EQ(last.own_reused_count, 0);
  EXPECT_EQ(seen.front(), 0);
  EXPECT_EQ(seen.back(), 40);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST_F(CacheLatents, ARunThatDiesWithinAShardLeavesWhatItHadForTheNext) {
  EXPECT_ANY_THROW(run(options("cache"), die_after(39)));
  const CacheRecord record = read_record(folder_ / "cache");
  ASSERT_TRUE(record.files.contains("shard-00000.h5.partial"));
  const CacheReport report = run(options("cache"));
  EXPECT_EQ(report.picture_count, 40);
  EXPECT_LE(report.pictures_encoded, 40 - record.files.at("shard-00000.h5.partial").row_count);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "cache/shard-00000.h5.partial"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "cache" / kJournalName));

  run(options("fresh"));
  EXPECT_EQ(manifest_hash(options("cache")), manifest_hash(options("fresh")));
}

TEST_F(CacheLatents, WhatItWritesIsADataset) {
  run(options("cache"));
  const Dataset dataset(folder_ / "cache");
  EXPECT_EQ(dataset.picture_count(), 40);
  EXPECT_EQ(dataset.sample(39).source, "139.png");
  EXPECT_EQ(dataset.sample(0).latent_mean.sizes(), (at::IntArrayRef{4, 4, 4}));
}

TEST_F(CacheLatents, InBf16IsCloseToFp32AndAnotherCache) {
  run(options("exact"));
  CacheOptions in_bf16 = options("cache");
  in_bf16.mixed_precision = model::MixedPrecision::kBf16;
  EXPECT_ANY_THROW(run(in_bf16, die_after(39)));
  EXPECT_LT(run(in_bf16).pictures_encoded, 40);
  const Dataset exact(folder_ / "exact"), rounded(folder_ / "cache");
  const auto error = [](const at::Tensor& value, const at::Tensor& reference) {
    return ((value - reference).norm() / reference.norm()).item<double>();
  };
  for (const int64_t picture : {0, 39}) {
    const Sample sample = rounded.sample(picture), reference = exact.sample(picture);
    EXPECT_THAT(error(sample.latent_mean, reference.latent_mean),
                testing::AllOf(testing::Gt(0), testing::Lt(3e-2)));
    EXPECT_LT(error(sample.latent_std, reference.latent_std), 3e-2);
    EXPECT_THAT(error(rounded.embedding_of(rounded.captions_of(picture).front()),
                      exact.embedding_of(exact.captions_of(picture).front())),
                testing::AllOf(testing::Gt(0), testing::Lt(3e-2)));
  }

  EXPECT_EQ(exit_code_of([&] { run(options("cache")); }), ExitCode::kMismatch);
  CacheOptions again = options("cache");
  again.may_replace = true;
  EXPECT_EQ(run(again).pictures_encoded, 40);
  EXPECT_EQ(manifest_hash(again), manifest_hash(options("exact")));
}

TEST_F(CacheLatents, AnImageThatChangesMeanwhileIsAnErrorThatNamesIt) {
  const auto overwrite = [&](const CacheMark& mark) {
    if (mark.done_count == 1) write_bytes(folder_ / "images/139.png", "something else");
  };
  try {
    run(options("cache"), overwrite);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kBadData);
    EXPECT_THAT(error.what(), testing::HasSubstr("139.png"));
  }
}

TEST_F(CacheLatents, AnImageThatChangesMeanwhileDoesNotCostTheOthers) {
  const auto overwrite = [&](const CacheMark& mark) {
    if (mark.done_count == 1) write_bytes(folder_ / "images/139.png", "something else");
  };
  CacheOptions seldom_saved = options("cache");
  seldom_saved.save_interval_seconds = 1e9;
  EXPECT_THROW(run(seldom_saved, overwrite), Error);
  EXPECT_EQ(read_record(folder_ / "cache").files.at("shard-00000.h5.partial").row_count, 39);
}

TEST_F(CacheLatents, AnImageThatVanishesMeanwhileIsSkippedAndNamed) {
  const auto remove = [&](const CacheMark& mark) {
    if (mark.done_count == 1) std::filesystem::rename(folder_ / "images/139.png", folder_ / "139.png");
  };
  const CacheReport report = run(options("cache"), remove);
  EXPECT_EQ(report.picture_count, 39);
  EXPECT_EQ(report.skipped,
            (std::vector<SkippedImage>{{"139.png", "cannot be opened: No such file or directory"}}));
  EXPECT_EQ(read_manifest(folder_ / "cache").skipped, report.skipped);

  std::filesystem::rename(folder_ / "139.png", folder_ / "images/139.png");
  const CacheReport with_it = run(options("cache"));
  EXPECT_EQ(with_it.picture_count, 40);
  EXPECT_EQ(with_it.pictures_encoded, 1);
}

TEST_F(CacheLatents, AStopKeepsTheEmbeddingsThatAreThere) {
  for (int picture = 0; picture < 40; ++picture)
    write_bytes(folder_ / ("images/" + std::to_string(100 + picture) + ".txt"),
                "caption " + std::to_string(picture));
  run(options("fresh"));
  CacheOptions stopped = options("cache");
  stopped.stop_requested = [&, calls = std::make_shared<std::atomic<int>>(0)] {
    std::error_code error;
    const bool is_text_stage = std::filesystem::exists(folder_ / "cache/shard-00000.h5", error);
    return is_text_stage && ++*calls > 20;
  };
  EXPECT_EQ(exit_code_of([&] { run(stopped); }), ExitCode::kStopped);
  const CacheRecord record = read_record(folder_ / "cache");
  EXPECT_TRUE(record.files.contains("shard-00000.h5"));
  ASSERT_TRUE(record.files.contains("text.h5.partial"));
  EXPECT_GE(record.files.at("text.h5.partial").row_count, 10);
  run(options("cache"));
  EXPECT_EQ(manifest_hash(options("cache")), manifest_hash(options("fresh")));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "cache/text.h5.partial"));
}

TEST_F(CacheLatents, AStopWhileLatentsAreCopiedIsHeeded) {
  run(options("cache"));
  std::filesystem::rename(folder_ / "images/139.png", folder_ / "images/000.png");
  CacheOptions stopped = options("cache");
  stopped.stop_requested = [this] {
    std::error_code error;
    return std::filesystem::exists(folder_ / "cache" / kJournalName, error);
  };
  EXPECT_EQ(exit_code_of([&] { run(stopped); }), ExitCode::kStopped);
  const CacheReport report = run(options("cache"));
  EXPECT_EQ(report.picture_count, 40);
  EXPECT_EQ(report.pictures_encoded, 0);
}

TEST_F(CacheLatents, AStopWhilePicturesAreLookedAtChangesNothing) {
  CacheOptions stopped = options("cache");
  stopped.stop_requested = [calls = std::make_shared<int>(0)] { return ++*calls > 60; };
  EXPECT_EQ(exit_code_of([&] { run(stopped); }), ExitCode::kStopped);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "cache" / kJournalName));
}

}  // namespace
}  // namespace sdlora::data
