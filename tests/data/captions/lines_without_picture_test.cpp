#include "data/captions/lines_without_picture.h"

#include <gmock/gmock.h>

#include "tests/support/temporary_folder.h"

namespace sdlora::data {
namespace {

using testing::ElementsAre;

TEST(LinesWithoutPicture, AreThoseOfAllListsWhosePictureIsNeitherTakenNorSkipped) {
  const TemporaryFolder folder;
  write_bytes(folder / "metadata.jsonl", R"({"file_name": "a.png", "text": "x"}
{"file_name": "./set/b.png", "text": "x"}
{"file_name": "lost.png", "text": "x"}
{"file_name": "moving.gif", "text": "x"}
not JSON
{"file_name": 7}
)");
  write_bytes(folder / "set/metadata.jsonl", R"({"file_name": "b.png"}
{"file_name": "c.png"})");
  write_bytes(folder / "rows/metadata.csv", "file_name,text\nd.png,x\n../a.png,x\nalone.png\n");
  for (const char* name : {"a.png", "set/b.png"}) write_bytes(folder / name, "\xFF\xD8\xFF\xE0 and more");
  write_bytes(folder / "moving.gif", "GIF89a");
  EXPECT_THAT(lines_without_picture(folder.path(), find_images(folder.path())),
              ElementsAre("metadata.jsonl: lost.png", "rows/metadata.csv: d.png",
                          "rows/metadata.csv: alone.png", "set/metadata.jsonl: c.png"));
}

}  // namespace
}  // namespace sdlora::data
