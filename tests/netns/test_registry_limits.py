# SPDX-License-Identifier: BSD-3-Clause
"""What one client, one address and one request may cost the registry."""
import re
import socket
import struct
import time
from pathlib import Path

import pytest

from netlab import eventually, running
from registry_client import Client, Closed, Node, Refused, frame
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
def test_new_nodes_of_a_source(up):
    """To prove its key does not make room for the next one that an address invents."""
    client = Client(REGISTRY)
    nodes = [Node(i + 1) for i in range(5)]
    for node in nodes[:3]:
        node.register(client)
    with pytest.raises(Refused, match="too many new nodes from this address"):
        nodes[3].register(client)
    nodes[3].register(Client(REGISTRY, source="127.0.0.2"))
    nodes[0].own(client, "heartbeat")
    with pytest.raises(Refused, match="too many new nodes from this address"):
        nodes[4].register(client)
    nodes[0].register(client)


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


def memory_mb(process):
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) >> 10


def make_network(client, members):
    network = client.ask("create_network", name="many", join_rule="open",
                         admin_token="adm")["network_id"]
    for i in range(members):
        node = Node(100 + i)
        node.register(client)
        node.ask(client, "join_network", f"join_network:{node.id}:{network}", node_id=node.id,
                 network_id=network)
    return network


def test_connections_of_an_address_share_a_rate(up):
    """20,000 requests at once, as many a second behind them; a list is 20 or more of them."""
    other = Client(REGISTRY, source="127.0.0.2")
    network = make_network(other, 1)
    fast = [Client(REGISTRY) for _ in range(40)]
    start = time.monotonic()
    for client in fast:
        client.sock.sendall(frame({"type": "list_nodes", "network_id": network}) * 90)
    assert other.ask("list_nodes", network_id=network)
    for client in fast:
        for _ in range(90):
            assert len(client.receive()["nodes"]) == 1
    assert time.monotonic() - start > 2
    assert up.ask("registry", "status")["counters"]["paced"] > 0


def test_unread_answers_of_an_address(up):
    """Nobody fills the memory by asking and not reading."""
    other = Client(REGISTRY, source="127.0.0.2")
    network = make_network(other, 600)
    process = running(str(up.state))["fairway-cp"]
    before = memory_mb(process)
    held = []
    for _ in range(100):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(REGISTRY)
        client.sendall(frame({"type": "list_nodes", "network_id": network}) * 64)
        held.append(client)
    for _ in range(30):
        assert is_served(other)
        time.sleep(0.1)
    assert memory_mb(process) - before < 160
    for client in held:
        client.close()


def test_half_requests_of_an_address(up):
    """Who sends halves of long requests loses them, not the requests of others."""
    other = Client(REGISTRY, source="127.0.0.2")
    half = struct.pack(">I", 1 << 20) + bytes((1 << 19) - 4)
    held = [Client(REGISTRY) for _ in range(130)]
    for client in held:
        try:
            client.sock.sendall(half)
        except OSError:
            pass  # the address has enough
    time.sleep(0.5)
    other.sock.sendall(frame({"type": "beacon_list"})[:9])
    time.sleep(0.5)
    other.sock.sendall(frame({"type": "beacon_list"})[9:])
    assert other.receive()["beacons"] == []


def test_a_long_request_of_many_values_ends_a_connection(up):
    client, other = Client(REGISTRY), Client(REGISTRY)
    client.send(b'{"type":"beacon_list","x":[' + b"0," * (1 << 18) + b"0]}")
    with pytest.raises((Closed, ConnectionResetError)):
        client.receive()
    assert is_served(other)
