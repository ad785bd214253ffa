"""Writes dashboards/run.json and dashboards/fleet.json: what each panel shows is in the tables below, what Grafana needs around it is
added here.

    python3 monitoring/grafana/make_dashboards.py            writes the files
    python3 monitoring/grafana/make_dashboards.py --check    says whether they are up to date
"""
import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).parent / "dashboards"
DATA_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
RUN = 'job=~"$job", run=~"$run"'
RANK = RUN + ', rank=~"$rank"'
COLUMNS = 24


def targets(*expressions, instant=False):
    """Each (legend, PromQL); RUN and RANK stand for the selectors of the chosen runs and ranks."""
    return [{"refId": chr(ord("A") + index), "datasource": DATA_SOURCE, "legendFormat": legend, "instant": instant, "range": not instant,
             "format": "table" if instant and legend == "" else "time_series",
             "expr": expression.replace("RUN", RUN).replace("RANK", RANK)}
            for index, (legend, expression) in enumerate(expressions)]


def panel(kind, title, description, unit, *expressions, width=8, height=8, red_above=None, red_below=None, logarithmic=False, stacked=False):
    steps = [{"color": "green", "value": None}]
    if red_above is not None:
        steps.append({"color": "red", "value": red_above})
    if red_below is not None:
        steps = [{"color": "red", "value": None}, {"color": "green", "value": red_below}]
    defaults = {"unit": unit, "thresholds": {"mode": "absolute", "steps": steps}}
    options = {}
    if kind == "timeseries":
        shows_limit = red_above is not None or red_below is not None
        defaults["custom"] = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 60 if stacked else 0, "spanNulls": False,
                              "scaleDistribution": {"type": "log", "log": 10} if logarithmic else {"type": "linear"},
                              "stacking": {"mode": "normal" if stacked else "none"},
                              "thresholdsStyle": {"mode": "dashed" if shows_limit else "off"}}
        options = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
    elif kind in ("stat", "gauge"):
        options = {"reduceOptions": {"calcs": ["lastNotNull"]}}
        if unit == "percentunit":
            defaults.update(min=0, max=1)
    return {"type": kind, "title": title, "description": description, "datasource": DATA_SOURCE, "_width": width, "_height": height,
            "fieldConfig": {"defaults": defaults, "overrides": []}, "options": options,
            "targets": targets(*expressions, instant=kind == "table")}


def stat(title, description, unit, expression, **limits):
    return panel("stat", title, description, unit, ("{{run}}", expression), width=4, height=4, **limits)


def curve(title, description, unit, *expressions, **looks):
    return panel("timeseries", title, description, unit, *expressions, **looks)


FIRING = 'count(ALERTS{alertstate="firing", RUN}) or vector(0)'
STATES = [
    panel("gauge", "Progress", "Steps done, of all steps of the run.", "percentunit",
          ("{{run}}", "job_run:sdlora_step:max{RUN} / job_run:sdlora_max_steps:max{RUN}"), width=4, height=4),
    stat("Time left", "At the mean pace since the ranks were started.", "s",
         "(job_run:sdlora_max_steps:max{RUN} - job_run:sdlora_step:max{RUN}) * job_run:sdlora_step_duration_seconds:mean{RUN}"),
    stat("Alerts firing", "Alerts of these runs that fire now; monitoring/runbook.md says what to do.", "none", FIRING, red_above=1),
    stat("Ranks answering", "Ranks that answer Prometheus, of all ranks of the run.", "percentunit",
         "job_run:sdlora_ranks_up:sum{RUN} / on (job, run, run_id) max by (job, run, run_id) (sdlora_world_size{RUN})", red_below=1),
    stat("Since the last sign of life", "Of the rank that showed one last.", "s", "job_run:sdlora_progress_age_seconds:min{RUN}", red_above=120),
    stat("Attempt", "How often the run has been started.", "none", "max by (job, run, run_id) (sdlora_run_attempt{RUN})", red_above=4),
]
LEARNING = [
    curve("Loss", "Of single steps, smoothed over about 50 steps, and of the validations, which alone compare like with like.", "none",
          ("step", "job_run:sdlora_loss:max{RUN}"), ("smoothed", "job_run:sdlora_smoothed_loss:max{RUN}"),
          ("validation", "job_run:sdlora_validation_loss:max{RUN}"), width=12, logarithmic=True),
    curve("Gradient norm", "Before and after clipping. Far above its usual level for long: the training is diverging.", "none",
          ("before clipping", "job_run:sdlora_gradient_norm:max{RUN}"),
          ("after clipping", "max by (job, run, run_id) (sdlora_clipped_gradient_norm{RUN})"), width=12, logarithmic=True),
    curve("Loss by quarter of the timesteps", "Quarter 1 has the least noise. Smoothed; mean over ranks.", "none",
          ("quarter {{quarter}}", "job_run_quarter:sdlora_loss_by_timestep_quarter:avg{RUN}"), logarithmic=True),
    curve("Validation loss by quarter", "The same noise and pictures every time, by quarter of the timesteps.", "none",
          ("quarter {{quarter}}", "max by (job, run, run_id, quarter) (sdlora_validation_loss_by_timestep_quarter{RUN})"), logarithmic=True),
    curve("Learning rate", "Of the latest step.", "sci", ("{{run}}", "max by (job, run, run_id) (sdlora_learning_rate{RUN})")),
    curve("Norm of A", "By block of the UNet.", "none", ("{{block}}", 'max by (job, run, run_id, block) (sdlora_adapter_norm{RUN, matrix="A"})')),
    curve("Norm of B", "By block of the UNet. Starts at 0 and grows with what is learned.", "none",
          ("{{block}}", 'max by (job, run, run_id, block) (sdlora_adapter_norm{RUN, matrix="B"})')),
    curve("Passes over the data", "Epochs, with fraction.", "none", ("{{run}}", "max by (job, run, run_id) (sdlora_epoch{RUN})")),
]
NUMBERS = [
    curve("Steps that were not finite", "A second. Every one was skipped by all ranks; log.txt names its pictures.", "cps",
          ("{{run}}", "max by (job, run, run_id) (rate(sdlora_nonfinite_steps_total{RUN}[$__rate_interval]))"), red_above=0.000001, width=6),
    curve("Skipped and clipped steps", "Share of all steps.", "percentunit",
          ("skipped: {{reason}}", "max by (job, run, run_id, reason) (rate(sdlora_skipped_steps_total{RUN}[$__rate_interval])) / on (job, run, run_id) "
           "group_left () max by (job, run, run_id) (rate(sdlora_steps_total{RUN}[$__rate_interval]))"),
          ("clipped", "max by (job, run, run_id) (rate(sdlora_clipped_steps_total{RUN}[$__rate_interval])) / on (job, run, run_id) "
           "max by (job, run, run_id) (rate(sdlora_steps_total{RUN}[$__rate_interval]))"), width=6),
    curve("Parameters that are not finite", "Numbers of A and B. More than 0 never mends itself.", "none",
          ("rank {{rank}}", "max by (job, run, run_id, rank) (sdlora_nonfinite_parameters{RANK})"), red_above=1, width=6),
    curve("Loss scale", "Of fp16; 1 without it. It halves after an overflow and doubles after many good steps.", "none",
          ("{{run}}", "max by (job, run, run_id) (sdlora_loss_scale{RUN})"), width=6, logarithmic=True),
]
PACE = [
    curve("Samples a second", "Of all ranks: within steps, and over everything, pauses included.", "wps",
          ("within steps", "job_run:sdlora_samples_per_second:avg5m{RUN}"), ("over all", "job_run:sdlora_samples:rate5m{RUN}")),
    curve("Duration of a step", "Half, 95 % and 99 % of the steps take no longer.", "s",
          *[(f"{name}", f"histogram_quantile({quantile}, sum by (job, run, run_id, le) "
             "(rate(sdlora_step_duration_seconds_bucket{RUN}[$__rate_interval])))") for name, quantile in
            (("median", 0.5), ("95 %", 0.95), ("99 %", 0.99))]),
    curve("Phases of a step", "Seconds a step, mean over ranks, and what is done between steps, spread over them.", "s",
          ("{{phase}}", "job_run_phase:sdlora_phase_duration_seconds:mean5m{RUN}"), stacked=True),
    curve("Own work by rank", "Time of a step before the rank waits for others. One above the rest slows all.", "s",
          ("rank {{rank}}", "job_run_rank:sdlora_own_work_seconds:mean5m{RANK}")),
    curve("Reduction by rank", "Time of a step in the sum over all ranks and its waiting: the rank that slows all waits least.", "s",
          ("rank {{rank}}", 'sum by (job, run, run_id, rank) (rate(sdlora_phase_duration_seconds_sum{RANK, phase="reduce"}[$__rate_interval])) '
           "/ on (job, run, run_id, rank) (sum by (job, run, run_id, rank) (rate(sdlora_steps_total{RANK}[$__rate_interval])) > 0)")),
    curve("Since the last step", "By rank.", "s",
          ("rank {{rank}}", "time() - max by (job, run, run_id, rank) (sdlora_last_step_timestamp_seconds{RANK})")),
    curve("All-reduce, data", "Put into sums over all ranks, by rank.", "binBps",
          ("rank {{rank}}", "max by (job, run, run_id, rank) (rate(sdlora_all_reduce_bytes_total{RANK}[$__rate_interval]))"), width=12),
    curve("All-reduce, time", "Share of the time in sums over all ranks, waiting for slower ranks included.", "percentunit",
          ("rank {{rank}}", "max by (job, run, run_id, rank) (rate(sdlora_all_reduce_seconds_total{RANK}[$__rate_interval]))"), red_above=0.3,
          width=12),
]
SAFETY = [
    curve("Age of the newest checkpoint", "What a crash would cost.", "s",
          ("{{run}}", "time() - max by (job, run, run_id) (sdlora_checkpoint_last_success_timestamp_seconds{RUN})"), width=6),
    curve("Steps since the newest checkpoint", "With the interval they are written at.", "none",
          ("steps", "job_run:sdlora_checkpoint_age_steps:max{RUN}"),
          ("interval", "max by (job, run, run_id) (sdlora_checkpoint_interval_steps{RUN})"), width=6),
    curve("Duration of checkpoints", "Half and 99 % of them take no longer.", "s",
          *[(name, f"histogram_quantile({quantile}, sum by (job, run, run_id, le) (sdlora_phase_duration_seconds_bucket{{RUN, phase=\"checkpoint\"}}))")
            for name, quantile in (("median", 0.5), ("99 %", 0.99))], width=6),
    curve("Size of the newest checkpoint", "Of this attempt.", "bytes", ("{{run}}", "max by (job, run, run_id) (sdlora_checkpoint_size_bytes{RUN})"), width=3),
    curve("Failed checkpoints", "A second. The run goes on with the older ones.", "cps",
          ("{{run}}", "max by (job, run, run_id) (rate(sdlora_checkpoint_failures_total{RUN}[$__rate_interval]))"), red_above=0.000001, width=3),
    curve("Resident memory", "By rank; mapped model files, which the ranks of a host share, included.", "bytes",
          ("rank {{rank}}", "max by (job, run, run_id, rank) (sdlora_resident_memory_bytes{RANK})")),
    curve("Memory left on the hosts", "Share of what the host or container allows.", "percentunit",
          ("rank {{rank}}", "min by (job, run, run_id, rank) (sdlora_memory_available_bytes{RANK} / sdlora_memory_limit_bytes{RANK})"), red_below=0.08),
    curve("GPU memory", "What tensors occupy, and what there is; 0 on the CPU.", "bytes",
          ("rank {{rank}}", "max by (job, run, run_id, rank) (sdlora_gpu_memory_allocated_bytes{RANK})"),
          ("limit of rank {{rank}}", "max by (job, run, run_id, rank) (sdlora_gpu_memory_limit_bytes{RANK})")),
    panel("table", "Run", "Configuration and data by their hashes, and the build.", "none",
          ("", "max by (job, run, run_id, config_hash, data_hash, world_size, device, precision) (sdlora_run_info{RUN})"), width=12, height=6),
    panel("table", "Build", "Version of each rank's program.", "none",
          ("", "max by (job, run, run_id, rank, version, torch, backend) (sdlora_build_info{RANK})"), width=12, height=6),
]
FLEET = [
    stat("Runs", "Runs of which at least one rank answers.", "none", "count(job_run:sdlora_ranks_up:sum{RUN} > 0) or vector(0)"),
    stat("Ranks answering", "Over all runs.", "none", "sum(job_run:sdlora_ranks_up:sum{RUN})"),
    stat("Ranks missing", "Listed by their run, but not answering.", "none", "count(up{RUN} == 0) or vector(0)", red_above=1),
    stat("Alerts firing", "Over all runs; monitoring/runbook.md says what to do.", "none", FIRING, red_above=1),
    stat("Samples a second", "Sum over all runs.", "wps", "sum(job_run:sdlora_samples:rate5m{RUN})"),
    stat("Slowest sign of life", "Longest time since a run showed one.", "s", "max(job_run:sdlora_progress_age_seconds:min{RUN})", red_above=120),
    curve("Progress", "Steps done, of all steps of each run.", "percentunit",
          ("{{run}}", "job_run:sdlora_step:max{RUN} / job_run:sdlora_max_steps:max{RUN}")),
    curve("Smoothed loss", "Runs on other data or other timesteps do not compare.", "none",
          ("{{run}}", "job_run:sdlora_smoothed_loss:max{RUN}"), logarithmic=True),
    curve("Validation loss", "Compares runs on the same held-out pictures.", "none",
          ("{{run}}", "job_run:sdlora_validation_loss:max{RUN}"), logarithmic=True),
    curve("Samples a second", "By run, within steps.", "wps", ("{{run}}", "job_run:sdlora_samples_per_second:avg5m{RUN}")),
    curve("Steps that were not finite", "A second.", "cps",
          ("{{run}}", "max by (job, run, run_id) (rate(sdlora_nonfinite_steps_total{RUN}[$__rate_interval]))"), red_above=0.000001),
    curve("Ranks answering", "Of all ranks of the run.", "percentunit",
          ("{{run}}", "job_run:sdlora_ranks_up:sum{RUN} / on (job, run, run_id) max by (job, run, run_id) (sdlora_world_size{RUN})"), red_below=1),
    curve("Since the last sign of life", "A run that stands still climbs.", "s",
          ("{{run}}", "job_run:sdlora_progress_age_seconds:min{RUN}"), red_above=120),
    curve("Steps since the newest checkpoint", "What a crash would cost.", "none", ("{{run}}", "job_run:sdlora_checkpoint_age_steps:max{RUN}")),
    curve("Attempts", "Restarts show as steps.", "none", ("{{run}}", "max by (job, run, run_id) (sdlora_run_attempt{RUN})")),
    curve("Memory left on the hosts", "The least of each run's ranks.", "percentunit",
          ("{{run}}", "min by (job, run, run_id) (sdlora_memory_available_bytes{RUN} / sdlora_memory_limit_bytes{RUN})"), red_below=0.08),
    curve("Gradient norm", "Before clipping.", "none", ("{{run}}", "job_run:sdlora_gradient_norm:max{RUN}"), logarithmic=True),
    curve("Caching of pictures", "Pictures a second by cache_latents.", "cps",
          ("{{run}}: {{result}}", "sum by (job, run, run_id, result) (rate(sdlora_cache_images_done_total{RUN}[$__rate_interval]))")),
]


def variables(with_rank):
    found = [("job", "Job", "label_values(sdlora_build_info, job)", True),
             ("run", "Run", 'label_values(sdlora_build_info{job=~"$job"}, run)', True)]
    if with_rank:
        found.append(("rank", "Rank", 'label_values(sdlora_build_info{job=~"$job", run=~"$run"}, rank)', True))
    query = [{"name": name, "label": label, "type": "query", "datasource": DATA_SOURCE, "query": query, "refresh": 2, "multi": True,
              "includeAll": include_all, "allValue": ".+", "sort": 3, "current": {"text": "All", "value": "$__all"}}
             for name, label, query, include_all in found]
    return [{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "current": {}}, *query]


def annotation(name, color, metric):
    """A mark at the moment that the metric, a Unix time, tells."""
    return {"name": name, "enable": True, "iconColor": color, "datasource": DATA_SOURCE, "titleFormat": name + ", {{run}}",
            "useValueForTime": True, "step": "15s", "expr": f"max by (run) ({metric}{{{RUN}}}) * 1000"}


def lay_out(rows):
    """Fills each row from left to right; `rows`: [(title or None, panels)]."""
    placed, top = [], 0
    for title, panels in rows:
        if title:
            placed.append({"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1}})
            top += 1
        left = height = 0
        for item in panels:
            item = dict(item)
            width, item_height = item.pop("_width"), item.pop("_height")
            if left + width > COLUMNS:
                top, left, height = top + height, 0, 0
            placed.append({**item, "gridPos": {"x": left, "y": top, "w": width, "h": item_height}})
            left, height = left + width, max(height, item_height)
        top += height
    return [{"id": index + 1, **item} for index, item in enumerate(placed)]


def dashboard(uid, title, description, rows, with_rank):
    return {"uid": uid, "title": title, "description": description, "tags": ["sdlora"], "schemaVersion": 39, "version": 1, "editable": False,
            "graphTooltip": 1, "refresh": "10s", "time": {"from": "now-1h", "to": "now"}, "timezone": "browser",
            "templating": {"list": variables(with_rank)},
            "annotations": {"list": [annotation("Start", "orange", "sdlora_start_timestamp_seconds"),
                                     annotation("Checkpoint", "blue", "sdlora_checkpoint_last_success_timestamp_seconds")]},
            "panels": lay_out(rows)}


DASHBOARDS = {
    "run.json": dashboard("sdlora-run", "sdlora: run", "One training run, or a few beside each other.",
                          [(None, STATES), ("Learning", LEARNING), ("NaN and clipping", NUMBERS), ("Pace and ranks", PACE),
                           ("Checkpoints, memory, build", SAFETY)], with_rank=True),
    "fleet.json": dashboard("sdlora-fleet", "sdlora: fleet", "All training runs at a glance.", [(None, FLEET)], with_rank=False),
}


def main():
    stale = []
    for name, content in DASHBOARDS.items():
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        file = FOLDER / name
        if "--check" in sys.argv:
            if not file.is_file() or file.read_text() != text:
                stale.append(name)
        else:
            FOLDER.mkdir(exist_ok=True)
            file.write_text(text)
    if stale:
        sys.exit(f"out of date: {', '.join(stale)}; run python3 monitoring/grafana/make_dashboards.py")


if __name__ == "__main__":
    main()
