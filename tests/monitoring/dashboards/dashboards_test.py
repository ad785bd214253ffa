"""The dashboards of monitoring/grafana: what grafana/dashboard-linter asks of a dashboard (its rules by their published names), and that
every query is PromQL over metrics that monitoring/README.md lists."""
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import yaml

MONITORING = pathlib.Path(__file__).parents[3] / "monitoring"
GRAFANA = MONITORING / "grafana"
FILES = sorted((GRAFANA / "dashboards").glob("*.json"))
UNITS = {"none", "short", "percentunit", "sci", "bytes", "binBps", "s", "cps", "wps", "dateTimeFromNow"}  # of those Grafana knows
WITH_QUERIES = {"stat", "gauge", "timeseries", "table"}
VARIABLE = {"job": ".+", "run": ".+", "rank": ".+", "__rate_interval": "5m", "__range": "1h", "__interval": "15s"}
HISTOGRAM_SERIES = re.compile(r"_(sum|count|bucket)$")
# A name that is neither a function, nor a label or a keyword: it carries a selector, or is one of ours.
SELECTOR = re.compile(r"\b((?:job_run\w*:|sdlora_|up\b|ALERTS\b)[\w:]*)(\{[^}]*\})?")


def dashboards():
    return {file.name: json.loads(file.read_text()) for file in FILES}


def panels(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries():
    """(dashboard, panel title, expression) of all panels, annotations apart."""
    return [(name, panel["title"], target["expr"]) for name, dashboard in dashboards().items() for panel in panels(dashboard)
            for target in panel["targets"]]


def expanded(expression):
    for name, value in VARIABLE.items():
        expression = expression.replace("${" + name + "}", value).replace("$" + name, value)
    return expression


class EveryDashboard(unittest.TestCase):
    def each(self):
        self.assertEqual(set(dashboards()), {"run.json", "fleet.json"})
        for name, dashboard in dashboards().items():
            with self.subTest(name):
                yield dashboard

    def test_is_what_its_generator_writes(self):
        done = subprocess.run([sys.executable, GRAFANA / "make_dashboards.py", "--check"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_has_a_fixed_uid_and_cannot_be_edited_by_hand(self):  # uneditable-dashboard
        for dashboard in self.each():
            self.assertTrue(dashboard["uid"].startswith("sdlora-"))
            self.assertIs(dashboard["editable"], False)
            self.assertTrue(dashboard["title"] and dashboard["description"])

    def test_chooses_its_data_source_by_a_variable(self):  # template-datasource-rule, panel-datasource-rule
        for dashboard in self.each():
            sources = [variable for variable in dashboard["templating"]["list"] if variable["type"] == "datasource"]
            self.assertEqual([(source["name"], source["label"], source["query"]) for source in sources],
                             [("datasource", "Data source", "prometheus")])
            for panel in panels(dashboard):
                for user in (panel, *panel["targets"]):
                    self.assertEqual(user["datasource"]["uid"], "${datasource}", panel["title"])

    def test_has_variables_for_job_and_run_that_follow_the_time_range(self):  # template-job-rule, template-on-time-change-reload-rule
        for dashboard in self.each():
            found = {variable["name"]: variable for variable in dashboard["templating"]["list"] if variable["type"] == "query"}
            self.assertLessEqual({"job", "run"}, set(found))
            for name, variable in found.items():
                self.assertEqual((variable["label"], variable["refresh"], variable["allValue"], variable["multi"], variable["includeAll"]),
                                 (name.title(), 2, ".+", True, True))
                self.assertEqual(variable["datasource"]["uid"], "${datasource}")
                self.assertRegex(variable["query"], r"^label_values\(sdlora_\w+.*, \w+\)$")  # template-label-promql-rule
        self.assertIn("rank", [variable["name"] for variable in dashboards()["run.json"]["templating"]["list"]])

    def test_explains_each_panel_and_gives_it_a_unit(self):  # panel-title-description-rule, panel-units-rule, panel-no-targets-rule
        for dashboard in self.each():
            for panel in panels(dashboard):
                self.assertIn(panel["type"], WITH_QUERIES)
                self.assertTrue(panel["title"] and panel["description"].endswith("."), panel["title"])
                self.assertIn(panel["fieldConfig"]["defaults"]["unit"], UNITS, panel["title"])
                self.assertTrue(panel["targets"], panel["title"])
                self.assertTrue(panel["fieldConfig"]["defaults"]["thresholds"]["steps"], panel["title"])

    def test_marks_starts_and_checkpoints(self):
        for dashboard in self.each():
            self.assertEqual([mark["name"] for mark in dashboard["annotations"]["list"]], ["Start", "Checkpoint"])

    def test_lays_its_panels_out_without_gaps_or_overlaps(self):
        for dashboard in self.each():
            self.assertEqual(len({panel["id"] for panel in dashboard["panels"]}), len(dashboard["panels"]))
            taken = set()
            for panel in dashboard["panels"]:
                place = panel["gridPos"]
                self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
                cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
                self.assertFalse(taken & cells, f"{panel['title']} lies over another panel")
                taken |= cells
            self.assertEqual(len(taken), 24 * (1 + max(y for _, y in taken)), "a hole in the layout")


class EveryQuery(unittest.TestCase):
    def test_is_promql(self):  # target-promql-rule
        rules = [{"record": f"panel:{index}:check", "expr": expanded(expression)} for index, (_, _, expression) in enumerate(queries())]
        rules += [{"record": "annotation:check", "expr": expanded(mark["expr"])} for dashboard in dashboards().values()
                  for mark in dashboard["annotations"]["list"]]
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            yaml.safe_dump({"groups": [{"name": f"g{index}", "rules": [rule]} for index, rule in enumerate(rules)]}, file)
            file.flush()
            done = subprocess.run(["promtool", "check", "rules", file.name], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_selects_the_chosen_job_and_run(self):  # target-job-rule
        for dashboard, title, expression in queries():
            for metric, matchers in SELECTOR.findall(expression):
                for variable in ("job", "run"):
                    self.assertIn(f'{variable}=~"${variable}"', matchers, f"{dashboard}, {title}: {metric}")

    def test_looks_at_the_rate_interval_and_never_at_a_bare_counter(self):  # target-rate-interval-rule, target-counter-agg-rule
        for dashboard, title, expression in queries():
            for window in re.findall(r"\[([^\]]*)\]", expression):
                self.assertEqual(window, "$__rate_interval", f"{dashboard}, {title}")
            for position in re.finditer(r"sdlora_\w+_total\b", expression):
                self.assertTrue(expression[:position.start()].endswith("rate("), f"{dashboard}, {title}: {position.group()}")

    def test_computes_quantiles_from_buckets(self):  # target-histogram-rule
        for dashboard, title, expression in queries():
            if "_bucket" in expression:
                self.assertTrue(expression.startswith("histogram_quantile("), f"{dashboard}, {title}")

    def test_uses_only_metrics_that_exist(self):
        known = set(re.findall(r"^\| `(sdlora_\w+)`", (MONITORING / "README.md").read_text(), re.MULTILINE))
        rules = yaml.safe_load((MONITORING / "alerts/recording.yml").read_text())["groups"][0]["rules"]
        known |= {rule["record"] for rule in rules} | {"up", "ALERTS"}
        for dashboard, title, expression in queries():
            for metric, _ in SELECTOR.findall(expression):
                self.assertTrue(metric in known or HISTOGRAM_SERIES.sub("", metric) in known, f"{dashboard}, {title}: nothing exports {metric}")


class TheProvisioning(unittest.TestCase):
    def test_is_what_grafana_reads(self):
        sources = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())
        providers = yaml.safe_load((GRAFANA / "provisioning/dashboards/sdlora.yml").read_text())
        self.assertEqual((sources["apiVersion"], providers["apiVersion"]), (1, 1))
        self.assertEqual([source["type"] for source in sources["datasources"]], ["prometheus", "alertmanager"])
        self.assertIn("path", providers["providers"][0]["options"])

    def test_is_accepted_by_prometheus_and_alertmanager(self):
        for command in (["promtool", "check", "config", MONITORING / "alerts/prometheus.yml"],
                        ["amtool", "check-config", MONITORING / "alerts/alertmanager.yml"]):
            done = subprocess.run(command, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
