# SPDX-License-Identifier: BSD-3-Clause
"""The registry's server alone, to be killed."""
import random
import signal
import socket
import subprocess

import pytest

from netlab import BUILD

HOST = BUILD / "tests" / "registry_host"


def free_port():
    """Below those that the kernel gives to clients: it has to be free after a restart, too."""
    for port in random.sample(range(20000, 32000), 100):
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port")


class Registry:
    def __init__(self, folder):
        self.store = str(folder / "registry.db")
        self.address = ("127.0.0.1", free_port())
        self.process = None

    def command(self):
        return [HOST, "%s:%d" % self.address, self.store, "adm"]

    def start(self):
        self.process = subprocess.Popen(self.command(), stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n", self.process.stderr.read()

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        self.process.wait(10)
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture
def registry(tmp_path):
    r = Registry(tmp_path)
    r.start()
    yield r
    if r.process.poll() is None:
        r.kill()
