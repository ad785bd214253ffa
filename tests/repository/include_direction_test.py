"""The rules of ARCHITECTURE.md that a program can check: which folder and which sub-folder includes which, where third-party headers live,
how long a file is; and that no test is forgotten.

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
    "process": {"comm", "common"},
    # comm: the ranks share the caching; process: one of them owns the cache directory; monitoring: how much memory there is
    "data": {"model", "checkpoint", "monitoring", "process", "comm", "common"},
    "inference": {"lora", "data", "model", "checkpoint", "common"},  # data: pictures are decoded in one place
    "trainer": {"lora", "data", "model", "checkpoint", "monitoring", "comm", "common"},
    "launcher": {"process", "trainer", "inference", "lora", "data", "model", "checkpoint", "monitoring", "comm", "common"},
}
# Within a folder: each of its rooms, lowest first, and which rooms of the same folder it may include. "" is the folder itself.
ROOMS = {
    "model": {
        "kernels": set(),
        "loading": {"kernels"},
        "layers": {"loading", "kernels"},
        "noise": {"loading"},
        "samplers": {"noise", "loading"},
        "clip": {"layers", "loading"},
        "unet": {"layers", "loading", "kernels"},
        "vae": {"layers", "loading"},
        "containers": {"loading", "noise", "clip", "unet", "vae"},
        "": {"kernels", "loading", "layers", "noise", "samplers", "clip", "unet", "vae", "containers"},
    },
    "lora": {
        "names": set(),
        "kinds": {"names"},
        "": {"names", "kinds"},
        "tools": {"names", "kinds", ""},
    },
    "data": {
        "images": set(),
        "captions": {"images"},
        "shards": {"images", "captions"},
        "": {"images", "captions", "shards"},
        "caching": {"images", "captions", "shards"},
    },
    "monitoring": {
        "records": set(),
        "memory": set(),
        "metrics": {"records", "memory"},
        "terminal": {"records"},
        "report": {"records"},
        "tensorboard": {"records"},
    },
    "trainer": {
        "options": set(),
        "batches": {"options"},
        "optimizers": {"options"},
        "step": {"optimizers", "batches", "options"},
        "run": {"step", "optimizers", "batches", "options"},
        "watching": {"run", "step", "optimizers", "batches", "options"},
        "": {"watching", "run", "step", "optimizers", "batches", "options"},
    },
    "launcher": {"supervisor": set(), "": {"supervisor"}},
}
# A main wires things together: it may also start ranks, bind devices, draw previews and show progress.
MAIN_MAY_ALSO = {"comm", "inference", "process", "monitoring"}
THIRD_PARTY_ROOMS = {
    r"mpi\.h": {"comm"},
    r"nccl\.h": {"comm"},
    r"hdf5\.h": {"data"},
    r"prometheus/": {"monitoring"},
    r"opencv2/": {"data", "inference"},
    r"csv\.h": {"data"},
    r"spdlog/": {"common"},
    r"pcre2\.h": {"common"},
    r"httplib\.h": {"monitoring"},
    r"regex$": set(),  # std::regex recurses with its subject; common/pattern.h does not
    r"CLI/": {"common"},
    r"toml\+\+/": {"common"},
    r"dnnl\.hpp": {"model"},
    r"yaml-cpp/": {"model"},
}
MAX_LINES, MAX_HEADER_LINES, MAX_MAIN_LINES = 400, 150, 80
BANNED_NAMES = re.compile(r"util|misc|helper", re.IGNORECASE)


def arrows_between_rooms(name, folder, text):
    room = name.parts[1] if len(name.parts) > 2 else ""
    if folder not in ROOMS:
        if room:
            yield f"{name}: the rooms of {folder}/ are not in this test"
        return
    if room not in ROOMS[folder]:
        yield f"{name}: {folder}/ has no room {room or '(the folder itself)'} in this test"
        return
    for included in re.findall(rf'#include "{folder}/((?:[a-z0-9_]+/)*)[a-z0-9_]+\.h"', text):
        other = included.split("/")[0]
        if other != room and other not in ROOMS[folder][room]:
            yield f"{name} includes {folder}/{other or '(the folder itself)'}, which {folder}/{room} may not"


def rooms_in_a_circle():
    for folder, rooms in ROOMS.items():
        below = set()
        for room, allowed in rooms.items():
            if not allowed <= below:
                yield f"{folder}/{room} may include {', '.join(sorted(allowed - below))}, which stands above it"
            below.add(room)


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
            yield from arrows_between_rooms(name, folder, text)
            for header in re.findall(r"#include <([^>]+)>", text):
                for pattern, rooms in THIRD_PARTY_ROOMS.items():
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
    problems = [*rooms_in_a_circle(), *problems_of(root), *forgotten_tests(root)]
    print("\n".join(problems) or "every include points the right way")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
