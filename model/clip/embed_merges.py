"""Writes OUTPUT, a C++ source that holds the merges of OpenAI's CLIP as transformers' merges.txt has them.

    python embed_merges.py OUTPUT

They are taken from bpe_simple_vocab_16e6.txt.gz of the package open_clip_torch (MIT licence, OpenAI 2021),
whose first line is a header and whose lines after the 48,894 merges belong to larger vocabularies.
"""

import gzip
import hashlib
import importlib.util
import pathlib
import sys

MERGE_COUNT = 49408 - 2 - 2 * 256
SHA256_OF_MERGES_TXT = "9fd691f7c8039210e0fced15865466c65820d09b63988b0174bfe25de299051a"

package = pathlib.Path(importlib.util.find_spec("open_clip").origin).parent
lines = gzip.decompress((package / "bpe_simple_vocab_16e6.txt.gz").read_bytes()).decode().split("\n")
merges_txt = "#version: 0.2\n" + "".join(line + "\n" for line in lines[1 : 1 + MERGE_COUNT])
if hashlib.sha256(merges_txt.encode()).hexdigest() != SHA256_OF_MERGES_TXT:
    sys.exit("the merges of open_clip_torch are not those of CLIP's merges.txt")
pathlib.Path(sys.argv[1]).write_text(
    '#include "model/clip/clip_merges.h"\n\nnamespace sdlora::model {\n\nstd::string_view clip_merges_txt() {\n'
    f'  return R"~merges~({merges_txt})~merges~";\n}}\n\n}}  // namespace sdlora::model\n'
)
