# SPDX-License-Identifier: BSD-3-Clause
"""The registry's file: of older versions, damaged, on a full disk."""
import os
import signal
import socket
import sqlite3
import subprocess
import tempfile
from pathlib import Path

import pytest

from netlab import PATIENCE, process_status, run, running
from registry_client import Client, Node
from registry_fixture import SCHEMAS, check, check_inbox, dump, fill
from registry_host import Registry
from registry_up import REGISTRY, Up, tls_client


@pytest.mark.parametrize("schema", sorted(SCHEMAS.glob("*.sql")), ids=lambda path: path.stem)
def test_older_schemas(tmp_path, schema):
    """What each version wrote is read, and brought to this one."""
    r = Registry(tmp_path)
    database = sqlite3.connect(r.store)
    database.executescript(schema.read_text())
    database.close()
    for inbox in ([3], []):
        r.start()
        try:
            client = Client(r.address)
            check(client)
            check_inbox(client, inbox)
        finally:
            r.kill(signal.SIGTERM)


def test_there_is_a_file_of_this_schema(registry, tmp_path, monkeypatch):
    """The next change of the schema needs what this version writes."""
    fill(Client(registry.address))
    registry.kill(signal.SIGTERM)
    monkeypatch.setattr("registry_fixture.SCHEMAS", tmp_path)
    dump(registry.store)
    written = list(tmp_path.glob("*.sql"))
    assert len(written) == 1 and (SCHEMAS / written[0].name).exists(), \
        "run tests/netns/registry_fixture.py"


@pytest.mark.parametrize("at", [0, 4096], ids=["header", "page"])
def test_damaged_store_is_refused(registry, at):
    Node(1).register(Client(registry.address))
    registry.kill(signal.SIGTERM)
    with open(registry.store, "r+b") as file:
        file.seek(at)
        file.write(b"not a database at all" * 10)
    before = open(registry.store, "rb").read()
    process = subprocess.run(registry.command(), capture_output=True, text=True, timeout=PATIENCE)
    assert process.returncode == 1
    assert "is damaged (" in process.stderr and "restore a backup" in process.stderr
    assert "not an error" not in process.stderr and "***" not in process.stderr
    assert open(registry.store, "rb").read() == before


@pytest.fixture
def small_disk():
    # not in pytest's own directories: whoever serves must get through to it
    with tempfile.TemporaryDirectory(prefix="fairway-disk-") as folder:
        os.chmod(folder, 0o755)
        disk = Path(folder) / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=777", "fw-regstore", disk],
                       check=True)
        yield disk
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_new_store_without_room_is_said(small_disk, tmp_path):
    r = Registry(small_disk)
    (small_disk / "fill").write_bytes(b"x" * (1 << 20))
    process = subprocess.run(r.command(), capture_output=True, text=True, timeout=PATIENCE)
    assert process.returncode == 1 and "the disk is full; make room" in process.stderr
    (small_disk / "fill").unlink()
    r.start()
    r.kill(signal.SIGTERM)


def register_until_full(client):
    """Nodes of which the registration was acknowledged, and the one of which it was not."""
    acknowledged = []
    while True:
        node = Node(len(acknowledged) + 1)
        client.send({"type": "register", "public_key": node.public_key, "listen_addr": ":4000",
                     "owner": "x" * 200})
        try:
            node.id = client.receive()["node_id"]
        except socket.timeout:
            return acknowledged, node
        acknowledged.append(node)
        assert len(acknowledged) < 20000


def test_disk_full(small_disk):
    """Nothing is acknowledged that is not on the disk; who only reads is served; with room again
    it goes on by itself."""
    r = Registry(small_disk)
    r.start()
    try:
        writer, reader = Client(r.address, timeout=2), Client(r.address)
        acknowledged, waiting = register_until_full(writer)
        assert len(acknowledged) > 10
        first = acknowledged[0]
        assert reader.ask("lookup", node_id=first.id)["public_key"] == first.public_key
        assert first.own(reader, "heartbeat")["type"] == "heartbeat_ok"
        r.kill()
        # as it was acknowledged, and writable once there is room
        subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
        r.start()
        reader = Client(r.address)
        for node in acknowledged:
            assert reader.ask("lookup", node_id=node.id)["public_key"] == node.public_key
        waiting.register(reader)
        assert waiting.id not in [node.id for node in acknowledged]
    finally:
        r.kill()


def answers_when_there_is_room(writer, make_room):
    writer.sock.settimeout(2)
    acknowledged, waiting = register_until_full(writer)
    assert len(acknowledged) > 10
    make_room()
    writer.sock.settimeout(PATIENCE)
    reply = writer.receive()
    assert reply["public_key"] == waiting.public_key
    assert reply["node_id"] == len(acknowledged) + 1
    assert Node(10**6).register(writer)["node_id"] == len(acknowledged) + 2


def enlarge(disk):
    subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)


def test_disk_full_for_a_while(small_disk):
    r = Registry(small_disk)
    r.start()
    try:
        answers_when_there_is_room(Client(r.address), lambda: enlarge(small_disk))
    finally:
        r.kill()


def test_disk_full_for_a_while_under_tls(small_disk):
    """Answers leave by another way there."""
    relay = Up(small_disk.parent, "--registry-tls", "on", "--registry-store",
               small_disk / "registry.db")
    try:
        answers_when_there_is_room(tls_client()[0], lambda: enlarge(small_disk))
    finally:
        relay.stop()


def test_a_file_size_limit_ends_no_program(up):
    """The kernel would, with a signal."""
    pid = running(str(up.state))["fairway-cp"]
    status = process_status(pid)

    def limit(size):  # as the user who serves: root may not without CAP_SYS_RESOURCE
        run("setpriv", "--reuid", status["Uid"].split()[0], "--regid", status["Gid"].split()[0],
            "--clear-groups", "prlimit", "--pid", pid, f"--fsize={size}:unlimited")

    limit(1 << 20)
    answers_when_there_is_room(Client(REGISTRY), lambda: limit("unlimited"))
    assert "raise the file size limit" in up.process.output()
    assert running(str(up.state))["fairway-cp"] == pid
