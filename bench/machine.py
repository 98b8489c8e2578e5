# SPDX-License-Identifier: BSD-3-Clause
"""What the figures were measured on."""
import os
import platform
import re
import subprocess
import time
from pathlib import Path


def field(path, pattern):
    found = re.search(pattern, Path(path).read_text(encoding="utf-8"), re.M)
    return found[1].strip() if found else ""


def describe(build):
    """(what, value) in the order of the report."""
    version = subprocess.run([Path(build) / "fairway", "version"], capture_output=True, text=True,
                             check=False).stdout.strip().splitlines()
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True,
                            text=True, check=False, cwd=Path(__file__).parent).stdout.strip()
    memory = int(field("/proc/meminfo", r"^MemTotal:\s+(\d+)")) / 1024 ** 2
    pages = field("/proc/meminfo", r"^HugePages_Total:\s+(\d+)")
    virtual = "hypervisor" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    return {
        "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "program": " ".join(filter(None, [version[0] if version else "", commit])),
        "processor": f"{field('/proc/cpuinfo', 'model name.*: (.*)')}, "
                     f"{len(os.sched_getaffinity(0))} cores{', virtual' if virtual else ''}",
        "memory": f"{memory:.1f} GiB, {pages} huge pages reserved",
        "system": f"{platform.system()} {platform.release()}",
        "load before": " ".join(f"{v:.2f}" for v in os.getloadavg()),
    }
