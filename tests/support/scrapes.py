"""Looks at a run as Prometheus does: its targets, and what an endpoint serves."""
import dataclasses
import json
import re
import urllib.request

SAMPLE = re.compile(r'^(?P<name>[a-zA-Z_:][\w:]*)(\{(?P<labels>.*)\})? (?P<value>\S+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
HISTOGRAM_SERIES = re.compile(r"_(sum|count|bucket)$")


@dataclasses.dataclass
class Metric:
    type: str
    help: str
    samples: list  # (series name, labels, value)

    def label_names(self):
        return {name for _, labels, _ in self.samples for name in labels} - {"le"}

    def value(self, **labels):
        """Of the one series with these labels; of a histogram, its count."""
        found = [value for name, its_labels, value in self.samples if its_labels == labels and not name.endswith(("_sum", "_bucket"))]
        assert len(found) == 1, (labels, self.samples)
        return found[0]


def targets_of(run):
    """[address] by rank; empty without a file."""
    file = run / "metrics_targets.json"
    try:
        groups = json.loads(file.read_text())
    except FileNotFoundError:
        return []
    return [group["targets"][0] for group in sorted(groups, key=lambda group: int(group["labels"]["rank"]))]


def text_at(address):
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        return answer.read().decode()


def parsed(text):
    """{name: Metric} of our metrics, in the text format of Prometheus."""
    metrics = {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, name, help_text = line.split(" ", 3)
            metrics[name] = Metric("", help_text, [])
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ", 3)
            metrics[name].type = kind
        elif line:
            sample = SAMPLE.match(line)
            name = sample["name"] if sample["name"] in metrics else HISTOGRAM_SERIES.sub("", sample["name"])
            metrics[name].samples.append((sample["name"], dict(LABEL.findall(sample["labels"] or "")), float(sample["value"])))
    return {name: metric for name, metric in metrics.items() if name.startswith("sdlora_")}
