# SPDX-License-Identifier: BSD-3-Clause
import os
import re
import shutil
import signal

import pytest

from netlab import Lab, Process
from registry_host import registry
from registry_up import up

__all__ = ["registry", "up"]  # fixtures


def pytest_configure():
    """Who ends the tests early leaves no namespaces, programs and folders behind either."""
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("ended by SIGTERM", 143))


def kernel_relays(item):
    """Whether it needs a veth over which mode=kernel relays."""
    return item.module.__name__ == "test_kernel" or \
        hasattr(item, "callspec") and "kernel" in item.callspec.params.values()


def pytest_collection_modifyitems(items):
    reason = None
    release = [int(number) for number in re.findall(r"\d+", os.uname().release)[:2]]
    if os.geteuid() != 0:
        reason = "network namespaces need root"
    elif not shutil.which("ip") or not shutil.which("nft"):
        reason = "iproute2 and nftables are not installed (make deps)"
    for item in items:
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))
        elif release < [6, 3] and kernel_relays(item):
            item.add_marker(pytest.mark.skip(reason="mode=kernel on veth needs Linux 6.3"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    """A failure shows what the programs said that the test had started."""
    report = (yield).get_result()
    if report.failed:
        report.sections += [(f"{process.name}, pid {process.pid}", process.output()[-20000:])
                            for process in Process.started]


@pytest.fixture(autouse=True)
def programs():
    """None outlives its test, also where starting it was what failed."""
    Process.started.clear()
    yield
    for process in Process.started:
        process.kill()


@pytest.fixture
def lab():
    made = Lab()
    yield made
    made.close()
