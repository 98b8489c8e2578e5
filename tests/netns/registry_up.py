# SPDX-License-Identifier: BSD-3-Clause
"""`fairway up` with the embedded registry on loopback, for tests: the fixture `up`."""
import hashlib
import json
import os
import ssl
import tempfile
from pathlib import Path

import pytest

from netlab import BUILD, Process, run
from registry_client import Client
from registry_host import free_ports

BASE = free_ports(3)
REGISTRY, BEACON, HTTP = ("127.0.0.1", BASE), ("127.0.0.1", BASE + 1), BASE + 2


class Up:
    def __init__(self, folder, *arguments):
        self.state = folder / "state"
        self.token = folder / "token"
        self.token.write_text("adm\n")
        self.command = [
            BUILD / "fairway", "up", "--state", self.state, "--listen", "%s:%d" % BEACON,
            "--registry", "embedded", "--registry-listen", "%s:%d" % REGISTRY,
            "--registry-admin-token-file", self.token, *arguments]
        self.start()

    def start(self):
        self.process = Process(self.command)
        self.process.wait_for("ready ")

    def stop(self):
        assert self.process.stop() == 0

    def ask(self, *command):
        return json.loads(run(BUILD / "fairway", *command, "--json", "--state", self.state).stdout)


def tls_client():
    """To the registry at REGISTRY, and the fingerprint of its certificate."""
    client = Client(REGISTRY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    client.sock = context.wrap_socket(client.sock)
    return client, hashlib.sha256(client.sock.getpeercert(True)).hexdigest()


@pytest.fixture
def up(request):
    # who serves must get through to it, unlike to pytest's own directories
    with tempfile.TemporaryDirectory(prefix="fairway-registry-") as folder:
        os.chmod(folder, 0o755)
        relay = Up(Path(folder), *getattr(request, "param", []))
        yield relay
        relay.stop()
