# SPDX-License-Identifier: BSD-3-Clause
"""A whole relay with ten million nodes: filled, loaded, asked, and killed."""
import ipaddress
import os
import re
import signal
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from scenario import Figure, LeftOut, Result, needs_cores, scenario
from testbed import Fairway, Testbed, memory_kib

from netlab import Node, eventually, run  # behind testbed, which says where it is

COUNTS = (1_000_000, 10_000_000)
NEEDED_MIB = 8000  # 1.4 GB of the relay's, the generator's flows, and room for others
# nodes at a time, since a round with a lost answer is repeated whole; they have whole addresses
SLICE, NODES_BEHIND_ADDRESS, FIRST_ID, FILL_RATE = 600_000, 60_000, 1000, 200_000
FIRST_ADDRESS = ipaddress.ip_address("198.18.0.1")
RATES, LOAD_SECONDS, FLOWS = (300_000, 500_000), 5, 1_000_000
KILLED_AFTER, PATIENCE = 2, 60
ENDS = (1, 2)  # ids of two nodes that are asked whether the relay is there again


def free_mib():
    return int(re.search(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) // 1024


def milliseconds(action, rounds=5):
    """Median time of an action."""
    times = []
    for _ in range(rounds):
        start = time.monotonic()
        action()
        times.append(1000 * (time.monotonic() - start))
    return statistics.median(times)


class Crowd:
    """`fairway up` on an xdp link with so many nodes, all behind one host."""

    def __init__(self, build, count):
        self.bed, self.count, self.found = Testbed(build, accounts=False), count, {}
        self.simulated = count - len(ENDS)
        try:
            self.relay = Fairway(self.bed, "--link", "xdp:w", "--nodes-capacity", count,
                                 "--xdp-frames", 65536, "--admission-network-share", 0)
            self.keep_apart()
        except BaseException:
            self.bed.close()
            raise

    def close(self):
        self.bed.close()

    def note(self, what, value, unit=""):
        self.found[what, unit] = value
        print(f"  {self.count:10,} nodes: {what}: {value:,.3g} {unit}", flush=True)

    def pids(self):
        found = self.relay.process.children()
        return found["fairway-cp"], found["fairway-dp"]

    def keep_apart(self):
        """It walks over all nodes, also beside a load: on the worker's core it would stop that."""
        pid = self.pids()[0]
        for thread in os.listdir(f"/proc/{pid}/task"):
            os.sched_setaffinity(int(thread), {self.bed.cores[1]})

    def fairway(self, *words):
        return self.relay.process.ask(*words)

    def known(self):
        return self.fairway("status")["nodes"]

    def fill(self):
        before, start, sent = list(map(memory_kib, self.pids())), time.monotonic(), 0
        for first in range(0, self.simulated, SLICE):
            sent += self.bed.pktgen(
                "register", "--link", "xdp:g", "--rate", FILL_RATE, "--first-id", FIRST_ID + first,
                "--network", FIRST_ADDRESS + first // NODES_BEHIND_ADDRESS,
                "--nodes", min(SLICE, self.simulated - first))["sent"]
        eventually(lambda: self.known() == self.simulated)
        self.note("filled in", time.monotonic() - start, "s")
        self.note("Discovers repeated", sent - self.simulated)
        for process, had, pid in zip(("control plane", "data plane"), before, self.pids()):
            self.note(f"memory a node, {process}", (memory_kib(pid) - had) * 1024 / self.count, "B")

    def load(self, rate):
        found = self.bed.pktgen("relay", "--link", "xdp:g", "--no-register", "--nodes",
                                self.simulated, "--flows", FLOWS, "--rate", rate, "--seconds",
                                LOAD_SECONDS)
        wrong = sum(found[what] for what in ("corrupt", "misrouted", "duplicates"))
        if wrong:
            raise RuntimeError(f"{wrong} frames altered, misrouted or doubled")
        return found

    def carry(self):
        for rate in RATES:
            found = self.load(rate)
            self.note(f"lost at {rate:,}/s", 100 * found["loss"], "%")
            self.note(f"p50 at {rate:,}/s", found["latency_us"]["p50"], "us")

    def ask(self):
        self.note("fairway status", milliseconds(lambda: self.fairway("status")), "ms")
        self.note("fairway node ID", milliseconds(lambda: self.fairway("node", str(FIRST_ID))), "ms")

    def served_after(self, pid, answers):
        """Seconds from the death of a process until it answers."""
        start = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        eventually(answers, PATIENCE, 0.01)
        return time.monotonic() - start

    def answers(self):
        """Whether a control plane answers, and knows all of them."""
        done = run(self.bed.build / "fairway", "status", "--json", "--state",
                   self.relay.process.state.name, check=False)
        return done.returncode == 0 and self.known() >= self.simulated

    def kill_control(self):
        with ThreadPoolExecutor() as pool:
            load = pool.submit(self.load, RATES[0])
            time.sleep(KILLED_AFTER)
            self.note("kill -9 of the control plane: answers again",
                      self.served_after(self.pids()[0], self.answers), "s")
            self.keep_apart()
            self.note(f"lost meanwhile at {RATES[0]:,}/s", 100 * load.result()["loss"], "%")

    def kill_data(self):
        a, b = [Node(self.bed.lab, self.bed.generator, end, ("10.0.0.1", 9001),
                     bind=("10.0.0.2", 0)) for end in ENDS]
        a.discover()
        b.discover()
        eventually(lambda: a.reaches(b))
        pid = self.pids()[1]
        self.note("kill -9 of the data plane: relays again",
                  self.served_after(pid, lambda: a.reaches(b, 0.02)), "s")
        eventually(self.answers)


@scenario("ten-million", "a whole relay with ten million nodes: memory, loss, restarts; 2 minutes",
          by_name=True)
def ten_million(settings):
    needs_cores(settings, 4, "relay, generator and their ends of the cable need a core each")
    if free_mib() < NEEDED_MIB:
        raise LeftOut(f"{free_mib():,} MiB of memory are free, it takes {NEEDED_MIB:,}")
    result = Result(data={"crowd": {}})
    for count in COUNTS:
        crowd = Crowd(settings.build, count)
        try:
            for step in (crowd.fill, crowd.carry, crowd.ask, crowd.kill_control, crowd.kill_data):
                step()
        finally:
            crowd.close()
        result.figures += [Figure(f"{count:,} nodes: {what}", value, "", unit)
                           for (what, unit), value in crowd.found.items()]
    return result
