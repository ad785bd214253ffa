"""Ranks that were started with different things refuse to work together (78) before the first step, and say in what they differ: real
mpirun, each rank with a command line of its own."""
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from safetensors.torch import load_file, save_file

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import programs

TRAINER = programs.BUILD / "bin/trainer"


def flip_a_byte(file, at=-1):
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)


def change_the_build_id(program):
    """In place, in the note that the linker left; the code stays as it is."""
    notes = subprocess.run(["readelf", "-n", program], check=True, capture_output=True, text=True).stdout
    build_id = bytes.fromhex(notes.split("Build ID:")[1].split()[0])
    content = bytearray(program.read_bytes())
    at = content.find(build_id)
    assert at > 0 and content.count(build_id) == 1, "the build id is not where it is expected"
    content[at] ^= 1
    program.write_bytes(content)


class RanksThatDiffer(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-handshake-"))
        self.addCleanup(shutil.rmtree, self.directory)

    def train(self, program_of_rank_1=TRAINER, environment_of_rank_1=(), **options_of_rank_1):
        output = self.directory / "run"
        first = [str(TRAINER), *map(str, programs.train_options(output))]
        second = [*(["env", *environment_of_rank_1] if environment_of_rank_1 else []), str(program_of_rank_1), *map(str, programs.train_options(output, **options_of_rank_1))]
        done = subprocess.run([*programs.MPIRUN, "-np", "1", *first, ":", "-np", "1", *second], env=programs.ENVIRONMENT,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        return programs.Result(done.returncode, done.stdout)

    def test_in_what_a_library_may_compute_with(self):
        for setting in ("DNNL_MAX_CPU_ISA=AVX2", "MKL_CBWR=COMPATIBLE", "ATEN_CPU_CAPABILITY=avx2"):
            with self.subTest(setting=setting):
                self.expect_refusal(setting.split("=")[0], environment_of_rank_1=[setting])

    def expect_refusal(self, *words, **rank_1):
        result = self.train(**rank_1)
        self.assertEqual(result.exit_code, programs.MISMATCH, result.output)
        self.assertEqual(result.output.count("the ranks disagree"), 1, result.output)
        for word in ("rank 0 of 2 on host", "rank 1 of 2 on host", *words):
            self.assertIn(word, result.output)
        self.assertFalse((self.directory / "run/metrics.jsonl").exists(), "no step may be taken")
        return result.output

    def copy_of(self, source):
        return pathlib.Path(shutil.copytree(source, self.directory / pathlib.Path(source).name))

    def test_in_the_models_bytes_are_refused(self):
        model = self.copy_of(programs.TINY_MODEL)
        flip_a_byte(next((model / "unet").glob("*.safetensors")))
        self.expect_refusal("model = ", model=model)

    def test_in_the_noise_schedule_are_refused(self):
        model = self.copy_of(programs.TINY_MODEL)
        config = model / "scheduler/scheduler_config.json"
        settings = json.loads(config.read_text())
        config.write_text(json.dumps({**settings, "beta_end": settings["beta_end"] * 1.01}))
        self.assertNotIn("model = ", self.expect_refusal("noise schedule = ", model=model))

    def test_in_the_data_are_refused(self):
        data = self.copy_of(programs.TINY_CACHE)
        manifest = data / "manifest.json"
        content = json.loads(manifest.read_text())
        content["skipped"].append({"source": "another.png", "reason": "is damaged"})
        manifest.write_text(json.dumps(content, indent=1) + "\n")
        self.expect_refusal("data = ", data=data)

    def test_in_a_setting_are_refused(self):
        self.expect_refusal("learning-rate = 1e-3", "learning-rate = 2e-3", learning_rate="2e-3")

    def test_in_what_they_train_are_refused(self):
        self.expect_refusal("lora-targets = attn", "lora-targets = .*attn1.*", lora_targets=".*attn1.*")

    def test_in_the_build_are_refused(self):
        program = self.directory / "trainer-of-another-build"
        shutil.copy2(TRAINER, program)
        change_the_build_id(program)
        output = self.expect_refusal("program = ", program_of_rank_1=program)
        self.assertNotIn("libtorch", output, "the libraries are the same")

    def test_in_the_parameters_of_the_checkpoint_they_go_on_from_are_refused(self):
        run = self.directory / "earlier"
        self.assertEqual(programs.train(run).exit_code, 0)
        good = run / "checkpoint-step-6"
        bad = self.directory / "tampered"
        shutil.copytree(good, bad)
        tensors = load_file(bad / "optimizer.safetensors")
        tensors["first_moment"][0] += 1
        save_file(tensors, bad / "optimizer.safetensors")
        manifest = json.loads((bad / "MANIFEST.json").read_text())
        content = (bad / "optimizer.safetensors").read_bytes()
        manifest["files"]["optimizer.safetensors"] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        (bad / "MANIFEST.json").write_text(json.dumps(manifest))
        output = self.directory / "run"
        commands = [[str(TRAINER), *map(str, programs.train_options(output, resume=checkpoint, max_steps=8))] for checkpoint in (good, bad)]
        done = subprocess.run([*programs.MPIRUN, "-np", "1", *commands[0], ":", "-np", "1", *commands[1]], env=programs.ENVIRONMENT,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        self.assertEqual(done.returncode, programs.MISMATCH, done.stdout)
        self.assertEqual(done.stdout.count("optimiser's first_moment = "), 2, done.stdout)
        self.assertNotIn("A and B = ", done.stdout)

    def test_only_in_where_their_equal_files_lie_work_together(self):
        result = self.train(model=self.copy_of(programs.TINY_MODEL), data=self.copy_of(programs.TINY_CACHE), step_timeout=77)
        self.assertEqual(result.exit_code, 0, result.output)


class RanksThatAreNone(unittest.TestCase):
    """Processes that another starter meant to be ranks of one run: each would train alone, and write what the others write."""

    def test_refuse_to_train_alone(self):
        with tempfile.TemporaryDirectory(prefix="sdlora-alone-") as folder:
            for variables in ({"PMI_RANK": "1", "PMI_SIZE": "2"}, {"RANK": "0", "WORLD_SIZE": "2"}, {"MV2_COMM_WORLD_SIZE": "4"}):
                with self.subTest(**variables):
                    done = subprocess.run([str(TRAINER), *map(str, programs.train_options(f"{folder}/run"))],
                                          env={**programs.ENVIRONMENT, **variables}, stdout=subprocess.PIPE,
                                          stderr=subprocess.STDOUT, text=True, timeout=120)
                    self.assertEqual(done.returncode, programs.MISMATCH, done.stdout)
                    self.assertIn("a world of 1", done.stdout)
                    self.assertFalse(pathlib.Path(folder, "run").exists())

    def test_of_one_are_not_refused(self):
        with tempfile.TemporaryDirectory(prefix="sdlora-alone-") as folder:
            done = subprocess.run([str(TRAINER), *map(str, programs.train_options(f"{folder}/run", max_steps=1))],
                                  env={**programs.ENVIRONMENT, "WORLD_SIZE": "1"}, timeout=120)
            self.assertEqual(done.returncode, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
