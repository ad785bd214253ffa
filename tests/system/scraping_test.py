"""Whatever is done to the metrics port, the training goes on: the port is taken, it is scraped without end, or by clients that never
finish, send garbage or send too much."""
import json
import pathlib
import socket
import statistics
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import background
import programs
import reference_run
import runs

STEPS = 60


class ThePort(reference_run.ReferenceRun):
    steps = STEPS

    def start(self, ranks=None, **more):
        options = programs.train_options(self.output, **{"max_steps": STEPS, **more})
        return background.Program(self, programs.command("trainer", *options, ranks=ranks))

    def test_that_is_in_use_is_replaced_by_a_free_one_with_one_warning_a_rank(self):
        holder = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(holder.close)
        process = self.start(metrics_port=holder.getsockname()[1])
        process.wait_for((pathlib.Path(self.output) / "metrics_targets.json").exists, "targets")
        output = self.assert_ends_well(process)
        self.assertEqual(output.count("taking a free port instead"), 1)

    def attack(self, address, what, is_over):
        host, port = address.rsplit(":", 1)
        held = []
        while not is_over.is_set():
            try:
                client = socket.create_connection((host, int(port)), timeout=1)
                if what == "storm":
                    client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    while client.recv(1 << 16):
                        pass
                    client.close()
                elif what == "slow":
                    client.sendall(b"GET /metr")  # and never more
                    held.append(client)
                    is_over.wait(0.02)
                elif what == "garbage":
                    client.sendall(b"\x16\x03\x01\x00\xff" * 200 + b"\r\n\r\n")
                    client.close()
                else:
                    client.sendall(b"GET /metrics HTTP/1.1\r\n" + b"X: " + b"y" * (1 << 20) + b"\r\n\r\n")
                    client.close()
                self.count[what] += 1
            except OSError:
                is_over.wait(0.01)
        for client in held:
            client.close()

    def test_under_a_storm_of_scrapes_slow_clients_garbage_and_huge_headers_does_not_stop_the_training(self):
        process = self.start()
        process.wait_for((self.output / "metrics_targets.json").exists, "targets")
        process.wait_for_step(self.output, 2)
        [target] = json.loads((self.output / "metrics_targets.json").read_text())[0]["targets"]
        is_over = threading.Event()
        kinds = ("storm", "slow", "garbage", "huge")
        self.count = dict.fromkeys(kinds, 0)
        threads = [threading.Thread(target=self.attack, args=(target, kind, is_over)) for kind in kinds]
        for thread in threads:
            thread.start()
        try:
            process.process.wait(timeout=120)
        finally:
            is_over.set()
            for thread in threads:
                thread.join()
        output = self.assert_ends_well(process)
        self.assertNotIn("terminate called", output)
        quiet, attacked = ([record["step_seconds"] for record in runs.records_of(run)] for run in (self.reference, self.output))
        print(f"{self.count}: median step {1000 * statistics.median(quiet):.0f} ms undisturbed, {1000 * statistics.median(attacked):.0f} ms attacked "
              "(from the same cores)")


if __name__ == "__main__":
    unittest.main(verbosity=2)
