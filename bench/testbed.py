# SPDX-License-Identifier: BSD-3-Clause
"""One veth pair between a relay host and a generator host, with every side's CPU kept apart.

Threaded NAPI turns the softirq work of each end into a kernel thread of its own. With 4 cores the
relay's worker, the relay's end of the cable, the generator's sender, and the generator's receiver
with its end are pinned to one core each, so no work of the generator runs on the relay's account.
"""
import contextlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "netns"))

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


# With --realtime all programs of the bench run before anything else of the machine (SCHED_FIFO):
# for machines that have other work to do meanwhile.
REALTIME = {"on": False}


def prefix(core=None, cores=()):
    """Command words that pin to cores and give the priority."""
    words = ["chrt", "-f", "10"] if REALTIME["on"] else []
    chosen = [str(c) for c in (cores or ([core] if core is not None else []))]
    return words + (["taskset", "-c", ",".join(chosen)] if chosen else [])


class Testbed:
    def __init__(self, build):
        self.build = Path(build)
        self.lab = Lab()
        self.relay_host, self.generator = self.lab.host("relay"), self.lab.host("gen")
        self.lab.cable(self.relay_host, "w", self.generator, "g")
        self.lab.address(self.relay_host, "w", "10.0.0.1/24")
        self.lab.address(self.generator, "g", "10.0.0.2/24")
        self.lab.route(self.relay_host, NODES_NETWORK, "via", "10.0.0.2")
        mac = json.loads(run("ip", "-j", "-n", self.relay_host, "link", "show", "dev", "w").stdout)
        # a program that takes every frame of the interface cannot answer ARP
        run("ip", "-n", self.generator, "neighbour", "replace", "10.0.0.1", "dev", "g", "lladdr",
            mac[0]["address"], "nud", "permanent")
        self.cores = sorted(os.sched_getaffinity(0))
        self.relay_napi = self.threaded(self.relay_host, "w")
        self.generator_napi = self.threaded(self.generator, "g")
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
            if REALTIME["on"]:
                # before the programs, or a sender that never waits keeps them from running
                os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(20))

    def close(self):
        self.lab.close()

    def pktgen(self, mode, *arguments, timeout=180):
        """Result of a run; sender and receiver on cores 2 and 3."""
        handle, name = tempfile.mkstemp(suffix=".json")
        os.close(handle)
        cores = self.cores[2:4] if len(self.cores) > 3 else []
        try:
            done = run("ip", "netns", "exec", self.generator, *prefix(cores=cores),
                       self.build / "fairway-pktgen", mode, "--to", BEACON, "--quiet", "--json",
                       name, *arguments, check=False, timeout=timeout)
            text = Path(name).read_text(encoding="ascii")
            if not text:
                raise RuntimeError(f"pktgen {mode}: exit {done.returncode}: {done.stderr}")
            return json.loads(text)
        finally:
            os.unlink(name)


class Contender:
    """A program on the relay host whose CPU is measured."""

    def __init__(self, bed, name):
        self.bed, self.name = bed, name
        self.pids = []

    def cpu(self):
        return sum(cpu_seconds(pid) for pid in self.pids + self.bed.relay_napi)


class Program(Contender):
    """A plain program: the baseline relay or the swapping yardstick."""

    def __init__(self, bed, name, *command):
        super().__init__(bed, name)
        core = bed.cores[0] if len(bed.cores) > 3 else None
        self.process = bed.lab.spawn([*prefix(core), *command], bed.relay_host)
        eventually(lambda: "ready" in self.process.output())
        self.pids = [self.process.pid]

    def stop(self):
        self.process.stop()


class Fairway(Contender):
    def __init__(self, bed, name, *arguments):
        super().__init__(bed, name)
        pin = ["--cpus", str(bed.cores[0])] if len(bed.cores) > 3 else []
        self.relay = Relay(bed.lab, bed.relay_host, "--listen", BEACON, "--registry", "none",
                           "--workers", "1", "--police-source-rate", "0", "--police-punt-rate", "0",
                           "--police-sender-rate", "0", *pin, *arguments)
        self.pids = sorted(self.relay.children().values())
        threads = [int(t) for pid in self.pids for t in os.listdir(f"/proc/{pid}/task")]
        for thread in threads if REALTIME["on"] else []:
            os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(10))

    def stop(self):
        self.relay.stop()


def settle():
    """Lets what the last load left in queues and caches of the kernel come to rest."""
    time.sleep(0.3)
