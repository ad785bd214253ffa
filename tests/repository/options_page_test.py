"""docs/options.md is what the programs say of their options.

    options_page_test.py ROOT BIN
"""
import difflib
import pathlib
import subprocess
import sys
import tempfile


def main():
    root, programs = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as directory:
        fresh = pathlib.Path(directory) / "options.md"
        subprocess.run(["bash", root / "docs/write_options.sh", programs, fresh], check=True)
        said, written = fresh.read_text(), (root / "docs/options.md").read_text()
    if said == written:
        print("docs/options.md is up to date")
        return
    print(*difflib.unified_diff(written.splitlines(), said.splitlines(), "docs/options.md", "the programs", lineterm=""), sep="\n")
    sys.exit("docs/options.md is not what the programs say; write it anew:  bash docs/write_options.sh")


if __name__ == "__main__":
    main()
