#include "data/images/folder_repeats.h"

#include <gmock/gmock.h>

namespace sdlora::data {
namespace {

using testing::IsEmpty;
using testing::UnorderedElementsAre;

TEST(FolderRepeats, AreANumberAndWords) {
  EXPECT_EQ(repeated_folder("10_sks dog"), (RepeatedFolder{10, "sks dog"}));
  EXPECT_EQ(repeated_folder("3_my_cat"), (RepeatedFolder{3, "my_cat"}));
  EXPECT_EQ(repeated_folder("1000_x"), (RepeatedFolder{1000, "x"}));
}

TEST(FolderRepeats, AreNotWhatIsNamedOtherwise) {
  for (const char* name : {"", "_", "10", "10_", "10_ ", "_x", "cat_10", "0_x", "-3_x", "+3_x", " 3_x",
                           "3.5_x", "2024_08", "99999999999999999999_x", "3 _x"})
    EXPECT_EQ(repeated_folder(name), std::nullopt) << name;
}

TEST(FolderRepeats, CountWhereAllPicturesLieInFoldersSoNamed) {
  EXPECT_THAT(repeated_folders({"10_dog/a.png", "10_dog/deep/b.png", "2_cat/c.png"}),
              UnorderedElementsAre(std::pair("10_dog", RepeatedFolder{10, "dog"}),
                                   std::pair("2_cat", RepeatedFolder{2, "cat"})));
  EXPECT_THAT(repeated_folders({"10_dog/a.png", "b.png"}), IsEmpty());
  EXPECT_THAT(repeated_folders({"10_dog/a.png", "cat/b.png"}), IsEmpty());
  EXPECT_THAT(repeated_folders({"deep/10_dog/a.png"}), IsEmpty());
  EXPECT_THAT(repeated_folders({}), IsEmpty());
}

TEST(FolderRepeats, AreMissedWhereSomeFoldersOnlyAreSoNamed) {
  EXPECT_EQ(first_named_otherwise({"10_dog/a.png", "cover.png", "z/b.png"}), "cover.png");
  EXPECT_EQ(first_named_otherwise({"10_dog/a.png", "2_cat/c.png"}), std::nullopt);
  EXPECT_EQ(first_named_otherwise({"dog/a.png", "cover.png"}), std::nullopt);
}

}  // namespace
}  // namespace sdlora::data
