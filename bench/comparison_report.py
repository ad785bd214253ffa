"""The table and the plot of bench/compare.py."""
import statistics


def best_peer_seconds(rows, precision):
    return min((statistics.median(row.step_seconds) for row in rows if not row.is_ours and row.precision == precision), default=None)


def table(rows, operations_per_step, peak_gflops):
    script = next((statistics.median(row.step_seconds) for row in rows if row.peer_options == []), None)
    lines = ["| row | s/step, median | least … most | × the script in fp32 | × the best peer of its precision | of the peak | peak memory | start to first step, s |",
             "|---|---|---|---|---|---|---|---|"]
    for row in rows:
        median, best = statistics.median(row.step_seconds), best_peer_seconds(rows, row.precision)
        times = [f"{reference / median:.2f}" if reference else "" for reference in (script, best)]
        lines.append(f"| {row.title} | {median:.4g} | {min(row.step_seconds):.4g} … {max(row.step_seconds):.4g} | {times[0]} | {times[1]} | "
                     f"{operations_per_step / median / peak_gflops / 1e7:.0f} % | {row.peak_bytes / 2**30:.1f} GiB | {statistics.median(row.start_seconds):.1f} |")
    return "\n".join(lines)


def plot(rows, path):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 0.7 * len(rows) + 1.2))
    for place, row in enumerate(reversed(rows)):
        median = statistics.median(row.step_seconds)
        axes.barh(place, median, color="#2b6cb0" if row.is_ours else "#a0aec0", height=0.6)
        axes.plot(row.step_seconds, [place] * len(row.step_seconds), "k|", markersize=9)
        axes.text(median, place + 0.34, f"{median:.4g} s", ha="right", va="bottom", fontsize=8)
    axes.set_yticks(range(len(rows)), [row.title for row in reversed(rows)])
    axes.set_xlabel("seconds a step: median (bar), each step (marks)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=130)


def write(directory, name, rows, operations_per_step, peak_gflops, facts):
    directory.mkdir(parents=True, exist_ok=True)
    text = f"# {name}\n\n" + "\n".join(f"- {key}: {value}" for key, value in facts.items())
    versions = [", ".join(f"{package} {version}" for package, version in row.versions.items()) for row in rows if row.versions]
    if versions:
        text += f"\n- the peers ran on: {'; '.join(dict.fromkeys(versions))}"
    text += (f"\n- operations of a step, counted by PyTorch: {operations_per_step * 1e-9:.1f} GFLOP\n\n"
             f"{table(rows, operations_per_step, peak_gflops)}\n\n![seconds a step]({name}.png)\n")
    (directory / f"{name}.md").write_text(text)
    plot(rows, directory / f"{name}.png")
    print(text)
