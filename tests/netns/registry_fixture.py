#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes registry_schemas/VERSION.sql: a small registry in the schema of this build.

Run it before a change of the schema, so that the test knows what the version before wrote:
    FAIRWAY_BUILD=build tests/netns/registry_fixture.py
"""
import pathlib
import signal
import sqlite3
import tempfile

from registry_client import Client, Node
from registry_host import Registry

SCHEMAS = pathlib.Path(__file__).parent / "registry_schemas"


def fill(client):
    a, b, c = Node(1), Node(2), Node(3)
    for node in (a, b, c):
        node.register(client, lan_addrs=["10.0.0.1:4000"], version="v1.9.0")
    a.ask(client, "set_hostname", f"set_hostname:{a.id}", node_id=a.id, hostname="ann")
    a.own(client, "set_tags", tags=["gpu", "eu"])
    a.pair(client, "report_trust", b)
    b.pair(client, "report_trust", a)
    network = client.ask("create_network", node_id=a.id, name="lab", join_rule="token", token="s",
                         admin_token="adm")["network_id"]
    b.ask(client, "join_network", f"join_network:{b.id}:{network}", node_id=b.id,
          network_id=network, token="s")
    c.ask(client, "request_handshake", f"handshake:{c.id}:{a.id}", from_node_id=c.id,
          to_node_id=a.id, justification="hi")


def check(client):
    """All of fill() is there."""
    a, b, c = Node(1), Node(2), Node(3)
    a.id, b.id, c.id = 1, 2, 3
    found = client.ask("lookup", node_id=1)
    assert found["public_key"] == a.public_key
    assert found["hostname"] == "ann" and found["tags"] == ["gpu", "eu"]
    assert found["networks"] == [0, 1] and found["version"] == "v1.9.0"
    assert client.ask("check_trust", node_id=1, peer_id=2)["trusted"]
    assert client.ask("get_member_role", network_id=1, target_node_id=1)["role"] == "owner"
    assert a.resolve(client, b)["lan_addrs"] == ["10.0.0.1:4000"]
    assert Node(4).register(client)["node_id"] == 4


def check_inbox(client, senders):
    a = Node(1)
    a.id = 1
    requests = a.own(client, "poll_handshakes")["requests"]
    assert [r["from_node_id"] for r in requests] == senders


def dump(path):
    database = sqlite3.connect(path)
    version = database.execute("PRAGMA user_version").fetchone()[0]
    application = database.execute("PRAGMA application_id").fetchone()[0]
    lines = [f"PRAGMA application_id={application};", f"PRAGMA user_version={version};",
             *database.iterdump()]
    (SCHEMAS / f"{version}.sql").write_text("\n".join(lines) + "\n")


def main():
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(pathlib.Path(folder))
        registry.start()
        fill(Client(registry.address))
        registry.kill(signal.SIGTERM)
        dump(registry.store)


if __name__ == "__main__":
    main()
