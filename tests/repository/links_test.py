"""What the documents point to is there: every relative link and picture, every heading that a link names, every command-line option that
README.md and docs/ mention; and the README stays a front door.

    links_test.py ROOT
"""
import pathlib
import re
import subprocess
import sys
import unicodedata

MAX_README_BYTES = 8000
OPTION = re.compile(r"(?<![\w-])--([a-z][a-z0-9]+(?:-[a-z0-9]+)*)(?![\w-])")
# Options of programs that are not ours and that no script of ours calls with them.
OF_OTHER_PROGRAMS = {"logdir": "tensorboard"}


def tracked_files(root):
    listed = subprocess.run(["git", "-C", root, "-c", f"safe.directory={root}", "ls-files", "-z"], check=True, stdout=subprocess.PIPE)
    return [root / name for name in listed.stdout.decode().split("\0") if name and (root / name).is_file()]


def without_code(text):
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def anchors_of(file):
    """As GitHub makes them of headings: lower case, no punctuation, hyphens for spaces, a number behind a repeated one."""
    seen, anchors = {}, set()
    for heading in re.findall(r"^#+ +(.+?) *$", re.sub(r"^```.*?^```", "", file.read_text(), flags=re.MULTILINE | re.DOTALL), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = "".join(c for c in words if c in " -_" or unicodedata.category(c)[0] in "LN").replace(" ", "-")
        anchors.add(f"{anchor}-{seen[anchor]}" if anchor in seen else anchor)
        seen[anchor] = seen.get(anchor, 0) + 1
    return anchors


def broken_links(root, documents):
    for document in documents:
        for target in re.findall(r"\]\(([^)\s]+)\)", without_code(document.read_text())):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            place = (document.parent / path).resolve() if path else document
            name = document.relative_to(root)
            if not place.exists():
                yield f"{name} points to {target}, which is not there"
            elif anchor and (place.suffix != ".md" or anchor not in anchors_of(place)):
                yield f"{name} points to {target}: there is no such heading"


def unknown_options(root, documents, files):
    """An option is known when a source or script writes it as --name, or declares it as "name"."""
    sources = "\n".join(f.read_text(errors="ignore") for f in files if f.suffix in
                        (".cpp", ".h", ".py", ".sh", ".cmake", ".txt", ".json", ".toml") and f != pathlib.Path(__file__).resolve())
    known = set(OPTION.findall(sources)) | set(re.findall(r'"([a-z][a-z0-9-]+)"', sources)) | set(OF_OTHER_PROGRAMS)
    for document in documents:
        for option in sorted(set(OPTION.findall(document.read_text())) - known):
            yield f"{document.relative_to(root)} mentions --{option}, which no program and no script has"


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    files = tracked_files(root)
    documents = [f for f in files if f.suffix == ".md"]
    for_users = [f for f in documents if f == root / "README.md" or root / "docs" in f.parents]
    problems = [*broken_links(root, documents), *unknown_options(root, for_users, files)]
    size = (root / "README.md").stat().st_size
    if size > MAX_README_BYTES:
        problems.append(f"README.md has {size} bytes, at most {MAX_README_BYTES}: what it says more belongs in docs/")
    print("\n".join(problems) or f"every link in {len(documents)} documents leads somewhere")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
