# SPDX-License-Identifier: BSD-3-Clause
"""kill -9 of the registry under load: what was acknowledged is there afterwards."""
import os
import random
import signal
import threading
import time

import pytest

from registry_client import Client, Closed, Node, Refused

KILLS = int(os.environ.get("REGISTRY_KILLS", "10"))
PATIENCE = 120  # seconds for what a loaded machine does in one


class Load(threading.Thread):
    """Registers, names, tags and trusts until the connection breaks; notes what was acknowledged."""

    def __init__(self, registry, number, known):
        super().__init__()
        self.registry, self.number, self.known = registry, number, known
        self.failure = None

    def run(self):
        try:
            self.work(Client(self.registry.address, timeout=PATIENCE))
        except (Closed, OSError):
            pass
        except Exception as e:  # a finding, shown by the main thread
            self.failure = e

    def work(self, client):
        before = None
        while True:
            serial = len(self.known)
            node = Node(self.number * 10**6 + serial + 1)
            node.register(client)
            entry = {"node": node, "id": node.id}
            self.known.append(entry)
            name = f"n{self.number}-{serial}"
            node.ask(client, "set_hostname", f"set_hostname:{node.id}", node_id=node.id,
                     hostname=name)
            entry["hostname"] = name
            node.own(client, "set_tags", tags=["load", f"t{self.number}"])
            entry["tags"] = ["load", f"t{self.number}"]
            if before:
                node.pair(client, "report_trust", before)
                before.pair(client, "report_trust", node)
                entry["trusts"] = before
            before = node


def check(client, entry):
    node = entry["node"]
    reply = client.ask("lookup", node_id=entry["id"])
    assert reply["public_key"] == node.public_key
    if "hostname" in entry:
        assert reply.get("hostname") == entry["hostname"]
    if "tags" in entry:
        assert reply.get("tags") == entry["tags"]
    if "trusts" in entry:
        assert client.ask("check_trust", node_id=node.id, peer_id=entry["trusts"].id)["trusted"]


def wait_for_answers(known, count):
    """Whatever the machine's pace, a kill falls between answers."""
    deadline = time.monotonic() + PATIENCE
    while sum(map(len, known)) < count:
        assert time.monotonic() < deadline, "the registry acknowledges nothing"
        time.sleep(0.001)


def test_kill_under_load(registry):
    known = [[] for _ in range(4)]
    chance = random.Random(4)
    for _ in range(KILLS):
        loads = [Load(registry, i + 1, known[i]) for i in range(4)]
        before = sum(map(len, known))
        for load in loads:
            load.start()
        wait_for_answers(known, before + 1 + chance.randrange(200))
        time.sleep(chance.random() * 0.02)  # anywhere in a commit
        registry.kill()
        for load in loads:
            load.join(PATIENCE)
            assert not load.is_alive()
            assert load.failure is None, load.failure
        registry.start()
        # all of the last second's, a sample of the rest
        client = Client(registry.address)
        for entries in known:
            for entry in entries[-40:] + chance.sample(entries, min(10, len(entries))):
                check(client, entry)
        client.close()
    everything = [e for entries in known for e in entries]
    client = Client(registry.address)
    for at, entry in enumerate(everything):
        if at % 1500 == 1499:  # within the pace of a connection
            client = Client(registry.address)
        check(client, entry)
    ids = [e["id"] for e in everything]
    assert len(set(ids)) == len(ids)
    print(f"{KILLS} kills, {len(ids)} nodes acknowledged, none lost")
    assert len(ids) >= KILLS


def test_restart_keeps_everything(registry):
    client = Client(registry.address)
    a, b = Node(1), Node(2)
    a.register(client, lan_addrs=["10.0.0.1:4000"], version="v1.9.0")
    b.register(client)
    network = client.ask("create_network", node_id=a.id, name="lab", join_rule="token", token="s",
                         admin_token="adm")["network_id"]
    b.ask(client, "join_network", f"join_network:{b.id}:{network}", node_id=b.id,
          network_id=network, token="s")
    a.ask(client, "request_handshake", f"handshake:{a.id}:{b.id}", from_node_id=a.id,
          to_node_id=b.id, justification="hi")
    registry.kill(signal.SIGTERM)
    registry.start()
    client = Client(registry.address)
    assert a.own(client, "heartbeat")["type"] == "heartbeat_ok"
    reply = a.resolve(client, b)
    assert reply["real_addr"] == "127.0.0.1:4000"
    assert b.resolve(client, a)["lan_addrs"] == ["10.0.0.1:4000"]
    assert b.own(client, "poll_handshakes")["requests"][0]["justification"] == "hi"
    assert client.ask("lookup", node_id=a.id)["networks"] == [0, network]
    with pytest.raises(Refused, match="invalid token for network"):
        a.ask(client, "join_network", f"join_network:{a.id}:{network}", node_id=a.id,
              network_id=network, token="t")
