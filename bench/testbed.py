# SPDX-License-Identifier: BSD-3-Clause
"""One veth pair between a relay host and a generator host, with every side's CPU kept apart.

Threaded NAPI turns the softirq work of each end into a kernel thread of its own. With 4 cores the
relay's worker, the relay's end of the cable, the generator's sender, and the generator's receiver
with its end are pinned to one core each, so no work of the generator runs on the relay's account.
"""
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "netns"))

import netlab  # noqa: E402
from netlab import Lab, Relay, eventually, run  # noqa: E402

BEACON = "10.0.0.1:9001"
NODES_NETWORK = "198.18.0.0/15"


def cpu_seconds(pid):
    """Time on a processor of a process or kernel thread, with its threads."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def threads_named(prefix):
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and (entry / "comm").read_text().startswith(prefix):
                found.append(int(entry.name))
    return found


def memory_kib(pid):
    """Proportional set size: shared pages are divided among those who share them."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))


def pinned(cores):
    """Command words that pin to cores; none on a machine with too few."""
    return ["taskset", "-c", ",".join(map(str, cores))] if cores else []


class Testbed:
    """`accounts`: the ends' receive work is in threads. Without, who sends does it, as kernels are
    by default: no CPU accounts, but nobody waits for a thread to be scheduled."""

    def __init__(self, build, accounts=True):
        self.build = netlab.BUILD = Path(build).resolve()
        self.lab = Lab()
        self.relay_host, self.generator = self.lab.host("relay"), self.lab.host("gen")
        self.lab.cable(self.relay_host, "w", self.generator, "g")
        self.lab.address(self.relay_host, "w", "10.0.0.1/24")
        self.lab.address(self.generator, "g", "10.0.0.2/24")
        self.lab.route(self.relay_host, NODES_NETWORK, "via", "10.0.0.2")
        # a program that takes every frame of the interface cannot answer ARP
        run("ip", "-n", self.generator, "neighbour", "replace", "10.0.0.1", "dev", "g", "lladdr",
            self.interface()["address"], "nud", "permanent")
        # as a card without that offload: the cable would carry 64 KB at once and count it as one
        run("ip", "netns", "exec", self.relay_host, "ethtool", "-K", "w", "tx-udp-segmentation",
            "off")
        self.cores = sorted(os.sched_getaffinity(0))
        self.relay_napi = self.threaded(self.relay_host, "w") if accounts else []
        self.generator_napi = self.threaded(self.generator, "g") if accounts else []
        self.pin(self.relay_napi, 1)
        self.pin(self.generator_napi, 3)

    def threaded(self, host, interface):
        """pids of the kernel threads that do the end's receive work."""
        before = set(threads_named("napi/"))
        run("ip", "netns", "exec", host, "ethtool", "-K", interface, "gro", "on")
        run("ip", "netns", "exec", host, "sh", "-c",
            f"echo 1 > /sys/class/net/{interface}/threaded")
        return sorted(set(threads_named("napi/")) - before)

    def pin(self, pids, core):
        for pid in pids:
            if len(self.cores) >= 4:
                os.sched_setaffinity(pid, {self.cores[core]})
            os.setpriority(os.PRIO_PROCESS, pid, -20)

    def left_relay(self):
        """Frames that the relay's host has sent, also those that the cable's queue of 256 frames
        had no room for: that is the generator's fault."""
        sent = self.interface("-s")["stats64"]["tx"]
        return sent["packets"] + sent["dropped"]

    def interface(self, *words):
        """What `ip` says of the relay's end."""
        shown = run("ip", "-j", *words, "-n", self.relay_host, "link", "show", "dev", "w")
        return json.loads(shown.stdout)[0]

    def close(self):
        self.lab.close()

    def pktgen(self, mode, *arguments, timeout=180):
        """Result of a run; sender and receiver on cores 2 and 3."""
        handle, name = tempfile.mkstemp(suffix=".json")
        os.close(handle)
        cores = self.cores[2:4] if len(self.cores) > 3 else []
        try:
            done = run("ip", "netns", "exec", self.generator, *pinned(cores),
                       self.build / "fairway-pktgen", mode, "--to", BEACON, "--quiet", "--json",
                       name, *arguments, check=False, timeout=timeout)
            text = Path(name).read_text(encoding="ascii")
            if not text:
                raise RuntimeError(f"pktgen {mode}: exit {done.returncode}: {done.stderr}")
            return json.loads(text)
        finally:
            os.unlink(name)


class Program:
    """A program on the relay's host whose CPU is measured."""

    def __init__(self, bed, *command):
        self.bed = bed
        core = bed.cores[:1] if len(bed.cores) > 3 else []
        self.process = bed.lab.spawn([*pinned(core), *command], bed.relay_host)
        eventually(lambda: "ready" in self.process.output())
        self.pids = [self.process.pid]

    def cpu(self):
        """CPU-seconds of the relay's side: the program, and the NAPI thread of its interface."""
        return sum(cpu_seconds(pid) for pid in self.pids + self.bed.relay_napi)

    def rest(self):
        """Leaves the processor to others; some programs poll it even without traffic."""
        self.signal(signal.SIGSTOP)

    def wake(self):
        self.signal(signal.SIGCONT)

    def signal(self, number):
        for pid in self.pids:
            os.kill(pid, number)

    def stop(self):
        self.process.stop()


class Fairway(Program):
    """`fairway up` with one worker, and without limits for a source that is all nodes."""

    def __init__(self, bed, *arguments):
        self.bed = bed
        pin = ["--cpus", str(bed.cores[0])] if len(bed.cores) > 3 else []
        self.process = Relay(bed.lab, bed.relay_host, "--listen", BEACON, "--registry", "none",
                             "--workers", "1", "--police-source-rate", "0",
                             "--police-punt-rate", "0", "--police-sender-rate", "0", *pin,
                             *arguments)
        self.pids = sorted(self.process.children().values())

    def rest(self):
        """Without traffic it sleeps."""

    def wake(self):
        """As rest."""


def settle():
    """Lets what the last load left in queues and caches of the kernel come to rest."""
    time.sleep(0.05)
