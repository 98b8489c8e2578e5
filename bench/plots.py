# SPDX-License-Identifier: BSD-3-Clause
"""The plots of the report, from the data that scenarios leave."""
import dataclasses
import io
from collections.abc import Callable

COLOURS = {"baseline": "#8a94a3", "swap": "#c0a062", "sock": "#2f7fd1", "xdp": "#d1542f",
           "kernel": "#3a9b5c", "dpdk": "#7b4fb5", "mem": "#444444"}
PLOTS = []


@dataclasses.dataclass
class Plot:
    title: str
    caption: str
    png: bytes


@dataclasses.dataclass(frozen=True)
class Kind:
    data: str  # key of a scenario's data
    title: str
    caption: str
    fill: Callable  # (axes, all the data under that key)


def plot(data, title, caption):
    """Makes the function below it a plot of the report."""
    def register(function):
        PLOTS.append(Kind(data, title, caption, function))
        return function
    return register


def gather(results, key):
    """What all scenarios have under a key: lists are joined."""
    found = [s["data"][key] for s in results["scenarios"].values() if key in s.get("data", {})]
    return sum(found, []) if found and isinstance(found[0], list) else found


def draw(results):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    pyplot.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False,
                            "axes.grid": True, "grid.color": "#e5e8ec", "axes.axisbelow": True})
    made = []
    for kind in PLOTS:
        data = gather(results, kind.data)
        if not data:
            continue
        figure, axes = pyplot.subplots(figsize=(6.4, 3.9))
        kind.fill(axes, data)
        axes.set_title(kind.title, loc="left", fontsize=11, fontweight="bold")
        figure.tight_layout()
        buffer = io.BytesIO()
        figure.savefig(buffer, dpi=150)
        pyplot.close(figure)
        made.append(Plot(kind.title, kind.caption, buffer.getvalue()))
    return made


def colour(name):
    return COLOURS.get(name, "#000000")


def names(points):
    return [n for n in COLOURS if any(p["name"] == n for p in points)]


def by_size(axes, points, key, unit):
    for name in names(points):
        mine = sorted((p["size"], p[key] / unit) for p in points if p["name"] == name)
        axes.plot(*zip(*mine), marker="o", color=colour(name), label=name)
    axes.set_xlabel("bytes of a frame")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)


@plot("sizes", "Rate by size", "Highest rate that most 10 ms windows carried with at most 0.1 % loss; "
      "100,000 nodes, single datagrams.")
def rate_by_size(axes, points):
    by_size(axes, points, "rate", 1e6)
    axes.set_ylabel("million datagrams/s")


@plot("sizes", "Cost by size", "What one CPU-second of the relay's side relays near that rate. Higher is "
      "cheaper.")
def cost_by_size(axes, points):
    by_size(axes, points, "per_cpu_second", 1e3)
    axes.set_ylabel("thousand datagrams/CPU-s")


@plot("rates", "Cost by link kind", "64-byte frames. Trains: 16 consecutive datagrams of a flow, which sock takes "
      "and hands on as one.")
def by_link(axes, points):
    small = [p for p in points if p["size"] == 64]
    labels = [p["name"] + ("" if p["train"] == 1 else f"\ntrains of {p['train']}") for p in small]
    bars = axes.bar(range(len(small)), [p["per_cpu_second"] / 1e3 for p in small],
                    color=[colour(p["name"]) for p in small], width=0.6)
    axes.bar_label(bars, fmt="%.0f", fontsize=8)
    axes.set_xticks(range(len(small)), labels, fontsize=8)
    axes.set_ylabel("thousand datagrams/CPU-s")


def latency(axes, points, key):
    for name in names(points):
        mine = sorted((p for p in points if p["name"] == name), key=lambda p: p["load"])
        loads = [100 * p["load"] for p in mine]
        axes.plot(loads, [p["ours"][key] for p in mine], marker="o", color=colour(name), label=name)
        axes.plot(loads, [p["path"][key] for p in mine], ls=":", color=colour(name), lw=1.2,
                  label=f"{name}'s rates,\nno relay")
    axes.set_xlabel("load, % of each one's best rate")
    axes.set_ylabel("microseconds")
    axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))


@plot("latency", "Latency by load, median", "Through the relay, and through the same path with a program that "
      "only swaps addresses, at the same rate. 64 bytes.")
def latency_p50(axes, points):
    latency(axes, points, "p50")


@plot("latency", "Latency by load, p99.9", "As before. Medians over short trials: pauses of the machine reach "
      "into few of them.")
def latency_p999(axes, points):
    latency(axes, points, "p99_9")


@plot("nodes", "Cost by number of nodes", "The whole engine on memory links, random senders and "
      "destinations.")
def by_nodes(axes, points):
    axes.semilogx([p["nodes"] for p in points], [p["ns"] for p in points], marker="o",
                  color=colour("mem"))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("nodes")
    axes.set_ylabel("ns a datagram")


@plot("links", "Throughput by link kind", "64-byte frames, 100,000 nodes: the highest rate carried over a cable "
      "(veth). Without one, a core's: dpdk devices with a million nodes, mem. Logarithmic.")
def rate_by_link(axes, points):
    points = sorted(points, key=lambda p: p["rate"])
    bars = axes.barh([p["what"] for p in points], [p["rate"] / 1e6 for p in points],
                     color=[colour(p["name"]) for p in points], height=0.7)
    axes.bar_label(bars, fmt="%.2f", fontsize=8, padding=2)
    axes.set_xscale("log")
    axes.margins(x=0.12)
    axes.set_xlabel("million datagrams/s")


@plot("workers", "Throughput by workers", "mem: a link each; dpdk: a net_ring device each. Dashed: proportional "
      "to the workers.")
def by_workers(axes, points):
    for name in sorted({p["name"] for p in points}):
        mine = sorted((p["workers"], p["rate"] / 1e6) for p in points if p["name"] == name)
        axes.plot(*zip(*mine), marker="o", color=colour(name), label=name)
        axes.plot([w for w, _ in mine], [w * mine[0][1] for w, _ in mine], ls="--", lw=1,
                  color=colour(name))
    axes.set_xticks(sorted({p["workers"] for p in points}))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("workers")
    axes.set_ylabel("million datagrams/s")
    axes.legend(frameon=False)


@plot("stages", "Cost by stage", "Instructions of a datagram, counted by callgrind (make perf); each row is a "
      "kind of datagram.")
def by_stage(axes, cases):
    cases = cases[0]
    stages = list(dict.fromkeys(s for c in cases.values() for s in c["stages"]))
    rows, left = list(cases)[::-1], [0.0] * len(cases)
    from matplotlib import colormaps
    for i, stage in enumerate(stages):
        width = [cases[row]["stages"].get(stage, 0) for row in rows]
        axes.barh(rows, width, left=left, label=stage, color=colormaps["tab20"](i), height=0.7)
        left = [a + b for a, b in zip(left, width)]
    axes.set_xlabel("instructions a datagram")
    axes.legend(frameon=False, fontsize=7, ncols=1, loc="center left", bbox_to_anchor=(1, 0.5))
