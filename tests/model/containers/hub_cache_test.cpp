#include "model/containers/hub_cache.h"

#include <cstdlib>
#include <map>

#include <gmock/gmock.h>

#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::model {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const std::string kCommit(40, 'a'), kOtherCommit(40, 'b');

// The variables of the environment that decide, put back at the end.
class HubCache : public testing::Test {
 protected:
  HubCache() {
    for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME"}) {
      const char* value = std::getenv(name);
      before_[name] = value == nullptr ? "" : value;
      ::unsetenv(name);
    }
    ::setenv("HOME", folder_.path().c_str(), 1);
  }

  ~HubCache() override {
    for (const auto& [name, value] : before_)
      value.empty() ? ::unsetenv(name.c_str()) : ::setenv(name.c_str(), value.c_str(), 1);
  }

  // A model whose main is `commit`.
  fs::path put(const fs::path& cache, const std::string& name, const std::string& commit) {
    const fs::path repository = cache / name;
    fs::create_directories(repository / "snapshots" / commit);
    fs::create_directories(repository / "refs");
    write_bytes(repository / "refs/main", commit);
    return repository / "snapshots" / commit;
  }

  TemporaryFolder folder_;
  std::map<std::string, std::string> before_;
};

TEST_F(HubCache, IsWhereHuggingfaceHubHasIt) {
  const std::string name = "models--a--b";
  const auto where = [] { return find_in_hub_cache("a/b").directory; };
  const fs::path home = put(folder_ / ".cache/huggingface/hub", name, kCommit);
  EXPECT_EQ(where(), home);
  ::setenv("XDG_CACHE_HOME", "$HOME/xdg", 1);
  EXPECT_EQ(where(), put(folder_ / "xdg/huggingface/hub", name, kCommit));
  ::setenv("HF_HOME", "~/hf", 1);
  EXPECT_EQ(where(), put(folder_ / "hf/hub", name, kCommit));
  ::setenv("HUGGINGFACE_HUB_CACHE", (folder_ / "old").c_str(), 1);
  EXPECT_EQ(where(), put(folder_ / "old", name, kCommit));
  ::setenv("HF_HUB_CACHE", "${HOME}/new", 1);
  EXPECT_EQ(where(), put(folder_ / "new", name, kCommit));
}

TEST_F(HubCache, KnowsBranchesTagsAndWholeCommits) {
  const fs::path cache = folder_ / ".cache/huggingface/hub";
  const fs::path main = put(cache, "models--a--b", kCommit);
  fs::create_directories(cache / "models--a--b/snapshots" / kOtherCommit);
  write_bytes(cache / "models--a--b/refs/fp16", kOtherCommit + "\n");
  EXPECT_EQ(find_in_hub_cache("a/b").directory, main);
  EXPECT_EQ(find_in_hub_cache("a/b@fp16").commit, kOtherCommit);
  EXPECT_EQ(find_in_hub_cache("a/b@" + kOtherCommit).commit, kOtherCommit);
  EXPECT_THAT(error_of([] { find_in_hub_cache("a/b@bbbbbbb"); }),
              testing::AllOf(HasSubstr("64"), HasSubstr("revision bbbbbbb"), HasSubstr(kOtherCommit)));
  EXPECT_THAT(error_of([] { find_in_hub_cache("a/b@../../x"); }), HasSubstr("64"));
}

TEST_F(HubCache, TakesTheOnlySnapshotWhereNoRefSaysWhich) {
  const fs::path repository = folder_ / ".cache/huggingface/hub/models--a--b";
  fs::create_directories(repository / "snapshots" / kCommit);
  EXPECT_EQ(find_in_hub_cache("a/b").commit, kCommit);
  fs::create_directories(repository / "snapshots" / kOtherCommit);
  EXPECT_THAT(error_of([] { find_in_hub_cache("a/b"); }),
              testing::AllOf(HasSubstr(kCommit), HasSubstr(kOtherCommit)));
}

TEST_F(HubCache, HasRenamedModelsUnderTheirOtherNames) {
  const fs::path there = put(folder_ / ".cache/huggingface/hub",
                             "models--stable-diffusion-v1-5--stable-diffusion-v1-5", kCommit);
  const HubSnapshot found = find_in_hub_cache("runwayml/stable-diffusion-v1-5");
  EXPECT_EQ(found.directory, there);
  EXPECT_EQ(found.id, "stable-diffusion-v1-5/stable-diffusion-v1-5");
}

TEST_F(HubCache, SaysWhereItLookedAndHowToFetch) {
  EXPECT_THAT(error_of([] { find_in_hub_cache("a/b"); }),
              testing::AllOf(HasSubstr("64"), HasSubstr((folder_ / ".cache/huggingface/hub").string()),
                             HasSubstr("models--a--b"), HasSubstr("hf download a/b")));
}

TEST_F(HubCache, IsSoughtOnceWhereAVariableNamesItself) {
  ::setenv("HF_HOME", "x$HF_HOME/${HF_HOME", 1);
  EXPECT_THAT(error_of([] { find_in_hub_cache("a/b"); }), HasSubstr("xx$HF_HOME/${HF_HOME/${HF_HOME/hub"));
}

TEST_F(HubCache, OfAModelThatIsThereInPartIsPassedOverForACopy) {
  const fs::path cache = folder_ / ".cache/huggingface/hub";
  fs::create_directories(cache / "models--runwayml--stable-diffusion-v1-5/refs");
  const fs::path there = put(cache, "models--sd-legacy--stable-diffusion-v1-5", kCommit);
  EXPECT_EQ(find_in_hub_cache("runwayml/stable-diffusion-v1-5").directory, there);
}

TEST_F(HubCache, KnowsIdsFromPaths) {
  for (const char* id : {"gpt2", "a/b", "runwayml/stable-diffusion-v1-5@fp16", "A_b.c/d-e"})
    EXPECT_TRUE(is_hub_id(id)) << id;
  for (const char* path : {"", "/a/b", "a/b/c", "../a", "./a", "a--b", "a/", "a b", "-a", "a.", "x.git"})
    EXPECT_FALSE(is_hub_id(path)) << path;
}

}  // namespace
}  // namespace sdlora::model
