"""The house rules that a program can check: who includes whom, where third-party headers live, how long a file is; and that no test is forgotten.

    include_direction_test.py ROOT
"""
import pathlib
import re
import sys

ALLOWED = {
    "common": set(),
    "comm": {"common"},
    "checkpoint": {"common"},
    "monitoring": {"common"},
    "model": {"checkpoint", "common"},
    "lora": {"model", "checkpoint", "common"},
    "data": {"model", "checkpoint", "monitoring", "comm", "common"},  # comm: the ranks share the caching
    "inference": {"lora", "data", "model", "checkpoint", "common"},  # data: pictures are decoded in one place
    "trainer": {"lora", "data", "model", "checkpoint", "monitoring", "comm", "common"},
    "launcher": {"trainer", "inference", "lora", "data", "model", "checkpoint", "monitoring", "comm", "common"},
}
# A main wires things together: it may also start ranks, bind devices, draw previews and show progress.
MAIN_MAY_ALSO = {"comm", "inference", "launcher", "monitoring"}
ROOMS = {
    r"mpi\.h": {"comm"},
    r"nccl\.h": {"comm"},
    r"hdf5\.h": {"data"},
    r"prometheus/": {"monitoring"},
    r"opencv2/": {"data", "inference"},
    r"spdlog/": {"common"},
    r"CLI/": {"common"},
    r"dnnl\.hpp": {"model"},
}
MAX_LINES, MAX_HEADER_LINES, MAX_MAIN_LINES = 400, 150, 80
BANNED_NAMES = re.compile(r"util|misc|helper", re.IGNORECASE)


def problems_of(root):
    for folder, allowed in ALLOWED.items():
        for file in sorted((root / folder).rglob("*.*")):
            if file.suffix not in (".h", ".cpp", ".cu"):
                continue
            name, text = file.relative_to(root), file.read_text()
            is_main = file.name.endswith("_main.cpp")
            for included in re.findall(r'#include "([a-z_]+)/', text):
                if included != folder and included not in allowed | (MAIN_MAY_ALSO if is_main else set()):
                    yield f"{name} includes {included}/, which {folder}/ may not"
            for header in re.findall(r"#include <([^>]+)>", text):
                for pattern, rooms in ROOMS.items():
                    if re.match(pattern, header) and folder not in rooms:
                        yield f"{name} includes <{header}>, which belongs in {', '.join(sorted(rooms))}"
            lines = text.count("\n")
            limit = MAX_HEADER_LINES if file.suffix == ".h" else MAX_MAIN_LINES if is_main else MAX_LINES
            if lines > limit:
                yield f"{name} has {lines} lines, at most {limit}"
            if BANNED_NAMES.search(file.name):
                yield f"{name}: a file is named after its concept"
            if file.suffix == ".cu" and re.search(r"#include <(ATen|c10|torch)/", text):
                yield f"{name} includes LibTorch, whose headers take nvcc minutes"
            if file.suffix == ".cpp" and re.search(r"^\s*#\s*if", text, re.MULTILINE):
                yield f"{name}: conditional compilation belongs in CMake's lists of sources"


def forgotten_tests(root):
    """A test that no CMakeLists.txt above it names is never built."""
    for file in sorted((root / "tests").rglob("*_test.*")):
        if file.suffix not in (".cpp", ".py"):
            continue
        lists = [folder / "CMakeLists.txt" for folder in file.parents if root in (folder, *folder.parents)]
        words = {word for one in lists if one.exists() for word in re.findall(r"\w+", one.read_text())}
        if not {file.stem, file.stem.removesuffix("_test")} & words:
            yield f"{file.relative_to(root)} is in no CMakeLists.txt"


def main():
    root = pathlib.Path(sys.argv[1])
    problems = [*problems_of(root), *forgotten_tests(root)]
    print("\n".join(problems) or "every include points the right way")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
