# SPDX-License-Identifier: BSD-3-Clause
"""Highest rate with little loss, and what it costs the relay's side per datagram."""
from testbed import settle

ACCEPTED_LOSS = 0.001
FIRST_RATE = 100_000
TRIAL_SECONDS = 0.6
FINAL_TRIALS = 8
# veth's queue holds 256 frames, half a millisecond at half a million a second; a virtual machine
# that pauses longer loses frames whatever the program does. A rate counts as carried when one of
# several short trials carried it, for every program alike.
ATTEMPTS = 4


def trial(contender, rate, arguments):
    before = contender.cpu()
    result = contender.bed.pktgen("relay", "--rate", str(int(rate)), "--seconds",
                                  str(TRIAL_SECONDS), *arguments)
    result["relay_cpu_seconds"] = contender.cpu() - before
    result["wrong"] = result["corrupt"] + result["misrouted"] + result["duplicates"]
    settle()
    return result


def carried(result):
    return result["loss"] <= ACCEPTED_LOSS and result["sent"] >= 0.9 * (
        result["rate_asked"] * result["seconds"])


def is_carried(contender, rate, arguments):
    return any(carried(trial(contender, rate, arguments)) for _ in range(ATTEMPTS))


def best_rate(contender, arguments):
    """Doubles, then halves the interval (RFC 2544 section 26.1)."""
    low, high, rate = 0, None, FIRST_RATE
    while high is None or high - low > 0.05 * high:
        if is_carried(contender, rate, arguments):
            low = rate
        else:
            high = rate
        rate = rate * 2 if high is None else (low + high) / 2
        if high is not None and high < 5000:
            break
    return low


def at_rate(contender, rate, arguments):
    """The trials with little loss at that rate, or at a lower one when there are none."""
    for share in (1, 0.9, 0.8, 0.6, 0.4):
        results = [trial(contender, rate * share, arguments) for _ in range(FINAL_TRIALS)]
        good = [r for r in results if carried(r)]
        if good:
            return good
    return results


def measure(contender, link, size, train=1, nodes=100_000, reflected=False):
    """One point: what the relay's side spends at the highest rate that it carries."""
    base = ["--link", link, "--nodes", str(nodes), "--flows", str(nodes), "--size", str(size),
            "--train", str(train)]
    if reflected:
        base.append("--reflected")
    elif link == "sock":
        base += ["--register-rate", "40000"]  # each trial has sockets, so addresses, of its own
    else:
        base.append("--no-register")
        contender.bed.pktgen("register", "--link", link, "--nodes", str(nodes), "--rate", "40000")
    results = at_rate(contender, best_rate(contender, base), base)
    received, seconds, cpu, sent = (sum(r[key] for r in results) for key in (
        "received", "seconds", "relay_cpu_seconds", "sent"))
    return {"name": contender.name, "size": size, "train": train, "nodes": nodes,
            "rate": received / seconds, "loss": 1 - received / max(sent, 1),
            "reordered": sum(r["reordered"] for r in results),
            "wrong": sum(r["wrong"] for r in results), "trials": len(results),
            "latency_us": results[-1]["latency_us"], "cpu_seconds": cpu,
            "per_cpu_second": received / max(cpu, 0.01)}
