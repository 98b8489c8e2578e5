# SPDX-License-Identifier: BSD-3-Clause
"""The registry's server alone, to be killed."""
import random
import signal
import socket

import pytest

from netlab import BUILD, Process

HOST = BUILD / "tests" / "registry_host"


def is_free(port):
    try:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(type=kind) as sock:
                sock.bind(("127.0.0.1", port))
        return True
    except OSError:
        return False


def free_ports(count=1):
    """The first of so many, below those that the kernel gives to clients: they have to be free
    after a restart, too."""
    return next(port for port in random.sample(range(20000, 32000), 1000)
                if all(is_free(port + i) for i in range(count)))


class Registry:
    def __init__(self, folder):
        self.store = str(folder / "registry.db")
        self.address = ("127.0.0.1", free_ports())
        self.process = None

    def command(self):
        return [HOST, "%s:%d" % self.address, self.store, "adm"]

    def start(self):
        self.process = Process(self.command())
        self.process.wait_for("ready")

    def kill(self, number=signal.SIGKILL):
        self.process.stop(number)


@pytest.fixture
def registry(tmp_path):
    r = Registry(tmp_path)
    r.start()
    yield r
    r.kill()
