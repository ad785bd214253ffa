"""Writes what clang-tidy reads: for each library a unit that includes its sources. Most of what a source costs the linter is ATen's headers,
through which it walks in 25 s; in a unit it does so once.

    tidy_units.py BUILD SOURCE …             prints the units; BUILD is configured with -DSDLORA_UNITY=OFF
    tidy_units.py BUILD --canary FOLDER …    prints a unit that has something wrong in a header of each folder
"""
import json
import pathlib
import re
import shlex
import sys


def flags_of(command):
    """The command without what is the source's own: its name and its object's."""
    words = shlex.split(command["command"])
    for option in ("-o", "-c"):
        at = words.index(option)
        del words[at:at + 2]
    return words


def text_of(sources):
    for source in sources:
        is_program = source.stem.endswith("_main")  # a library and its program are one unit, and two programs may be
        if is_program:
            yield f"#define main {source.stem}_of_unit"
        yield f'#include "{source}"  // NOLINT(bugprone-suspicious-include)'
        if is_program:
            yield "#undef main"


def units_for(build, sources):
    """By folder in the build and flags: the sources."""
    units, missing = {}, set(sources)
    for command in json.loads((build / "compile_commands.json").read_text()):
        source = pathlib.Path(command["file"])
        if source in missing:
            missing.remove(source)
            folder = re.search(r"-o (\S*?)/?CMakeFiles/", command["command"])[1]
            units.setdefault((folder, *flags_of(command)), []).append(source)
    for source in sorted(missing):
        print(f"[tidy] not built on this machine, so not read: {source}", file=sys.stderr)
    return units


def canary(build, folders):
    headers = [build / "canary" / folder / "room_2" / "bad_name.h" for folder in folders]
    for folder, header in zip(folders, headers):
        header.parent.mkdir(parents=True, exist_ok=True)
        header.write_text(f"#pragma once\ninline void BadNameIn_{folder}() {{}}\n")
    return {("canary", "clang++", "-std=c++20"): headers}


def main():
    build, names = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:]
    is_canary = names[0] == "--canary"
    units = canary(build, names[1:]) if is_canary else units_for(build, [pathlib.Path(name).resolve() for name in names])
    (build / "units").mkdir(exist_ok=True)
    database = build / "units" / "compile_commands.json"
    commands = json.loads(database.read_text()) if is_canary else []
    for number, ((folder, *flags), sources) in enumerate(units.items()):
        unit = build / "units" / f"{folder.replace('/', '_')}_{number}.cpp"
        unit.write_text("\n".join([*text_of(sources), ""]))
        commands.append({"directory": str(build), "file": str(unit), "arguments": [*flags, "-c", str(unit)]})
        print(unit)
    database.write_text(json.dumps(commands, indent=1))


if __name__ == "__main__":
    main()
