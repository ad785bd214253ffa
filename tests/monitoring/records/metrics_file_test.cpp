#include "monitoring/records/metrics_file.h"

#include <cmath>
#include <csignal>
#include <limits>
#include <sstream>
#include <vector>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>

#include "common/error.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::monitoring {
namespace {

using Json = nlohmann::json;

StepRecord record_of(int64_t step) {
  return {.step = step,
          .loss = 0.1,
          .gradient_norm = 0.2,
          .learning_rate = 1e-5,
          .samples_per_second = 4,
          .step_seconds = 2};
}

void append_steps(MetricsFile& log, int64_t first, int64_t last) {
  for (int64_t step = first; step <= last; ++step) log.append(record_of(step));
}

std::vector<Json> records_in(const std::filesystem::path& file) {
  std::istringstream lines(bytes_of(file));
  std::vector<Json> records;
  for (std::string line; std::getline(lines, line);) records.push_back(Json::parse(line));
  return records;
}

std::vector<int64_t> steps_in(const std::filesystem::path& file) {
  std::vector<int64_t> steps;
  for (const Json& record : records_in(file)) steps.push_back(record["step"]);
  return steps;
}

TEST(MetricsFile, WritesOneObjectALineWithTheReproducibleFieldsFirst) {
  const TemporaryFolder folder;
  MetricsFile log(folder / "metrics.jsonl", 0);
  log.append(record_of(1));
  EXPECT_EQ(bytes_of(folder / "metrics.jsonl"),
            R"({"step":1,"loss":0.1,"grad_norm":0.2,"learning_rate":1e-05,"skipped":false,"nonfinite":false,)"
            R"("samples_per_second":4.0,"step_seconds":2.0})"
            "\n");
}

TEST(MetricsFile, KeepsEveryBitOfANumber) {
  const TemporaryFolder folder;
  StepRecord record = record_of(1);
  record.loss = 0.1F + 1e-9;
  record.gradient_norm = 5e-324;
  MetricsFile log(folder / "metrics.jsonl", 0);
  log.append(record);
  const Json read = records_in(folder / "metrics.jsonl").front();
  EXPECT_EQ(read["loss"].get<double>(), record.loss);
  EXPECT_EQ(read["grad_norm"].get<double>(), record.gradient_norm);
}

TEST(MetricsFile, WhatIsNotFiniteIsNullAndMarked) {
  const TemporaryFolder folder;
  MetricsFile log(folder / "metrics.jsonl", 0);
  StepRecord record = record_of(1);
  record.loss = std::numeric_limits<double>::quiet_NaN();
  record.skipped = true;
  log.append(record);
  record.loss = 1;
  record.gradient_norm = std::numeric_limits<double>::infinity();
  log.append(record);
  const auto records = records_in(folder / "metrics.jsonl");
  EXPECT_TRUE(records[0]["loss"].is_null());
  EXPECT_TRUE(records[1]["grad_norm"].is_null());
  for (const Json& read : records) {
    EXPECT_TRUE(read["nonfinite"].get<bool>());
    EXPECT_TRUE(read["skipped"].get<bool>());
  }
}

TEST(MetricsFile, ARecordCanBeReadAsSoonAsItIsAppended) {
  const TemporaryFolder folder;
  MetricsFile log(folder / "metrics.jsonl", 0);
  for (int64_t step = 1; step <= 5; ++step) {
    log.append(record_of(step));
    EXPECT_EQ(steps_in(folder / "metrics.jsonl").back(), step);
  }
}

TEST(MetricsFile, AResumedRunHoldsEachStepOnce) {
  const TemporaryFolder folder;
  {
    MetricsFile log(folder / "metrics.jsonl", 0);
    append_steps(log, 1, 17);
  }
  MetricsFile log(folder / "metrics.jsonl", 10);
  append_steps(log, 11, 12);
  EXPECT_THAT(steps_in(folder / "metrics.jsonl"),
              testing::ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
}

TEST(MetricsFile, ResumingLeavesTheKeptBytesAsTheyWere) {
  const TemporaryFolder folder;
  const std::string kept = "{\"step\":1,\"loss\":0.50,\"more\":\"of a later version\"}\n";
  write_bytes(folder / "metrics.jsonl", kept + "{\"step\":2}\n");
  const MetricsFile log(folder / "metrics.jsonl", 1);
  EXPECT_EQ(bytes_of(folder / "metrics.jsonl"), kept);
}

ValidationRecord validation_of(int64_t step) {
  return {.step = step, .loss = 0.25, .quarter_losses = {0.5, 0.25, 0.125, 0.125}, .seconds = 3};
}

TEST(MetricsFile, AValidationGoesOnTheLineOfItsStepBeforeTheTimings) {
  const TemporaryFolder folder;
  MetricsFile log(folder / "metrics.jsonl", 0);
  append_steps(log, 1, 2);
  const std::string before = bytes_of(folder / "metrics.jsonl");
  log.add_validation(validation_of(2));
  append_steps(log, 3, 3);
  std::string expected = before;
  expected.insert(expected.rfind("\"samples_per_second\""),
                  R"("validation_loss":0.25,"validation_loss_q1":0.5,"validation_loss_q2":0.25,)"
                  R"("validation_loss_q3":0.125,"validation_loss_q4":0.125,"validation_seconds":3.0,)");
  EXPECT_THAT(bytes_of(folder / "metrics.jsonl"), testing::StartsWith(expected));
  EXPECT_THAT(steps_in(folder / "metrics.jsonl"), testing::ElementsAre(1, 2, 3));
}

TEST(MetricsFile, AValidationBeforeTheFirstStepHasALineOfItsOwnAndSurvivesAResume) {
  const TemporaryFolder folder;
  {
    MetricsFile log(folder / "metrics.jsonl", 0);
    log.add_validation(validation_of(0));
    append_steps(log, 1, 3);
  }
  const MetricsFile log(folder / "metrics.jsonl", 2);
  EXPECT_THAT(steps_in(folder / "metrics.jsonl"), testing::ElementsAre(0, 1, 2));
  EXPECT_EQ(records_in(folder / "metrics.jsonl").front()["validation_loss"], 0.25);
}

TEST(MetricsFile, KnowsWhetherTheLastStepHasItsValidation) {
  const TemporaryFolder folder;
  MetricsFile log(folder / "metrics.jsonl", 0);
  EXPECT_FALSE(log.has_validation_of(0));
  log.add_validation(validation_of(0));
  EXPECT_TRUE(log.has_validation_of(0));
  append_steps(log, 1, 1);
  EXPECT_FALSE(log.has_validation_of(1));
  EXPECT_FALSE(log.has_validation_of(0)) << "it is not the last any more";
  log.add_validation(validation_of(1));
  EXPECT_TRUE(MetricsFile(folder / "metrics.jsonl", 1).has_validation_of(1));
}

TEST(MetricsFile, ATornLastLineIsDropped) {
  const TemporaryFolder folder;
  for (const char* torn : {"{\"step\":3,\"lo", "{\"step\":3}", "{", "\0\0\0"}) {
    write_bytes(folder / "metrics.jsonl", std::string("{\"step\":1}\n{\"step\":2}\n") + torn);
    MetricsFile log(folder / "metrics.jsonl", 3);
    append_steps(log, 3, 4);
    EXPECT_THAT(steps_in(folder / "metrics.jsonl"), testing::ElementsAre(1, 2, 3, 4)) << torn;
  }
}

TEST(MetricsFile, LinesThatAreNoRecordsAndRepeatedStepsAreLeftOut) {
  const TemporaryFolder folder;
  write_bytes(folder / "metrics.jsonl",
              "{\"step\":1}\n\n[1,2]\nnoise\n{\"step\":\"2\"}\n{\"step\":2}\n{\"step\":1}\n{\"step\":2}\n{"
              "\"step\":3}\n");
  const MetricsFile log(folder / "metrics.jsonl", 3);
  EXPECT_THAT(steps_in(folder / "metrics.jsonl"), testing::ElementsAre(1, 2, 3));
}

TEST(MetricsFile, StartingAfreshDropsWhatWasThere) {
  const TemporaryFolder folder;
  write_bytes(folder / "metrics.jsonl", "{\"step\":1}\n");
  const MetricsFile log(folder / "metrics.jsonl", 0);
  EXPECT_EQ(bytes_of(folder / "metrics.jsonl"), "");
}

TEST(MetricsFile, ResumingWithoutALogStartsOne) {
  const TemporaryFolder folder;
  MetricsFile log(folder / "metrics.jsonl", 100);
  append_steps(log, 101, 101);
  EXPECT_THAT(steps_in(folder / "metrics.jsonl"), testing::ElementsAre(101));
}

TEST(MetricsFile, WhatCannotBeWrittenIsAnIoErrorThatNamesTheFile) {
  const TemporaryFolder folder;
  try {
    const MetricsFile log(folder / "absent/metrics.jsonl", 0);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kIo);
    EXPECT_THAT(std::string(error.what()), testing::HasSubstr("absent/metrics.jsonl"));
  }
}

TEST(MetricsFile, KeepsWhatAFullDiskDoesNotTakeUntilThereIsRoom) {
  const TemporaryFolder folder;
  MetricsFile log(folder / "metrics.jsonl", 0);
  log.append(record_of(1));
  const std::string before = bytes_of(folder / "metrics.jsonl");
  rlimit unlimited{};
  getrlimit(RLIMIT_FSIZE, &unlimited);
  const auto handler_before = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit full{.rlim_cur = before.size() + 20, .rlim_max = unlimited.rlim_max};
  setrlimit(RLIMIT_FSIZE, &full);
  log.append(record_of(2));
  log.append(record_of(3));
  EXPECT_THROW(log.flush(), Error);
  EXPECT_EQ(bytes_of(folder / "metrics.jsonl"), before) << "no half line";
  setrlimit(RLIMIT_FSIZE, &unlimited);
  std::signal(SIGXFSZ, handler_before);
  log.append(record_of(4));
  EXPECT_NO_THROW(log.flush());
  EXPECT_THAT(steps_in(folder / "metrics.jsonl"), testing::ElementsAre(1, 2, 3, 4));
}

}  // namespace
}  // namespace sdlora::monitoring
