# SPDX-License-Identifier: BSD-3-Clause
"""What one client, one address and one request may cost the registry."""
import struct
import time

import pytest

from netlab import eventually
from registry_client import Client, Closed, Node, Refused
from registry_up import REGISTRY


def is_served(client):
    try:
        return client.ask("beacon_list")["beacons"] == []
    except (Closed, OSError):
        return False


@pytest.mark.parametrize("up", [["--registry-source-connections", "4"]], indirect=True)
def test_connections_of_a_source(up):
    held = [Client(REGISTRY) for _ in range(4)]
    assert all(is_served(client) for client in held)
    assert not is_served(Client(REGISTRY))
    other = Client(REGISTRY, source="127.0.0.2")
    assert is_served(other)
    held.pop().close()
    eventually(lambda: is_served(Client(REGISTRY)))
    assert is_served(held[0]) and is_served(other)
    assert up.ask("registry", "status")["counters"]["refused"] >= 1


@pytest.mark.parametrize("up", [["--registry-source-nodes", "3"]], indirect=True)
def test_unproven_nodes_of_a_source(up):
    client = Client(REGISTRY)
    nodes = [Node(i + 1) for i in range(5)]
    for node in nodes[:3]:
        node.register(client)
    with pytest.raises(Refused, match="too many new nodes from this address"):
        nodes[3].register(client)
    nodes[3].register(Client(REGISTRY, source="127.0.0.2"))
    nodes[0].own(client, "heartbeat")
    nodes[4].register(client)


def test_fast_connections_wait(up):
    """2,000 requests at once, 500 a second behind them; others do not wait for it."""
    fast, other = Client(REGISTRY), Client(REGISTRY)
    Node(1).register(other)
    start = time.monotonic()
    for _ in range(3000):
        fast.send({"type": "lookup", "node_id": 1})
    assert is_served(other)
    for _ in range(3000):
        assert fast.receive()["node_id"] == 1
    assert time.monotonic() - start > 1.5
    assert up.ask("registry", "status")["counters"]["paced"] > 0


@pytest.mark.parametrize("bytes_sent", [
    struct.pack(">I", 1 << 21), struct.pack(">I", 0), b"PILT\x01",
    struct.pack(">I", 2) + b"[]", struct.pack(">I", 3) + b"{]}"])
def test_broken_frames_end_a_connection(up, bytes_sent):
    client, other = Client(REGISTRY), Client(REGISTRY)
    client.sock.sendall(bytes_sent)
    with pytest.raises((Closed, ConnectionResetError)):
        client.receive()
    assert is_served(other)


def test_answers_in_order(up):
    """A request that waits for its signature or the disk does not let others overtake it."""
    client, node = Client(REGISTRY), Node(1)
    node.register(client)
    for i in range(50):
        client.send({"type": "set_tags", "node_id": 1, "tags": [f"t{i}"],
                     "signature": node.sign("set_tags:1")})
        client.send({"type": "lookup", "node_id": 1})
        client.send({"type": "heartbeat", "node_id": 1, "signature": node.sign(f"x{i}")})
    for i in range(50):
        assert client.receive()["tags"] == [f"t{i}"]
        assert client.receive()["tags"] == [f"t{i}"]
        assert client.receive() == {"type": "error", "error": "request failed"}
