"""An installed bundle runs on a node that has none of our packages, wherever it is put, and writes the same bytes.

The node is a root directory with the files of Debian's essential packages, Open MPI's and what those depend on. Hidden are all other
libraries and programs of this machine (HDF5, OpenCV, prometheus-cpp, the compiler, Python …), the environment of LibTorch and CUDA in ~/.cache, the
build and the sources. Shared are the kernel, the processor and the network's name."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import bare_root
import programs
import runs

STEPS = 6
PLACE = "opt/moved/sdlora"  # not where it was installed


class ABundle(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("SKIPPED: a root directory of one's own needs root")
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-bundle-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.root = cls.directory / "root"
        cls.packages = bare_root.make(cls.root, ["openmpi-bin"])
        (cls.root / "usr/bin/mpirun").symlink_to("mpirun.openmpi")  # Debian's alternatives make this link
        start = time.monotonic()
        installed = cls.directory / "installed"
        subprocess.run(["cmake", "--install", programs.BUILD, "--prefix", installed], check=True, stdout=subprocess.DEVNULL)
        cls.install_seconds = time.monotonic() - start
        cls.bundle = cls.root / PLACE
        cls.bundle.parent.mkdir(parents=True)
        installed.rename(cls.bundle)
        shutil.copytree(programs.TINY_MODEL, cls.root / "work/model")
        shutil.copytree(programs.TINY_CACHE, cls.root / "work/cache")
        subprocess.run(["ldconfig", "-r", cls.root], check=True)

    def inside(self, *words):
        script = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount --rbind /sys "$0/sys" && exec /usr/sbin/chroot "$0" "$@"'
        environment = {"PATH": "/usr/bin:/usr/sbin", "HOME": "/root", "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        done = subprocess.run(["unshare", "--mount", "--propagation", "private", "bash", "-c", script, self.root, *map(str, words)],
                              env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        return programs.Result(done.returncode, done.stdout)

    def test_runs_where_none_of_our_packages_is_and_writes_the_same_bytes(self):
        for hidden in ("libhdf5-dev", "libopencv-dev", "libopencv-core406", "python3", "g++"):
            self.assertNotIn(hidden, self.packages)
        for name in ("trainer", "cache_latents", "generate", "launcher"):
            result = self.inside(f"/{PLACE}/bin/{name}", "--version")
            self.assertEqual(result.exit_code, 0, f"{name}: {result.output}")
        result = self.inside(f"/{PLACE}/bin/launcher", "doctor", "--output", "/work")
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertIn("Training can start here.", result.output)

        options = programs.train_options("/work/run", model="/work/model", data="/work/cache", max_steps=STEPS)
        result = self.inside(f"/{PLACE}/bin/launcher", "run", "--np", 2, "--", *options)
        self.assertEqual(result.exit_code, 0, result.output)
        reference = self.directory / "reference"
        here = programs.train(reference, max_steps=STEPS)
        self.assertEqual(here.exit_code, 0, here.output)
        runs.assert_equal_results(self, self.root / "work/run", reference, STEPS)
        size = sum(file.stat().st_size for file in self.bundle.rglob("*") if file.is_file() and not file.is_symlink())
        print(f"a bundle of {size / 1e9:.1f} GB, installed in {self.install_seconds:.0f} s, trained on a root of {len(self.packages)} packages")

    def test_looks_for_no_library_where_it_was_built(self):
        for program in (self.bundle / "bin").iterdir():
            header = subprocess.run(["readelf", "-d", program], check=True, stdout=subprocess.PIPE, text=True).stdout
            [path] = [line for line in header.splitlines() if "PATH" in line]
            self.assertIn("(RPATH)", path, program)
            self.assertTrue(path.endswith("[$ORIGIN/../lib]"), path)


if __name__ == "__main__":
    unittest.main(verbosity=2)
