# SPDX-License-Identifier: BSD-3-Clause
"""Gossip between two relays: more nodes than a datagram holds, restarts, peers that fall silent."""
import os
import signal
import struct
import threading
import time

import pytest

from load import Load
from netlab import PATIENCE, RELAY, SYNC, Node, eventually, run
from topology import LINKS, RAW_LINKS, Mesh, Nets, start_relay

ONE, TWO = ("10.0.1.1", 9001), ("10.0.2.1", 9001)
UNLIMITED = ["--police-source-rate", "0", "--police-punt-rate", "0"]


def remote(relay):
    return relay.ask("status")["nodes_remote"]


@pytest.mark.parametrize("link", RAW_LINKS)
def test_more_nodes_than_a_sync_holds(lab, link):
    mesh = Mesh(lab)
    mesh.peer_of(1, "--gossip-extra-ports", "9101-9102", *UNLIMITED, link=link)
    two = mesh.peer_of(2, *UNLIMITED)
    last = Node(lab, mesh.hub, 50000, TWO)
    last.discover()
    Load(lab, mesh.hub, "register", ONE, nodes=40000, first_id=1, rate=40000,
         seconds=3).result()
    late = Node(lab, mesh.hub, 60000, ONE)
    late.discover()
    eventually(lambda: remote(two) == 40001)
    sources = {p["address"]: p["nodes"] for p in two.ask("peers")["peers"]}
    assert set(sources) == {"10.0.1.1:9001", "10.0.1.1:9101", "10.0.1.1:9102"}
    assert max(sources.values()) == 16375 and sum(sources.values()) == 40001
    # Both ways through a source port of the gossip, which is not the one that nodes use.
    eventually(lambda: late.reaches(last))
    eventually(lambda: last.reaches(late))


def test_a_relay_is_no_peer_of_itself(lab):
    """So relays can share a list of peers."""
    nets = Nets(lab)
    relay = start_relay(nets, "sock", "--gossip-beacon-id", 1, "--gossip-interval", "1s",
                        "--gossip-peers", "10.0.0.1:9001", "--gossip-peers", "10.0.0.254:9001")
    other = lab.socket(nets.router, bind=("10.0.0.254", 9001))
    for _ in range(2):
        assert other.recv(100)[0] == SYNC
    assert {peer["address"] for peer in relay.ask("peers")["peers"]} == {"10.0.0.254:9001"}
    assert relay.ask("stats")["control"]["sync_received"] == 0


@pytest.mark.parametrize("link", LINKS)
def test_restarts_of_control_planes_lose_no_remote_node(lab, link):
    mesh = Mesh(lab)
    relays = [mesh.peer_of(number, *UNLIMITED, link=link) for number in (1, 2)]
    a, b = Node(lab, mesh.hub, 1001, ONE), Node(lab, mesh.hub, 1002, TWO)
    a.discover()
    b.discover()
    eventually(lambda: a.reaches(b) and b.reaches(a))
    for relay in relays:
        os.kill(relay.children()["fairway-cp"], signal.SIGKILL)
    until = time.monotonic() + 3
    while time.monotonic() < until:
        assert a.reaches(b, PATIENCE) and b.reaches(a, PATIENCE)
    for relay in relays:
        assert relay.ask("status")["dp"]["connected"] and remote(relay) == 1


@pytest.mark.parametrize("link", LINKS)
def test_a_peer_that_speaks_the_protocol_alone(lab, link):
    """What a Go beacon does, in both directions, with a peer made of a socket."""
    mesh = Mesh(lab)
    relay = mesh.peer_of(1, "--gossip-interval", "1s", link=link)
    peer = lab.socket(mesh.hosts[2], bind=TWO)
    node = Node(lab, mesh.hub, 1001, ONE)
    node.discover()

    def told():
        datagram = peer.recv(65535)
        kind, beacon, count = struct.unpack(">BIH", datagram[:7])
        return kind == SYNC and beacon == 1 and count and struct.unpack(">I", datagram[7:11])
    assert eventually(told) == (1001,)
    peer.sendto(struct.pack(">BIHI", SYNC, 2, 1, 2002), ONE)
    eventually(lambda: remote(relay) == 1)
    node.relay(2002, b"out")
    eventually(lambda: peer.recv(65535) == struct.pack(">BII", RELAY, 1001, 2002) + b"out")
    peer.sendto(struct.pack(">BII", RELAY, 2002, 1001) + b"in", ONE)
    assert node.delivered() == (2002, b"in")
    # Split horizon: what a peer sends is never sent on to a peer.
    peer.sendto(struct.pack(">BII", RELAY, 2002, 2002) + b"loop", ONE)
    peer.sendto(struct.pack(">BIH", SYNC, 2, 0), ONE)
    eventually(lambda: remote(relay) == 0)
    eventually(lambda: relay.drops().get("split_horizon") == 1)


@pytest.mark.parametrize("link", RAW_LINKS)
def test_reload_loses_nothing(lab, tmp_path, link):
    """Settings change, relay datagrams do not notice; a wrong file changes nothing."""
    mesh = Mesh(lab)
    file = tmp_path / "fairway.yaml"
    tmp_path.chmod(0o755)
    file.write_text("admission:\n  silence: 90s\n")
    file.chmod(0o644)
    run("chmod", "o+x", tmp_path.parent, tmp_path.parent.parent)
    relay = mesh.peer_of(1, "--config", file, *UNLIMITED, link=link)
    a, b = Node(lab, mesh.hub, 1001, ONE), Node(lab, mesh.hub, 1002, ONE)
    a.discover()
    b.discover()
    eventually(lambda: a.reaches(b))
    lost, stop = [], threading.Event()

    def traffic():
        while not stop.is_set():
            if not a.reaches(b, PATIENCE):
                lost.append(time.monotonic())
    thread = threading.Thread(target=traffic)
    thread.start()
    file.write_text("admission:\n  silence: 60s\nttl: 33\ncpus: [0]\n")
    answer = relay.request("reload")
    assert answer["ok"] and set(answer["result"]["applied"]) == {"admission.silence", "ttl"}
    assert answer["result"]["restart"] == ["cpus"]
    file.write_text("admission:\n  silence: soon\n")
    answer = relay.request("reload")
    assert not answer["ok"] and ":2:" in answer["error"]
    os.kill(relay.children()["fairway-cp"], signal.SIGHUP)
    eventually(lambda: relay.process.output().count("configuration not reloaded") == 2)
    stop.set()
    thread.join()
    assert not lost
    assert relay.request("settings")["result"]["settings"]["ttl"] == "33"
