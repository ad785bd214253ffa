"""Real Prometheus and Alertmanager on a folder of runs, as monitoring/watch.sh starts them, on free ports and with looks every second."""
import json
import math
import os
import pathlib
import signal
import socket
import subprocess
import urllib.parse
import urllib.request

import runs

WATCH = pathlib.Path(__file__).parents[2] / "monitoring/watch.sh"
INTERVAL_SECONDS = 1  # of scrapes and of the evaluation of rules


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class WatchedRuns:
    def __init__(self, folder, alertmanager_config=None):
        self.port = free_port()
        self.log = folder / "watch.log"
        environment = dict(os.environ, PROMETHEUS_PORT=str(self.port), ALERTMANAGER_PORT=str(free_port()), SCRAPE_INTERVAL=f"{INTERVAL_SECONDS}s")
        if alertmanager_config:
            environment["ALERTMANAGER_CONFIG"] = str(alertmanager_config)
        with self.log.open("w") as log:
            self.process = subprocess.Popen(["bash", str(WATCH), str(folder)], env=environment, stdout=log, stderr=subprocess.STDOUT,
                                            start_new_session=True)
        try:
            runs.wait_for(self._answers, "Prometheus", timeout_seconds=60)
        except BaseException:
            self.stop()
            raise

    def _answers(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5).close()
        except OSError:
            return False
        return True

    def query(self, expression):
        """[(labels, value)] now, of the finite values."""
        data = urllib.parse.urlencode({"query": expression}).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/query", data, timeout=30) as answer:
            found = json.load(answer)["data"]["result"]
        return [(series["metric"], float(series["value"][1])) for series in found if math.isfinite(float(series["value"][1]))]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)  # whatever is left of the session
        except ProcessLookupError:
            pass
        self.process.wait()
