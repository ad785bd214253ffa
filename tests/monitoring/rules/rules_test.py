"""The alerts of monitoring/alerts: promtool accepts them and their tests, every one is tested for firing and for silence, says what a
person woken at night needs, has a section in the runbook, and uses only metrics that monitoring/README.md lists."""
import pathlib
import re
import subprocess
import unittest

import yaml

HERE = pathlib.Path(__file__).parent
MONITORING = HERE.parents[2] / "monitoring"
RULE_FILES = [MONITORING / "alerts" / name for name in ("recording.yml", "training.yml", "cluster.yml")]
TEST_FILES = sorted(HERE.glob("*.yml"))
SEVERITIES = {"critical", "warning", "info"}
HISTOGRAM_SERIES = re.compile(r"_(sum|count|bucket)$")


def rules():
    return [rule for file in RULE_FILES for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]


def alerts():
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def documented_metrics():
    return set(re.findall(r"^\| `(sdlora_\w+)`", (MONITORING / "README.md").read_text(), re.MULTILINE))


def metrics_in(expression):
    """Names of metrics and of recorded series."""
    return set(re.findall(r"\bjob_run\w*:[\w:]+|(?<![\w:])sdlora_\w+", expression))


def promtool(*arguments):
    done = subprocess.run(["promtool", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


class TheRules(unittest.TestCase):
    def test_are_accepted_by_promtool(self):
        code, output = promtool("check", "rules", *RULE_FILES)
        self.assertEqual(code, 0, output)

    def test_pass_their_promtool_tests(self):
        code, output = promtool("test", "rules", *TEST_FILES)
        self.assertEqual(code, 0, output)

    def test_use_only_documented_metrics_and_recorded_series_that_exist(self):
        known = documented_metrics() | {rule["record"] for rule in rules() if "record" in rule}
        for rule in rules():
            for metric in metrics_in(rule["expr"]):
                self.assertTrue(metric in known or HISTOGRAM_SERIES.sub("", metric) in known,
                                f"{rule.get('alert') or rule['record']}: nothing exports {metric}")

    def test_record_only_what_an_alert_or_a_dashboard_reads(self):
        readers = "".join(rule["expr"] for rule in rules())
        readers += "".join(file.read_text() for file in (MONITORING / "grafana/dashboards").glob("*.json"))
        for rule in rules():
            if "record" in rule:
                self.assertIn(rule["record"], readers)


class EveryAlert(unittest.TestCase):
    def test_is_tested_for_firing_and_for_silence(self):
        fires, is_silent = set(), set()
        for file in TEST_FILES:
            for group in yaml.safe_load(file.read_text())["tests"]:
                self.assertTrue(group["input_series"], group["name"])
                for test in group["alert_rule_test"]:
                    self.assertIn(test["alertname"], alerts(), group["name"])
                    (fires if test["exp_alerts"] else is_silent).add((test["alertname"], group["name"]))
        for alert in alerts():
            self.assertTrue([name for tested, name in fires if tested == alert], f"{alert}: no test in which it fires")
            # a test of its own in which it never fires, not the moments before it does
            self.assertTrue([name for tested, name in is_silent if tested == alert and (tested, name) not in fires],
                            f"{alert}: no test in which it stays silent")

    def test_has_a_severity_and_says_what_is_wrong_with_which_run(self):
        for name, alert in alerts().items():
            with self.subTest(name):
                self.assertIn(alert["labels"]["severity"], SEVERITIES)
                summary, description = alert["annotations"]["summary"], alert["annotations"]["description"]
                self.assertIn("{{ $labels.run }}", summary)
                self.assertLessEqual(len(summary), 90, "a summary is read on a telephone")
                self.assertGreater(len(description), len(summary) // 2)

    def test_has_a_section_in_the_runbook(self):
        sections = re.split(r"^## ", (MONITORING / "runbook.md").read_text(), flags=re.MULTILINE)[1:]
        texts = {section.split("\n", 1)[0].strip(): section for section in sections}
        self.assertEqual(set(texts), set(alerts()), "the sections of the runbook are the alerts")
        for name, alert in alerts().items():
            with self.subTest(name):
                self.assertEqual(alert["annotations"]["runbook_url"], f"monitoring/runbook.md#{name.lower()}")
                for part in ("**What it means.**", "**What to look at.**", "**What to do.**"):
                    self.assertIn(part, texts[name])


if __name__ == "__main__":
    unittest.main(verbosity=2)
