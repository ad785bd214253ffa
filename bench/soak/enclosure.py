"""What a soak's run lives in, so that it can be taken from it without harm to others: a /dev/shm of its own and, where control groups may
be made (by root, version 1 or 2), a memory group of its own."""
import errno
import os
import pathlib
import subprocess

SHARED_MEMORY_MIB = 256
GROUPS = pathlib.Path("/sys/fs/cgroup")


class Enclosure:
    def __init__(self, name):
        self.memory = MemoryGroup(name)
        self.launcher = self.reader = None

    def start(self, words, output, environment):
        """The program, whose output a reader appends to a file. Needs root, for the mount."""
        enter = f"""mount -t tmpfs -o size={SHARED_MEMORY_MIB}m tmpfs /dev/shm
                    [ -z "$0" ] || echo $$ > "$0" || exit 1
                    exec "$@" """
        self.launcher = subprocess.Popen(["unshare", "-m", "sh", "-c", enter, self.memory.joining_file(), *map(str, words)],
                                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)
        with open(output, "ab") as log:
            self.reader = subprocess.Popen(["cat"], stdin=self.launcher.stdout, stdout=log)
        self.launcher.stdout.close()
        return self.launcher

    def fill_shared_memory(self):
        """Until it is full; it stays so for as long as any process of this start lives."""
        try:
            with open(f"/proc/{self.launcher.pid}/root/dev/shm/filler", "wb") as filler:
                while True:
                    filler.write(bytes(1 << 20))
                    filler.flush()
        except OSError as failure:
            return failure.errno == errno.ENOSPC

    def lose_the_reader(self):
        self.reader.kill()
        self.reader.wait()

    def close(self):
        if self.reader:
            self.reader.wait()
        self.memory.close()


class MemoryGroup:
    def __init__(self, name):
        is_version_2 = (GROUPS / "cgroup.controllers").exists()
        self.group = (GROUPS if is_version_2 else GROUPS / "memory") / name
        self.limit_file = self.group / ("memory.max" if is_version_2 else "memory.limit_in_bytes")
        self.unlimited = "max" if is_version_2 else "-1"
        self.peak_file = self.group / ("memory.peak" if is_version_2 else "memory.max_usage_in_bytes")
        try:
            self.group.mkdir(exist_ok=True)
        except OSError:
            self.group = None
        if self.group and not self.limit_file.exists():  # the controller is not handed down to this group
            self.close()

    def joining_file(self):
        return str(self.group / "cgroup.procs") if self.group else ""

    def limit(self, share_of_the_peak):
        """To that share, or to the next higher one that the kernel can bring the processes down to (version 1 refuses what it cannot)."""
        peak_bytes = int(self.peak_file.read_text())
        while share_of_the_peak < 1:
            try:
                self.limit_file.write_text(str(int(peak_bytes * share_of_the_peak)))
                return True
            except OSError:
                share_of_the_peak += 0.05
        return False

    def lift_the_limit(self):
        self.limit_file.write_text(self.unlimited)

    def close(self):
        if self.group:
            os.rmdir(self.group)
        self.group = None
