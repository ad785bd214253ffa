"""A picture that makes the loss NaN wakes somebody: a real training of the small model on two ranks, a real Prometheus with our rules, a
real Alertmanager with our configuration, and a small webhook in the place of a pager."""
import http.server
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import poisoned_cache
import programs
import runs
import scrapes
import watched_runs

ALERTS = pathlib.Path(__file__).parents[2] / "monitoring/alerts"
# SdloraNonfiniteSteps has no `for`. What lies between the step, the first steps of a new run, and the message: watch.sh finds a new run
# within 2 s; a scrape; the evaluation of the rule; Alertmanager's group_wait (5 s in alertmanager.yml); what a busy machine needs to pass it
# on.
FOR_SECONDS, FINDING_SECONDS, GROUP_WAIT_SECONDS, SLACK_SECONDS = 0, 2, 5, 6
WITHIN_SECONDS = FOR_SECONDS + FINDING_SECONDS + 2 * watched_runs.INTERVAL_SECONDS + GROUP_WAIT_SECONDS + SLACK_SECONDS


class Pager:
    """Keeps what it is told: [(moment, receiver, alert)]"""

    def __init__(self):
        messages = self.messages = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                messages.extend((time.monotonic(), self.path, alert) for alert in message["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def told(self, name):
        return [message for message in list(self.messages) if message[2]["labels"]["alertname"] == name]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class APoisonedPicture(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-alert-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.pager = Pager()
        self.addCleanup(self.pager.close)
        config = self.folder / "alertmanager.yml"
        config.write_text((ALERTS / "alertmanager.yml").read_text().replace("127.0.0.1:9094", f"127.0.0.1:{self.pager.server.server_port}"))
        self.watch = watched_runs.WatchedRuns(self.folder, alertmanager_config=config)
        self.addCleanup(self.watch.stop)

    def test_is_told_to_the_pager_in_time_while_the_training_goes_on(self):
        run, data = self.folder / "ink", self.folder / ".poisoned"
        poisoned_cache.poison(data, [0])
        with (self.folder / "trainer.log").open("w") as log:
            process = subprocess.Popen(programs.command("trainer", *programs.train_options(run, data=data, max_steps=100000), ranks=2),
                                       env=programs.ENVIRONMENT, stdout=log, stderr=subprocess.STDOUT)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

        runs.wait_for(lambda: any(step["skipped"] for step in runs.steps_of(run)) if runs.last_step(run) else False, "the poisoned step")
        start = time.monotonic()
        runs.wait_for(lambda: self.pager.told("SdloraNonfiniteSteps"), "the alert", timeout_seconds=60)
        moment, receiver, alert = self.pager.told("SdloraNonfiniteSteps")[0]
        print(f"told {moment - start:.1f} s after the step", flush=True)
        self.assertLess(moment - start, WITHIN_SECONDS)
        self.assertEqual((receiver, alert["status"], alert["labels"]["run"]), ("/everybody", "firing", "ink"))
        self.assertIn("ink", alert["annotations"]["summary"])

        counts = [scrapes.parsed(scrapes.text_at(address))["sdlora_nonfinite_steps_total"].value() for address in scrapes.targets_of(run)]
        self.assertEqual(len(counts), 2)
        self.assertGreaterEqual(min(counts), 1, "both ranks skipped it")
        step = runs.last_step(run)
        runs.wait_for(lambda: runs.last_step(run) >= step + 5, "the training to go on")
        process.send_signal(signal.SIGUSR1)
        self.assertEqual(process.wait(timeout=60), programs.STOPPED, (self.folder / "trainer.log").read_text())
        runs.wait_for(lambda: not self.watch.query('up{run="ink"}'), "Prometheus to forget the run", timeout_seconds=30)
        self.assertEqual(self.pager.told("SdloraRankDown"), [])
        self.assert_adapter_is_finite(run)

    def assert_adapter_is_finite(self, run):
        import safetensors.torch
        checkpoint = max(run.glob("checkpoint-step-*"), key=lambda folder: int(folder.name.rsplit("-", 1)[1]))
        for name, tensor in safetensors.torch.load_file(checkpoint / "adapter.safetensors").items():
            self.assertTrue(tensor.isfinite().all(), name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
