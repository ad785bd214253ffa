"""Every query of both dashboards returns data from a real Prometheus, started by monitoring/watch.sh, that scrapes a real training of the
small model on two ranks and a real caching of pictures, both found by their metrics_targets.json."""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import programs
import runs
import watched_runs

GRAFANA = pathlib.Path(__file__).parents[2] / "monitoring/grafana"
VARIABLES = {"job": ".+", "run": ".+", "rank": ".+", "__rate_interval": "20s"}


def queries():
    """{(dashboard, panel or annotation, expression)} with the variables filled in."""
    found = set()
    for file in sorted((GRAFANA / "dashboards").glob("*.json")):
        dashboard = json.loads(file.read_text())
        expressions = [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel.get("targets", [])]
        expressions += [(mark["name"], mark["expr"]) for mark in dashboard["annotations"]["list"]]
        for title, expression in expressions:
            for name, value in VARIABLES.items():
                expression = expression.replace("$" + name, value)
            found.add((file.name, title, expression))
    return found


class ADashboard(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-dashboards-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.watch = watched_runs.WatchedRuns(cls.folder)
        cls.addClassCleanup(cls.watch.stop)
        cls.start("trainer", *programs.train_options(cls.folder / "ink", max_steps=1000000, checkpoint_every=40, validation_every=40,
                                                     validation_split=0.2, max_grad_norm="1e-3"))
        pictures = cls.folder / "pictures"
        draw = pathlib.Path(__file__).parents[2] / "demo/draw.py"
        subprocess.run([sys.executable, draw, "--style", "photograph", "--count", "200", "--seed", "0", "--out", pictures], check=True)
        cls.start("cache_latents", "--model", programs.TINY_MODEL, "--images", pictures, "--output", cls.folder / "cache", "--img-size", 512,
                  "--cpu-threads", 1, "--metrics-port", 0)

    @classmethod
    def start(cls, program, *options):
        with (cls.folder / f"{program}.log").open("w") as log:
            process = subprocess.Popen(programs.command(program, *options, ranks=2), env=programs.ENVIRONMENT, stdout=log,
                                       stderr=subprocess.STDOUT)
        cls.addClassCleanup(process.wait)
        cls.addClassCleanup(process.terminate)

    def test_has_data_in_every_panel(self):
        missing = queries()
        self.assertGreater(len(missing), 60)

        def are_all_answered():
            missing.difference_update({query for query in missing if self.watch.query(query[2])})
            return not missing

        try:
            runs.wait_for(are_all_answered, "data", timeout_seconds=90)
        except AssertionError:
            self.fail("no data:\n" + "\n".join(map(str, sorted(missing))))

    def test_is_drawn_without_grafana(self):
        def drawn():
            return subprocess.run([sys.executable, GRAFANA / "render.py", "--prometheus", f"http://127.0.0.1:{self.watch.port}", "--minutes", "2",
                                   "--output", self.folder / "page.html"], capture_output=True, text=True)
        runs.wait_for(lambda: "no data" not in drawn().stdout, "a page without gaps", timeout_seconds=90)
        page = (self.folder / "page.html").read_text()
        self.assertIn("ink", page)
        self.assertGreater(page.count("<polyline"), 40)


if __name__ == "__main__":
    unittest.main(verbosity=2)
