# SPDX-License-Identifier: BSD-3-Clause
"""`fairway up` with the embedded registry on loopback, for tests: the fixture `up`."""
import json
import os
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from netlab import BUILD

BASE = 30000 + os.getpid() % 20000
REGISTRY, BEACON, HTTP = ("127.0.0.1", BASE), ("127.0.0.1", BASE + 1), BASE + 2


class Up:
    def __init__(self, folder, *arguments):
        self.state = folder / "state"
        self.token = folder / "token"
        self.token.write_text("adm\n")
        self.log = open(folder / "log", "a")
        self.command = [
            BUILD / "fairway", "up", "--state", self.state, "--listen", "%s:%d" % BEACON,
            "--registry", "embedded", "--registry-listen", "%s:%d" % REGISTRY,
            "--registry-admin-token-file", self.token, *arguments]
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=self.log,
                                        text=True)
        assert self.process.stdout.readline().startswith("ready"), open(self.log.name).read()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0

    def ask(self, *command):
        done = subprocess.run([BUILD / "fairway", *command, "--json", "--state", self.state],
                              capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def up(request):
    # who serves must get through to it, unlike to pytest's own directories
    with tempfile.TemporaryDirectory(prefix="fairway-registry-") as folder:
        os.chmod(folder, 0o755)
        relay = Up(Path(folder), *getattr(request, "param", []))
        yield relay
        if relay.process.poll() is None:
            relay.stop()
