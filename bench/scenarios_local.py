# SPDX-License-Identifier: BSD-3-Clause
"""Scenarios without a cable: the engine on memory links, tables, DPDK devices, an idle relay."""
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from contenders import XDP
from scenario import Figure, LeftOut, Ratio, Result, needs_cores, scenario
from testbed import Testbed, cpu_seconds, memory_kib
from trials import spread

FOLDER = Path(__file__).resolve().parent
NODES = (1000, 10_000, 100_000, 1_000_000, 10_000_000)
IDLE_NODES, IDLE_SECONDS = 100_000, 10


def output(*command, timeout=300):
    """Last line that a program prints."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=timeout,
                          check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout.strip().splitlines()[-1]


def median_ratio(what, found, ours, theirs, goal, unit):
    low, ratio, high = spread([a / b for a, b in zip(found[ours], found[theirs])])
    return Ratio(what, statistics.median(found[ours]), statistics.median(found[theirs]), goal, unit,
                 low, high, ratio)


@scenario("nodes", "cost of a datagram on the mem link by number of nodes")
def nodes(settings):
    found = {n: [] for n in NODES}
    for _ in range(settings.count(3)):
        costs = json.loads(output(Path(settings.build) / "bench/path", *NODES))["ns_per_datagram"]
        for n in NODES:
            found[n].append(costs[str(n)])
    points = [{"nodes": n, "ns": statistics.median(found[n])} for n in NODES]
    for p in points:
        print(f"  {p['nodes']:10,} nodes: {p['ns']:6.1f} ns a datagram", flush=True)
    ratios = [median_ratio("mem link, 1,000,000 / 1,000 nodes", found, 1_000_000, 1000, "<= 1.6",
                           "ns/datagram"),
              median_ratio("mem link, 10,000,000 / 10,000 nodes", found, 10_000_000, 10_000,
                           "<= 1.8", "ns/datagram")]
    common = next(p["ns"] for p in points if p["nodes"] == 100_000)
    return Result(ratios, data={"nodes": points, "links": [
        {"name": "mem", "what": "mem, one core", "rate": 1e9 / common}]})


@scenario("cores", "throughput of several workers on mem links beside one's", cores=4)
def cores(settings):
    needs_cores(settings, 2, "workers need a core each")
    program, most = Path(settings.build) / "bench/engine", min(3, settings.cores)
    trials = []
    for _ in range(settings.count(2)):
        trials += json.loads(output(program, "cores", 100_000, most))["trials"]
    found = {i + 1: [trial[i] for trial in trials] for i in range(most)}
    ratios = [median_ratio(f"mem links, {n} workers / one, 100,000 nodes", found, n, 1,
                           ">= 2.8" if n == 3 else "", "datagrams/s") for n in range(2, most + 1)]
    return Result(ratios, data={"workers": [
        {"name": "mem", "workers": n, "rate": statistics.median(found[n])} for n in found]})


@scenario("engine", "latency and pauses of a worker on the mem link, beside a core that only spins",
          cores=2)
def engine(settings):
    needs_cores(settings, 2, "worker and writer of the table need a core each")
    program = Path(settings.build) / "bench/engine"
    latency = json.loads(output(program, "latency", 100_000))
    growth = json.loads(output(program, "growth", 10_000, 1_000_000))
    return Result(figures=latency_figures(latency) + growth_figures(growth),
                  data={"engine": {"latency": latency, "growth": growth}})


def latency_figures(found):
    """The goal is for what the engine adds; in all it is judged where the machine leaves room. Slices
    in which others had the core for long show neither."""
    goal, text = "<= 20", "p99.9 in the engine at 80 % load"
    worker, even = found["measured"], found["even"]
    pairs = list(zip(worker["p99_9_us_slices"], even["p99_9_us_slices"]))
    whole = [a - b for a, b in pairs if max(a, b) < found["limit_us"]]
    low, added, high = spread(whole or [found["limit_us"]])
    machine, calm = even["p99_9_us"] > 20, len(whole) > len(pairs) / 2
    figures = [
        Figure(f"{text}: added to a server that only counts the same time, in turns" +
               ("" if calm else f"; it was stopped too long in {len(pairs) - len(whole)} of "
                f"{len(pairs)} slices"), added, goal, "us", low, high, calm),
        Figure(f"{text}, with the machine's pauses" + ", which alone take more" * machine,
               worker["p99_9_us"], goal, "us", judged=not machine),
        Figure("the same of the server that only counts time", even["p99_9_us"], "", "us"),
        Figure(f"{text}, pauses over 10 us left out", found["without_pauses"]["p99_9_us"], goal,
               "us"),
        Figure("pauses over 10 us a second of the worker", worker["turns"]["over_10us_a_second"])]
    if "control" in found:
        figures.append(Figure("the same of a core that only spins",
                              found["control"]["over_10us_a_second"]))
    return figures


def growth_figures(found):
    figures, what = [], "pauses over 100 us a second"
    for phase, text in (("steady", "table left alone"), ("growing", "growing to 1,000,000"),
                        ("expiring", "losing as many")):
        ours, control = found[phase], found.get(f"{phase}_control")
        figures.append(Figure(f"{what} for memory it had not touched, {text}",
                              ours["faulted_a_second"], "<= 0"))
        for key, about in (("left", "on its core, without that"),
                           ("switched", "while others had the core")):
            figures.append(Figure(about, ours[f"{key}_a_second"]))
            if control:
                figures.append(Figure("the same of a core that only spins",
                                      control[f"{key}_a_second"]))
        figures.append(Figure(f"page faults of the worker, {text}", found[f"{phase}_faults"]))
    return figures


@scenario("table", "node look-ups in bulk beside a bare open-addressing table")
def table(settings):
    done = subprocess.run([Path(settings.build) / "bench/table", "1000000"], capture_output=True,
                          text=True, check=True, timeout=300)
    found = json.loads(done.stdout)
    return Result([Ratio("node table / bare table, look-up among 1,000,000", found["lookup_ns"],
                         found["bare_ns"], "<= 1.3", "ns", ratio=found["ratio"]),
                   Ratio("node table / bare table that has no collisions", found["lookup_ns"],
                         found["no_collisions_ns"], "<= 1.3", "ns",
                         ratio=found["ratio_no_collisions"])])


@scenario("stages", "instructions of a datagram by stage (make perf)")
def stages(settings):
    done = subprocess.run([sys.executable, FOLDER / "perf/gate.py", "--build", settings.build,
                           "--json"], capture_output=True, text=True, check=True, timeout=300)
    if not done.stdout.startswith("{"):
        raise LeftOut(done.stdout.strip())
    cases = json.loads(done.stdout)["cases"]
    return Result(figures=[Figure("instructions of a relayed datagram", cases["relay-v4"]["total"])],
                  data={"stages": cases})


@scenario("dpdk", "the relay on DPDK devices without a cable beside testpmd's macswap there")
def dpdk(settings):
    if not (Path(settings.build) / "bench/dpdk-relay").exists():
        raise LeftOut("the build has no dpdk links")
    if not shutil.which("dpdk-testpmd"):
        raise LeftOut("dpdk-testpmd is missing: apt install dpdk-dev")
    needs_cores(settings, 2, "testpmd forwards on one core and is asked on another")
    found = json.loads(output(FOLDER / "dpdk/compare", "--build", settings.build, "--rounds",
                              settings.count(3)))
    result = Result(data={"dpdk": found, "links": []})
    for case in found["cases"]:
        pages = "huge pages" if case["hugepages"] else "no huge pages"
        rate, where = case["rate"], f"{case['device']}, {pages}"
        result.data["links"].append({"name": "dpdk", "what": f"{case['device'].split(',')[0]}, {pages}",
                                     "rate": rate["relay_without_filling"]})
        # where nothing is copied testpmd's frames never leave the first-level cache; what only swaps
        # and reads two random lines of the table is then below or near the goal itself
        goal = "" if case["hugepages"] or case["device"] == "net_ring0" else ">= 0.45"
        result.ratios += [
            Ratio(f"relay / testpmd macswap, {where}, per CPU-second", rate["relay_without_filling"],
                  rate["macswap"], goal, "datagrams/CPU-s"),
            Ratio(f"swap and two random reads / testpmd macswap, {where}", rate["floor"],
                  rate["macswap"], "", "datagrams/CPU-s")]
        result.figures.append(Figure(
            f"relay on {where}, {found['nodes']:,} nodes",
            rate["relay_without_filling"] / 1e6, ">= 8", "million datagrams/CPU-s"))
    rounds = found["one_and_three_workers"]
    # queues of one net_ring have the driver's counters of three workers in one cache line
    if rounds:
        result.data["workers"] = [
            {"name": "dpdk", "workers": n, "rate": statistics.median(r[arm] for r in rounds)}
            for n, arm in ((1, "one"), (3, "devices"))]
    for arm, what, goal in (("devices", "three workers with a device each", ">= 2.8"),
                            ("queues", "three workers with a queue each of one device", ""),
                            ("processes", "three processes that share nothing", "")):
        if rounds:
            sides = {side: [r[side] for r in rounds] for side in ("one", arm)}
            result.ratios.append(median_ratio(f"net_ring, {what} / one, 100,000 nodes", sides, arm,
                                              "one", goal, "datagrams/CPU-s"))
    return result


@scenario("saturate", "one core of fairway-pktgen against one of the relay, net_memif between them")
def saturate(settings):
    if not (Path(settings.build) / "bench/dpdk-relay").exists():
        raise LeftOut("the build has no dpdk links")
    needs_cores(settings, 2, "relay and generator need a core each")
    found = json.loads(output(FOLDER / "dpdk/saturate", "--build", settings.build, "--rounds",
                              settings.count(5)))
    result, median = Result(data={"saturate": found}), found["median"]
    result.ratios.append(median_ratio(
        "pktgen / relay, frames a CPU-second, net_ring",
        {side: [ring[side] for ring in found["net_ring"]] for side in ("generator", "relay")},
        "generator", "relay", ">= 1", "frames/CPU-s"))
    result.figures += [
        Figure("relay under one core of pktgen: share of its core that is busy",
               100 * median["busy"], ">= 99", "%"),
        Figure("relay under one core of pktgen: relayed", median["relayed_per_second"] / 1e6, "",
               "million datagrams/s"),
        Figure("relay under one core of pktgen: frames in a turn", median["burst"], "", "of 64"),
        Figure("pktgen: frames that found the relay's ring full",
               100 * found["generator"]["refused"], "", "%")]
    return result


@scenario("idle", "CPU and memory of a relay that knows 100,000 nodes and carries nothing")
def idle(settings):
    bed = Testbed(settings.build)
    try:
        relay = XDP.start(bed)
        bed.pktgen("register", "--link", "xdp:g", "--nodes", IDLE_NODES, "--rate", 40000)
        time.sleep(2)
        before = sum(map(cpu_seconds, relay.pids))
        time.sleep(IDLE_SECONDS)
        used = (sum(map(cpu_seconds, relay.pids)) - before) / IDLE_SECONDS
        memory = sum(map(memory_kib, relay.pids)) / 1024
        relay.stop()
    finally:
        bed.close()
    return Result(figures=[
        Figure("idle, 100,000 nodes: share of a core", 100 * used, "< 1", "%"),
        Figure("idle, 100,000 nodes: memory, packet buffers included", memory, "<= 60", "MiB")])
