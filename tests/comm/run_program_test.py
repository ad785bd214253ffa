"""What a user and a supervisor see of the program frame: exit codes, and each message once.

usage: program_test.py PROGRAM_PROBE MPIRUN...
"""
import os
import subprocess
import sys
import time
import unittest

PROBE, MPIRUN = sys.argv[1], sys.argv[2:]


def run(how, ranks=None, environment=None):
    """Exit code, standard output and error of the probe, alone or on `ranks` ranks."""
    command = [PROBE, how] if ranks is None else MPIRUN + ["-np", str(ranks), PROBE, how]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OMPI_COMM", "PMI", "SLURM"))}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**clean, **(environment or {})})
    return done.returncode, done.stdout, done.stderr


class ProgramAlone(unittest.TestCase):
    def test_a_program_that_is_done_exits_with_zero(self):
        self.assertEqual(run("well")[:2], (0, "done on 1 ranks\n"))

    def test_an_error_becomes_its_exit_code_and_one_message(self):
        for how, code, words in [("usage", 64, "unknown option --foo"), ("agreed", 65, "the shard is torn"),
                                 ("alone", 74, "the disk is full")]:
            with self.subTest(how):
                exit_code, _, error = run(how)
                self.assertEqual(exit_code, code)
                self.assertEqual(error.count(words), 1, error)
                self.assertNotIn("rank", error)

    def test_numbers_next_to_nothing_count_as_nothing_on_every_thread(self):
        self.assertIn("0 denormals", run("denormals")[1])

    def test_any_other_exception_is_a_defect_of_ours(self):
        exit_code, _, error = run("defect")
        self.assertEqual(exit_code, 70)
        self.assertIn("defect", error)
        self.assertIn("impossible state", error)

    def test_srun_without_mpi_is_refused(self):
        exit_code, output, error = run("well", environment={"SLURM_STEP_NUM_TASKS": "2"})
        self.assertEqual((exit_code, output), (78, ""))
        self.assertIn("srun --mpi=pmix", error)


class ProgramUnderMpirun(unittest.TestCase):
    def test_all_ranks_done_is_zero(self):
        self.assertEqual(run("well", 2)[:2], (0, "done on 2 ranks\n"))

    def test_one_rank_under_mpirun_is_an_mpi_program(self):
        self.assertEqual(run("agreed", 1)[0], 65)

    def test_what_all_ranks_find_is_said_once(self):
        for how, code, words in [("usage", 64, "unknown option --foo"), ("agreed", 65, "the shard is torn"),
                                 ("staggered", 76, "the loss is not finite")]:
            with self.subTest(how):
                exit_code, _, error = run(how, 3)
                self.assertEqual(exit_code, code, error)
                self.assertEqual(error.count(words), 1, error)
                self.assertNotIn("MPI_ABORT", error)

    def test_agreed_errors_name_the_rank_that_found_them(self):
        self.assertIn("rank 1 of 2 on host", run("agreed", 2)[2])

    def test_a_rank_that_fails_alone_ends_the_others_with_its_code(self):
        for how, code, words in [("alone", 74, "the disk is full"), ("defect", 70, "impossible state")]:
            with self.subTest(how):
                start = time.monotonic()
                exit_code, output, error = run(how, 2)
                self.assertEqual((exit_code, output), (code, ""), error)
                self.assertEqual(error.count(words), 1, error)
                self.assertIn("rank 1 of 2 on host", error)
                self.assertLess(time.monotonic() - start, 20)

    def test_different_errors_are_all_said_and_rank_zero_names_the_code(self):
        exit_code, _, error = run("differently", 2)
        self.assertEqual(exit_code, 78, error)
        self.assertEqual(error.count("trouble number 0"), 1, error)
        self.assertEqual(error.count("trouble number 1"), 1, error)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
