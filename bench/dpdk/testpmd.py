# SPDX-License-Identifier: BSD-3-Clause
"""dpdk-testpmd as the program to compare with, and the kind of pages that both sides get."""
import contextlib
import os
import re
import subprocess
import threading
import time
from pathlib import Path

BUFFERS = 8192
NR_HUGEPAGES = Path("/proc/sys/vm/nr_hugepages")


def huge_mib():
    free = 0
    for size in Path("/sys/kernel/mm/hugepages").glob("hugepages-*kB"):
        kib = int(re.search(r"(\d+)kB", size.name)[1])
        free += int((size / "free_hugepages").read_text()) * kib // 1024
    return free


@contextlib.contextmanager
def huge_pages(mib):
    """True while enough are free; what had to be reserved is given back."""
    before = int(NR_HUGEPAGES.read_text())
    reserved = huge_mib() < mib and os.access(NR_HUGEPAGES, os.W_OK)
    if reserved:
        NR_HUGEPAGES.write_text(str(before + mib // 2))
    try:
        yield huge_mib() >= mib
    finally:
        if reserved:
            NR_HUGEPAGES.write_text(str(before))


class Testpmd:
    """macswap on one core; it is killed after half a minute, whatever happens."""

    def __init__(self, device, core, main, huge):
        memory = ["--in-memory"] if huge else ["--no-huge", "-m", "400", "--no-shconf"]
        self.core = core
        self.process = subprocess.Popen(
            ["stdbuf", "-oL", "dpdk-testpmd", *memory, "--lcores", f"1@{main},2@{core}",
             "--no-pci", "--no-telemetry", f"--vdev={device}", "--", "-i", "--forward-mode=macswap",
             "--burst=64", "--mbcache=256", "--nb-cores=1", "--no-mlockall", "--txpkts=60",
             f"--total-num-mbufs={BUFFERS}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            preexec_fn=lambda: os.geteuid() == 0 and os.nice(-20))
        self.watchdog = threading.Timer(30, self.process.kill)
        self.watchdog.start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.watchdog.cancel()
        self.process.kill()
        self.process.communicate()

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def find(self, pattern):
        """Reads on until a line matches."""
        for line in self.process.stdout:
            found = re.search(pattern, line)
            if found:
                return found
        raise RuntimeError("testpmd ended, or showed nothing")

    def thread_seconds(self):
        """CPU time of the forwarding thread."""
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            if f"Cpus_allowed_list:\t{self.core}\n" in (task / "status").read_text() and \
                    "worker" in (task / "comm").read_text():
                return int((task / "schedstat").read_text().split()[0]) / 1e9
        raise RuntimeError("testpmd does not forward")

    def counters(self, wait):
        """Frames sent and CPU time of the forwarding thread, after a while."""
        time.sleep(wait)
        self.say("show port stats all")
        return int(self.find(r"TX-packets:\s+(\d+)")[1]), self.thread_seconds()
