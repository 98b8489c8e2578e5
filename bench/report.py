# SPDX-License-Identifier: BSD-3-Clause
"""Ratios as a table, plots as PNG."""
import json
import platform


def find(points, name, size, train):
    return next((p for p in points if (p["name"], p["size"], p["train"]) == (name, size, train)),
                None)


def ratio_rows(results):
    """(what, left, right, ratio, goal): both sides of every ratio."""
    points, rows = results.get("throughput", []), []
    for size in sorted({p["size"] for p in points}):
        for name, train, goal in (("xdp", 1, ">= 2"), ("sock", 1, ">= 0.95"), ("sock", 16, ">= 2")):
            ours, base = find(points, name, size, train), find(points, "baseline", size, train)
            if ours and base:
                rows.append((f"{name} / baseline, {size} bytes, trains of {train}, per CPU-second",
                             ours["per_cpu_second"], base["per_cpu_second"], goal))
        ours, swap = find(points, "xdp", size, 1), find(points, "xdp-swap", size, 1)
        if ours and swap:
            rows.append((f"xdp / xdp-swap, {size} bytes, datagrams a second", ours["rate"],
                         swap["rate"], ">= 0.9"))
    nodes = results.get("nodes", {}).get("points", [])
    if nodes:
        rows.append((f"ns a datagram at {nodes[-1]['nodes']} / {nodes[0]['nodes']} nodes",
                     nodes[-1]["ns"], nodes[0]["ns"], "<= 1.6"))
    if results.get("dpdk"):
        dpdk = results["dpdk"]
        pages = "huge pages" if dpdk["hugepages"] else "no huge pages"
        rows.append((f"relay / testpmd macswap, {dpdk['device']}, {pages}, per CPU-second",
                     dpdk["without_filling"]["rate"], dpdk["rate"]["macswap"], ">= 0.45"))
    return rows


def table(results):
    lines = [f"{'what':62} {'ours':>12} {'theirs':>12} {'ratio':>7}  goal"]
    for what, ours, theirs, goal in ratio_rows(results):
        lines.append(f"{what:62} {ours:12.1f} {theirs:12.1f} {ours / max(theirs, 1e-9):7.2f}  {goal}")
    if "latency" in results:
        for name, values in results["latency"].items():
            lines.append(f"latency at 30,000/s, us: {name:10} p50 {values['p50']:8.1f}  "
                         f"p99.9 {values['p99_9']:8.1f}")
    if "idle" in results:
        idle = results["idle"]
        lines.append(f"idle with 100,000 nodes: {idle['cpu_share']:.2%} of a core (goal < 1 %), "
                     f"{idle['memory_mb']:.1f} MB with packet buffers (goal <= 60 without)")
    return "\n".join(lines)


def plots(out, results):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    made = []

    def save(name, title, ylabel):
        pyplot.title(title)
        pyplot.ylabel(ylabel)
        pyplot.tight_layout()
        pyplot.savefig(out / name, dpi=110)
        pyplot.close()
        made.append(name)

    points = results.get("throughput", [])
    for train in sorted({p["train"] for p in points}):
        chosen = [p for p in points if p["train"] == train]
        labels = [f"{p['name']}\n{p['size']} B" for p in chosen]
        for key, title in (("rate", "Highest rate, loss <= 0.1 %"),
                           ("per_cpu_second", "Relay's side, per CPU-second")):
            pyplot.figure(figsize=(8, 4))
            pyplot.bar(labels, [p[key] / 1000 for p in chosen])
            save(f"{key}-train{train}.png", f"{title}, trains of {train}", "thousand datagrams")
    if "latency" in results:
        pyplot.figure(figsize=(6, 4))
        for name, values in results["latency"].items():
            shares = ["p50", "p90", "p99", "p99_9"]
            pyplot.plot(shares, [values[s] for s in shares], marker="o", label=name)
        pyplot.yscale("log")
        pyplot.legend()
        save("latency.png", "Latency at 30,000 datagrams a second", "microseconds")
    nodes = results.get("nodes", {}).get("points", [])
    if nodes:
        pyplot.figure(figsize=(6, 4))
        pyplot.semilogx([p["nodes"] for p in nodes], [p["ns"] for p in nodes], marker="o")
        pyplot.ylim(bottom=0)
        pyplot.xlabel("nodes")
        save("nodes.png", "Cost on the mem link", "ns a datagram")
    return made


def write(out, results):
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(json.dumps(results, indent=2), encoding="ascii")
    images = plots(out, results)
    text = [f"# Fairway bench, {platform.node()}, Linux {platform.release()}", "", "```",
            table(results), "```", ""]
    text += [f"![{name}]({name})" for name in images]
    (out / "report.md").write_text("\n".join(text) + "\n", encoding="ascii")
