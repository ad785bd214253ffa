"""Does a training step cost more than it did? Counts the instructions and the calls to the allocator of the steps of the small model under
callgrind, which counts the same whatever else the machine does, and fails when either has grown by more than a tenth.

    regress_test.py            compares with recorded.json
    regress_test.py --record   writes it: after a change that is worth its cost, with the reason in the commit's message

valgrind shows every program the same CPU with AVX2, so the figures of one build are the same on all machines that have AVX2.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests/support"))
import programs

RECORDED = HERE / "recorded.json"
FEW, MANY = 2, 4  # steps: what the two runs differ by is the steps', without what the first one sets up
GROWTH = 1.10
ALLOCATORS = re.compile(r"^(malloc|calloc|realloc|posix_memalign|aligned_alloc|memalign)$")


def profile(folder, steps):
    """callgrind's file of a run of so many steps. Instructions count while TrainingStep::run is on the stack, calls always do."""
    file = folder / "callgrind.out"
    done = subprocess.run(["valgrind", "--tool=callgrind", "--collect-atstart=no", "--toggle-collect=sdlora::trainer::TrainingStep::run(*",
                           f"--callgrind-out-file={file}",
                           *programs.command("trainer", *programs.train_options(folder / "run", max_steps=steps, batch_size=1))],
                          env=programs.ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return file.read_text(errors="replace")


def instructions(text):
    return int(re.search(r"^(?:summary|totals): (\d+)", text, re.MULTILINE)[1])


def allocations(text):
    """Calls of functions of the allocator. A function is named where it is first met, "cfn=(12) malloc", and is "cfn=(12)" from then on."""
    names, called, count = {}, None, 0
    for line in text.splitlines():
        if match := re.match(r"c?fn=\((\d+)\)(?: (.*))?", line):
            names.setdefault(match[1], match[2])
            called = names[match[1]] if line.startswith("cfn") else None
        elif called and (match := re.match(r"calls=(\d+) ", line)):
            count += int(match[1]) if ALLOCATORS.match(re.sub(r"'\d+$", "", called)) else 0
    return count


def measure():
    totals = []
    for steps in (FEW, MANY):
        with tempfile.TemporaryDirectory(prefix="sdlora-regress-") as folder:
            text = profile(pathlib.Path(folder), steps)
        totals.append((instructions(text), allocations(text)))
    of_a_step = [(many - few) // (MANY - FEW) for few, many in zip(*totals)]
    return dict(zip(("instructions_per_step", "allocations_per_step"), of_a_step))


def main():
    measured = measure()
    if "--record" in sys.argv:
        RECORDED.write_text(json.dumps(measured, indent=2) + "\n")
        print(f"recorded {measured}")
        return
    recorded = json.loads(RECORDED.read_text())
    grown = []
    for name, before in recorded.items():
        ratio = measured[name] / before
        print(f"{name}: {measured[name]:,}, recorded {before:,}: {100 * (ratio - 1):+.1f} %")
        if not 0 < ratio <= GROWTH:
            grown.append(name)
    sys.exit(f"more than a tenth above the record: {', '.join(grown)}" if grown else 0)


if __name__ == "__main__":
    main()
