# SPDX-License-Identifier: BSD-3-Clause
"""Scenarios on a cable between two namespaces: rate, cost, latency of whole relays."""
import dataclasses
import statistics

from contenders import BASELINE, KERNEL, SOCK, SWAP, XDP
from scenario import Ratio, Result, scenario
from trials import ACCEPTED_LOSS, Load, at_rates, carried_pairs, climb, field, paired

CLIMB_ROUNDS, COST_ROUNDS, FULL_ROUNDS, LATENCY_ROUNDS = 16, 12, 40, 9
SIZE_ROUNDS, SIZES = 12, (64, 256, 512, 896, 1200)
FULL_SECONDS = 0.15
NEARLY = 0.95        # of the best rate: where the cost is measured
TOO_MUCH = 1.5       # of the best rate: where a program has always something to do
LOADS = (0.1, 0.3, 0.5, 0.7, 0.9)
PER_CPU, RATE = "datagrams/CPU-s", "datagrams/s"


def costs(runners, pairs, best, rounds):
    """{pair: comparison} of datagrams per CPU-second. A pair is (ours, theirs, rate of both or
    None: each nearly at its best)."""
    found = {}
    for ours, theirs, rate in pairs:
        if ours not in runners or theirs not in runners:
            continue
        rates = {n: rate or NEARLY * best[n] for n in (ours, theirs)}
        trials = at_rates(runners, rates, rounds)
        found[ours, theirs] = paired(*carried_pairs(trials[ours], trials[theirs]),
                                     lambda t: t.per_cpu_second)
        found[ours, theirs]["trials"] = trials
    return found


def cost_ratio(text, found, goal):
    return Ratio(f"{text}, per CPU-second", found["ours"], found["theirs"], goal, PER_CPU,
                 found["low"], found["high"], found["ratio"])


def best_point(load, name, rate, trials):
    """What the report plots of a program at its best rate."""
    late = [t for t in trials[len(trials) // 2:] if t.carried] or trials[-1:]
    return {"name": name, **dataclasses.asdict(load), "rate": rate,
            "per_cpu_second": statistics.median(t.per_cpu_second for t in late),
            "loss": statistics.median(t.loss for t in late),
            "wrong": sum(t.wrong for t in trials), "reordered": sum(t.reordered for t in trials)}


def shown(point):
    """The point, after telling it to the user."""
    print(f"  {point['name']:9} {point['size']:5} bytes, trains of {point['train']:2}: "
          f"{point['rate']:10,.0f} /s, {point['per_cpu_second']:10,.0f} per CPU-second", flush=True)
    if point["wrong"]:
        raise RuntimeError(f"{point['name']} altered, misrouted or doubled {point['wrong']} frames")
    return point


def best_points(load, best, trials):
    return [shown(best_point(load, name, best[name], trials[name])) for name in best]


def saturated(runners, best, rounds):
    """Both offered more than they can do: what leaves them a second."""
    rate = TOO_MUCH * max(best["xdp"], best["swap"])
    trials = at_rates(runners, {"xdp": rate, "swap": rate}, rounds, FULL_SECONDS)
    return paired(trials["xdp"], trials["swap"], lambda t: t.relayed)


def compare_singles(settings, size):
    load, result = Load(size), Result()
    with field(settings.build, [BASELINE, SOCK, XDP, SWAP, KERNEL], load) as runners:
        best, trials = climb(runners, settings.count(CLIMB_ROUNDS, 8))
        result.data["rates"] = best_points(load, best, trials)
        low = NEARLY * min(best["baseline"], best["sock"])
        found = costs(runners, [("xdp", "baseline", None), ("sock", "baseline", low),
                                ("kernel", "xdp", None)], best, settings.count(COST_ROUNDS))
        goals = {"xdp": ">= 2", "sock": ">= 0.95", "kernel": ">= 1.5"}
        for (ours, theirs), comparison in found.items():
            result.ratios.append(cost_ratio(f"{ours} / {theirs}, {size} bytes", comparison,
                                            goals[ours]))
        full = saturated(runners, best, settings.count(FULL_ROUNDS))
        result.ratios.append(Ratio(f"xdp / AF_XDP swap, {size} bytes, saturated", full["ours"],
                                   full["theirs"], ">= 0.9", RATE, full["low"], full["high"],
                                   full["ratio"]))
        result.ratios.append(Ratio(f"xdp / AF_XDP swap, {size} bytes, loss <= {ACCEPTED_LOSS:.1%}",
                                   best["xdp"], best["swap"], "", RATE))
        if size == 64:
            result.data["links"] = [{"name": name, "what": f"{name}, veth", "rate": best[name]}
                                    for name in best]
            latency(settings, runners, best, result)
    return result


@scenario("relay-64", "xdp, sock and kernel beside a plain relay and a bare AF_XDP program, 64 bytes",
          cores=4)
def relay_64(settings):
    return compare_singles(settings, 64)


@scenario("relay-1200", "the same with 1,200 bytes", cores=4)
def relay_1200(settings):
    return compare_singles(settings, 1200)


def latency(settings, runners, best, result):
    """Percentiles by load, each program at shares of its own best rate, beside the path without a
    relay (the swapping program) at the same rates."""
    points = []
    for name in [n for n in ("sock", "xdp", "kernel") if n in runners]:
        for share in LOADS:
            rounds = settings.count(LATENCY_ROUNDS if share == 0.5 else LATENCY_ROUNDS // 3)
            rate = share * best[name]
            trials = at_rates(runners, {name: rate, "swap": rate}, rounds)
            points.append({"name": name, "load": share, "rate": rate,
                           "ours": percentiles(trials[name]),
                           "path": percentiles(trials["swap"])})
    result.data["latency"] = points
    for point in (p for p in points if p["load"] == 0.5):
        for key, text in (("p50", "p50"), ("p99_9", "p99.9")):
            result.ratios.append(Ratio(
                f"{point['name']} / path without a relay, {text} at half load", point["ours"][key],
                point["path"][key], "", "us"))


def percentiles(trials):
    """Medians over the trials, so that a pause of the machine in one of them does not count."""
    return {key: statistics.median(t.latency_us[key] for t in trials)
            for key in ("p50", "p90", "p99", "p99_9")}


@scenario("trains", "sock with GRO and GSO beside a plain relay, flows in trains of 16", cores=4)
def trains(settings):
    result = Result()
    for size in (64, 1200):
        load = Load(size, train=16)
        with field(settings.build, [BASELINE, SOCK], load) as runners:
            best, trials = climb(runners, settings.count(CLIMB_ROUNDS, 8))
            result.data.setdefault("rates", []).extend(best_points(load, best, trials))
            found = costs(runners, [("sock", "baseline", None)], best,
                          settings.count(COST_ROUNDS))
            result.ratios.append(cost_ratio(f"sock / baseline, {size} bytes, trains of 16",
                                            found["sock", "baseline"], ">= 2"))
    return result


@scenario("sizes", "rate and cost by size of the frame", cores=4)
def sizes(settings):
    with field(settings.build, [BASELINE, SOCK, XDP, KERNEL], Load()) as runners:
        views = [r.sized(size) for size in SIZES for r in runners.values()]
        best, trials = climb({v.name: v for v in views}, settings.count(SIZE_ROUNDS, 8))
    points = [best_point(Load(size), name, best[name, size], trials[name, size])
              for name, size in best]
    return Result(data={"sizes": [shown(p) for p in points]})
