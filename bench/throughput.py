# SPDX-License-Identifier: BSD-3-Clause
"""Highest rate with little loss, and what it costs the relay's side per datagram."""
from testbed import settle

ACCEPTED_LOSS = 0.001
FIRST_RATE = 100_000
TRIAL_SECONDS = 1.5
FINAL_SECONDS = 4


def trial(contender, rate, seconds, arguments):
    before = contender.cpu()
    result = contender.bed.pktgen("relay", "--rate", str(int(rate)), "--seconds", str(seconds),
                                  *arguments)
    result["relay_cpu_seconds"] = contender.cpu() - before
    result["wrong"] = result["corrupt"] + result["misrouted"] + result["duplicates"]
    settle()
    return result


def carried(result):
    return result["loss"] <= ACCEPTED_LOSS and result["sent"] >= 0.9 * (
        result["rate_asked"] * result["seconds"])


def best_rate(contender, arguments):
    """Doubles, then halves the interval (RFC 2544 section 26.1)."""
    low, high, rate = 0, None, FIRST_RATE
    while high is None or high - low > 0.04 * high:
        if carried(trial(contender, rate, TRIAL_SECONDS, arguments)):
            low = rate
        else:
            high = rate
        rate = rate * 2 if high is None else (low + high) / 2
        if high is not None and high < 5000:
            break
    return low


def measure(contender, link, size, train=1, nodes=100_000, reflected=False):
    """One point: the highest rate, confirmed by a longer trial a little below it."""
    base = ["--link", link, "--nodes", str(nodes), "--flows", str(nodes), "--size", str(size),
            "--train", str(train)]
    if reflected:
        base.append("--reflected")
    elif link == "sock":
        base += ["--register-rate", "40000"]  # each trial has sockets, so addresses, of its own
    else:
        base.append("--no-register")
        contender.bed.pktgen("register", "--link", link, "--nodes", str(nodes), "--rate", "40000")
    rate = best_rate(contender, base)
    for share in (0.97, 0.9, 0.8, 0.6):
        result = trial(contender, rate * share, FINAL_SECONDS, base)
        if carried(result):
            break
    per_second = result["received"] / result["seconds"]
    return {"name": contender.name, "size": size, "train": train, "nodes": nodes,
            "rate": per_second, "loss": result["loss"], "reordered": result["reordered"],
            "wrong": result["wrong"], "latency_us": result["latency_us"],
            "cpu_seconds": result["relay_cpu_seconds"],
            "per_cpu_second": result["received"] / max(result["relay_cpu_seconds"], 0.01)}
