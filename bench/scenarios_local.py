# SPDX-License-Identifier: BSD-3-Clause
"""Scenarios without a cable: the engine on memory links, tables, DPDK devices, an idle relay."""
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from contenders import XDP
from scenario import Figure, LeftOut, Ratio, Result, scenario
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
    return Result(ratios, data={"nodes": points})


@scenario("cores", "throughput of three workers on mem links beside one's")
def cores(settings):
    if os.cpu_count() < 4:
        raise LeftOut("three workers beside the rest of the machine need four cores")
    program = Path(settings.build) / "bench/engine"
    trials = []
    for _ in range(settings.count(2)):
        trials += json.loads(output(program, "cores", 100_000, 3))["trials"]
    found = {"one": [t[0] for t in trials], "three": [t[1] for t in trials]}
    return Result([median_ratio("mem links, three workers / one, 100,000 nodes", found, "three",
                                "one", ">= 2.8", "datagrams/s")])


@scenario("engine", "latency and pauses of a worker on the mem link, beside a core that only spins")
def engine(settings):
    if os.cpu_count() < 3:
        raise LeftOut("worker, writer and control need a core each")
    program = Path(settings.build) / "bench/engine"
    latency = json.loads(output(program, "latency", 100_000))
    growth = json.loads(output(program, "growth", 10_000, 1_000_000))
    what = "pauses over 100 us a second"
    phases = (("steady", "table left alone"), ("growing", "growing to 1,000,000"),
              ("expiring", "losing as many"))
    stalls = []
    for phase, text in phases:
        ours, control = growth[phase], growth[f"{phase}_control"]
        stalls += [Figure(f"{what} for memory it had not touched, {text}",
                          ours["faulted_a_second"], "<= 0"),
                   Figure("on its core, without that", ours["left_a_second"]),
                   Figure("the same of a core that only spins", control["left_a_second"]),
                   Figure("while others had the core", ours["switched_a_second"]),
                   Figure("the same of a core that only spins", control["switched_a_second"]),
                   Figure(f"page faults of the worker, {text}", growth[f"{phase}_faults"])]
    return Result(figures=[
        Figure("p99.9 in the engine at 80 % load, as measured", latency["measured"]["p99_9_us"],
               "<= 20", "us"),
        Figure("the same of a server that only counts time, on the same core in turns",
               latency["even"]["p99_9_us"], "", "us"),
        Figure("what the engine adds to that server's",
               latency["measured"]["p99_9_us"] - latency["even"]["p99_9_us"], "<= 20", "us"),
        Figure("p99.9 in the engine at 80 % load, pauses over 10 us left out",
               latency["without_pauses"]["p99_9_us"], "<= 20", "us"),
        Figure("pauses over 10 us a second of the worker",
               latency["measured"]["turns"]["over_10us_a_second"]),
        Figure("the same of a core that only spins", latency["control"]["over_10us_a_second"]),
        *stalls],
        data={"engine": {"latency": latency, "growth": growth}})


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
    found = json.loads(output(FOLDER / "dpdk/compare", "--build", settings.build, "--rounds",
                              settings.count(3)))
    result = Result(data={"dpdk": found})
    for case in found["cases"]:
        pages = "huge pages" if case["hugepages"] else "no huge pages"
        rate, where = case["rate"], f"{case['device']}, {pages}"
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
