"""A root directory that holds the files of a few Debian packages and those they depend on, and nothing else: a node on which none of our
packages is installed. Its files are copies of this machine's. Needs root."""
import pathlib
import re
import shutil
import socket
import subprocess

FOLDERS = ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "etc", "tmp", "root", "proc", "dev", "sys", "run", "var/tmp")
MERGED = ("bin", "sbin", "lib", "lib64")  # links to /usr, as Debian has them


def installed():
    """{package: its dependencies, one name each}, virtual names resolved."""
    fields = "${Package}\t${Essential}\t${Provides}\t${Pre-Depends}, ${Depends}\n"
    lines = subprocess.run(["dpkg-query", "-W", "-f", fields], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    packages, essential, provider = {}, [], {}
    for line in lines:
        name, is_essential, provides, depends = line.split("\t")
        packages[name] = depends
        if is_essential == "yes":
            essential.append(name)
        for virtual in re.findall(r"[\w.+-]+(?=\s*(?:\(|,|$))", provides):
            provider[virtual] = name
    return packages, essential, provider


def closure(wanted):
    packages, essential, provider = installed()
    found, to_do = set(), [*essential, *wanted]
    while to_do:
        name = to_do.pop()
        if name in found:
            continue
        found.add(name)
        for group in packages[name].split(","):
            alternatives = [re.split(r"[\s:(]", choice.strip())[0] for choice in group.split("|")]
            for choice in alternatives:
                real = choice if choice in packages else provider.get(choice)
                if real:
                    to_do.append(real)
                    break
    return found


def make(root, wanted):
    """Returns the names of the packages in it."""
    root = pathlib.Path(root)
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    for name in MERGED:
        (root / name).symlink_to(f"usr/{name}")
    packages = closure(wanted)
    files = subprocess.run(["dpkg", "-L", *sorted(packages)], stdout=subprocess.PIPE, text=True).stdout.splitlines()
    for file in files:
        source = pathlib.Path(file)
        if not file.startswith("/") or "/share/doc/" in file or "/share/man/" in file or "/share/locale/" in file:
            continue
        parts = source.parts[1:]
        target = root.joinpath(*(("usr",) if parts and parts[0] in MERGED else ()), *parts)
        if source.is_symlink() or source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists() and not target.is_symlink():
                shutil.copy2(source, target, follow_symlinks=False)
    for name in ("passwd", "group", "nsswitch.conf", "ld.so.conf", "hostname"):
        if pathlib.Path("/etc", name).exists():
            shutil.copy2(pathlib.Path("/etc", name), root / "etc")
    (root / "etc/hosts").write_text("127.0.0.1 localhost " + socket.gethostname() + "\n")
    return packages
