"""Draws the dashboards' panels from a Prometheus into one static page, for places without Grafana.

    python3 monitoring/grafana/render.py --prometheus http://127.0.0.1:9490 --output dashboards.html
    python3 monitoring/grafana/render.py … --run cats --rank 0 --minutes 30
    python3 monitoring/grafana/render.py … --end 2026-11-24T17:56        as it was then, for a run that has ended

The page needs no network. Prints the panels whose queries found nothing; exit code 1 if Prometheus does not answer.
"""
import argparse
import datetime
import html
import json
import math
import pathlib
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

FOLDER = pathlib.Path(__file__).parent / "dashboards"
COLORS = ("#2f6db3", "#d9822b", "#3d8b40", "#b5423c", "#7a57a8", "#7f6a55", "#c45d99", "#6f7378", "#9a9a22", "#2a9aa8")
RED, GREEN = "#b5423c", "#2e7d32"
COLUMN_WIDTH, ROW_HEIGHT = 56, 34  # pixels of Grafana's grid of 24 columns
LEFT, BOTTOM, TOP = 58, 18, 12     # margins of a plot
GAP = 8                            # between panels
NUMBER_HEIGHT = 76                 # of a panel with a single number
STYLE = """body{font:13px system-ui,sans-serif;margin:24px;background:#f4f5f6;color:#222}h1{font-size:20px}h2{font-size:15px;margin:18px 0 6px}
.grid{display:flex;flex-wrap:wrap;gap:8px;width:1336px}.panel{background:#fff;border:1px solid #d8dadd;border-radius:4px;padding:6px 8px;box-sizing:border-box}
.panel b{display:block}.big{font-size:26px;margin-top:6px}.small{color:#666;font-size:11px}table{border-collapse:collapse;font-size:12px}
td,th{padding:2px 8px;text-align:left;border-bottom:1px solid #eee}.legend span{margin-right:10px;white-space:nowrap}svg{display:block}"""


class Prometheus:
    """Answers the dashboards' queries for the chosen runs and ranks."""

    def __init__(self, address, run, rank, minutes, end):
        self.address, self.end, self.seconds = address.rstrip("/"), end, minutes * 60
        self.step = max(1, self.seconds / 240)
        self.values = {"job": ".+", "run": run, "rank": rank, "__rate_interval": f"{max(20, int(4 * self.step))}s"}

    def ask(self, path, **parameters):
        data = urllib.parse.urlencode(parameters).encode()
        with urllib.request.urlopen(f"{self.address}/api/v1/{path}", data, timeout=30) as reply:
            return json.load(reply)["data"]["result"]

    def expand(self, expression):
        for name, value in self.values.items():
            expression = expression.replace("$" + name, value)
        return expression

    def now(self, expression):
        """[(labels, value)]"""
        found = self.ask("query", query=self.expand(expression), time=self.end)
        return [(series["metric"], float(series["value"][1])) for series in found]

    def history(self, expression):
        """[(labels, [(time, value)])], finite values only."""
        found = self.ask("query_range", query=self.expand(expression), start=self.end - self.seconds, end=self.end, step=self.step)
        return [(series["metric"], [(moment, float(text)) for moment, text in series["values"] if math.isfinite(float(text))])
                for series in found]


def number(value, unit):
    """As a person reads it: 1.5 MiB, 2 min, 12 %."""
    if not math.isfinite(value):
        return "none yet"
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    if unit in ("bytes", "binBps"):
        power = min(4, int(math.log(value, 1024))) if value >= 1 else 0
        return f"{value / 1024 ** power:.3g} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[power]}" + ("/s" if unit == "binBps" else "")
    if unit == "s":
        for name, seconds in (("d", 86400), ("h", 3600), ("min", 60)):
            if abs(value) >= 2 * seconds:
                return f"{value / seconds:.3g} {name}"
        return f"{value:.3g} s"
    return (f"{value:.1e}" if value and abs(value) < 1e-3 else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}") + ("/s" if unit in ("cps", "wps") else "")


def name_of(legend, labels):
    for label, value in labels.items():
        legend = legend.replace("{{" + label + "}}", value)
    return legend


def limits(panel):
    """(value, is it red below?) of the panel's threshold, or None."""
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    return (steps[1]["value"], steps[0]["color"] == "red") if len(steps) > 1 else None


def stacked(curves):
    """Each curve on top of those before it."""
    sums, result = {}, []
    for name, line in curves:
        sums.update({moment: sums.get(moment, 0) + value for moment, value in line})
        result.append((name, [(moment, sums[moment]) for moment, _ in line]))
    return result


def plot(panel, curves, width, height, start, end):
    """SVG of [(name, points)]."""
    defaults = panel["fieldConfig"]["defaults"]
    is_stacked = defaults["custom"]["stacking"]["mode"] == "normal"
    if is_stacked:
        curves = stacked(curves)
    points = [point for _, line in curves for point in line]
    logarithmic = defaults["custom"]["scaleDistribution"]["type"] == "log" and all(value > 0 for _, value in points)
    place = math.log10 if logarithmic else float
    low, high = min(place(value) for _, value in points), max(place(value) for _, value in points)
    if not logarithmic and (is_stacked or 0 < low < 0.5 * high):
        low = 0.0
    if high - low <= 1e-9 * max(abs(high), abs(low)):
        low, high = low - abs(low) * 0.1, high + (abs(high) * 0.1 or 1)

    def x(moment):
        return LEFT + (moment - start) / (end - start) * (width - LEFT - 4)

    def y(value):
        return TOP + (high - place(value)) / (high - low) * (height - TOP - BOTTOM)

    parts = [f'<svg width="{width}" height="{height}" font-size="10" fill="#666">']
    for share in (0, 0.5, 1):
        level = low + share * (high - low)
        value = 10 ** level if logarithmic else level
        parts.append(f'<line x1="{LEFT}" x2="{width - 4}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#e4e6e8"/>'
                     f'<text x="{LEFT - 4}" y="{y(value) + 3:.1f}" text-anchor="end">{number(value, defaults["unit"])}</text>')
    for share, anchor in ((0, "start"), (1, "end")) if width > 300 else ((1, "end"),):
        moment = start + share * (end - start)
        parts.append(f'<text x="{x(moment):.0f}" y="{height - 4}" text-anchor="{anchor}">{time.strftime("%H:%M:%S", time.localtime(moment))}</text>')
    limit = limits(panel)
    if limit and (not logarithmic or limit[0] > 0) and low + 0.02 * (high - low) < place(limit[0]) <= high:
        parts.append(f'<line x1="{LEFT}" x2="{width - 4}" y1="{y(limit[0]):.1f}" y2="{y(limit[0]):.1f}" stroke="{RED}" stroke-dasharray="4 3"/>')
    for index, (_, line) in reversed(list(enumerate(curves))):  # of stacked ones the lowest is in front
        path = " ".join(f"{x(moment):.1f},{y(value):.1f}" for moment, value in line)
        color = COLORS[index % len(COLORS)]
        if is_stacked:
            path += f" {x(line[-1][0]):.1f},{y(low):.1f} {x(line[0][0]):.1f},{y(low):.1f}"
        parts.append(f'<polyline points="{path}" fill="{color if is_stacked else "none"}" stroke="{color}" stroke-width="1.3"/>')
    return "".join(parts) + "</svg>"


def draw_curves(panel, prometheus, width, height):
    curves = [(name_of(target["legendFormat"], labels), points) for target in panel["targets"]
              for labels, points in prometheus.history(target["expr"]) if points]
    if not curves:
        return None
    legend = "".join(f'<span style="color:{COLORS[index % len(COLORS)]}">— {html.escape(name)}</span>' for index, (name, _) in enumerate(curves))
    return plot(panel, curves, width - 18, height - 56, prometheus.end - prometheus.seconds, prometheus.end) + f'<div class="legend small">{legend}</div>'


def draw_numbers(panel, prometheus, width, height):
    del width, height
    found = prometheus.now(panel["targets"][0]["expr"])
    limit, unit, parts = limits(panel), panel["fieldConfig"]["defaults"]["unit"], []
    for labels, value in found:
        is_bad = limit and (value < limit[0] if limit[1] else value >= limit[0])
        caption = name_of(panel["targets"][0]["legendFormat"], labels)
        parts.append(f'<div class="big" style="color:{RED if is_bad else GREEN}">{number(value, unit)}</div>'
                     f'<span class="small">{html.escape(caption if "{{" not in caption else "")}</span>')
    return "".join(parts) or None


def draw_table(panel, prometheus, width, height):
    del width, height
    rows = [labels for labels, _ in prometheus.now(panel["targets"][0]["expr"])]
    if not rows:
        return None
    columns = sorted({label for row in rows for label in row})
    lines = ["".join(f"<td>{html.escape(row.get(column, ''))}</td>" for column in columns) for row in rows]
    return f"<table><tr>{''.join(f'<th>{column}</th>' for column in columns)}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


DRAW = {"timeseries": draw_curves, "stat": draw_numbers, "gauge": draw_numbers, "table": draw_table}


def page(dashboards, prometheus, empty):
    parts = [f"<!doctype html><meta charset='utf-8'><title>sdlora</title><style>{STYLE}</style>"]
    for dashboard in dashboards:
        parts.append(f"<h1>{html.escape(dashboard['title'])}</h1><p>{html.escape(dashboard['description'])}</p><div class='grid'>")
        for panel in dashboard["panels"]:
            if panel["type"] == "row":
                parts.append(f"</div><h2>{html.escape(panel['title'])}</h2><div class='grid'>")
                continue
            width, height = panel["gridPos"]["w"] * COLUMN_WIDTH, panel["gridPos"]["h"] * ROW_HEIGHT
            if panel["type"] in ("stat", "gauge"):
                height = NUMBER_HEIGHT
            width -= GAP
            body = DRAW[panel["type"]](panel, prometheus, width, height)
            if body is None:
                empty.append(f"{dashboard['title']}, {panel['title']}")
                body = '<div class="small">no data</div>'
            parts.append(f'<div class="panel" style="width:{width}px;min-height:{height}px" title="{html.escape(panel["description"])}">'
                         f'<b>{html.escape(panel["title"])}</b>{body}</div>')
        parts.append("</div>")
    return "\n".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--prometheus", default="http://127.0.0.1:9490")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("dashboards.html"))
    parser.add_argument("--run", default=".+", help="regular expression on the names of runs")
    parser.add_argument("--rank", default=".+", help="regular expression on ranks")
    parser.add_argument("--minutes", type=float, default=60, help="how far to look back")
    parser.add_argument("--end", type=datetime.datetime.fromisoformat, help="the moment to look at, local time; default: now")
    parser.add_argument("--dashboard", choices=("run", "fleet"), nargs="+", default=["run", "fleet"])
    arguments = parser.parse_args()
    end = arguments.end.timestamp() if arguments.end else time.time()
    prometheus, empty = Prometheus(arguments.prometheus, arguments.run, arguments.rank, arguments.minutes, end), []
    try:
        text = page([json.loads((FOLDER / f"{name}.json").read_text()) for name in arguments.dashboard], prometheus, empty)
    except urllib.error.HTTPError as error:
        sys.exit(f"{arguments.prometheus} refuses a query: {error.read().decode(errors='replace')}")
    except OSError as error:
        sys.exit(f"no answer from Prometheus at {arguments.prometheus}: {error}; start it with bash monitoring/watch.sh FOLDER")
    arguments.output.write_text(text)
    print(f"wrote {arguments.output}")
    for name in empty:
        print(f"no data: {name}")


if __name__ == "__main__":
    main()
