# SPDX-License-Identifier: BSD-3-Clause
"""Two relays that gossip: their nodes reach each other, and nobody else's gossip counts."""
import struct

import pytest

from netlab import DELIVER, RELAY, SYNC, Node, Relay, eventually
from topology import LINKS, receive_from_xdp

ANNOUNCED = 120  # seconds; twice a minute is asked who is there
ONE, TWO = ("10.0.1.1", 9001), ("10.0.2.1", 9001)


def mesh(lab, link):
    """relay one (10.0.1.1) -- hub -- relay two (10.0.2.1); nodes are on the hub."""
    hub, relays = lab.host("hub"), []
    for number, (own, peer) in enumerate(((ONE, TWO), (TWO, ONE)), 1):
        host = lab.host(f"relay{number}")
        lab.cable(host, "w", hub, f"r{number}")
        lab.address(host, "w", f"10.0.{number}.1/24")
        lab.address(hub, f"r{number}", f"10.0.{number}.254/24")
        lab.route(host, "default", "via", f"10.0.{number}.254")
        receive_from_xdp(hub, f"r{number}")
        relays.append((host, own, peer))
    lab.forwarding(hub)
    started = [Relay(lab, host, "--listen", f"{own[0]}:{own[1]}",
                     "--link", LINKS[link], "--registry", "none",
                     "--gossip-peers", f"{peer[0]}:{peer[1]}", "--gossip-interval", "1s",
                     "--gossip-beacon-id", str(number))
               for number, (host, own, peer) in enumerate(relays, 1)]
    return hub, started


@pytest.mark.parametrize("link", LINKS)
def test_nodes_of_two_relays_reach_each_other(lab, link):
    hub, relays = mesh(lab, link)
    a, b = Node(lab, hub, 1001, ONE), Node(lab, hub, 1002, TWO)
    a.discover()
    b.discover()
    eventually(lambda: a.reaches(b))
    eventually(lambda: b.reaches(a))
    # a node that both would like to own goes to the peer that still has it, and never in circles
    a.relay(4711, b"nobody")
    assert a.silent() and b.silent()
    assert all(relay.ask("peers")["peers"] for relay in relays)


@pytest.mark.parametrize("discover", ["on", "off"])
def test_peers_from_a_registry(lab, discover):
    """A third relay is the registry; the two learn of each other there, if they may."""
    hub = lab.host("hub")
    hosts = [lab.host(f"relay{number}") for number in range(3)]
    lab.forwarding(hub)
    for number, host in enumerate(hosts):
        lab.cable(host, "w", hub, f"r{number}")
        lab.address(host, "w", f"10.0.{number}.1/24")
        lab.address(hub, f"r{number}", f"10.0.{number}.254/24")
        lab.route(host, "default", "via", f"10.0.{number}.254")
    Relay(lab, hosts[0], "--registry", "embedded", "--registry-listen", "10.0.0.1:9000")
    one, two = [Relay(lab, host, "--listen", f"10.0.{number}.1:9001", "--registry", "10.0.0.1:9000",
                      "--gossip-beacon-id", str(number), "--gossip-discover", discover,
                      "--gossip-interval", "1s")
                for number, host in enumerate(hosts[1:], 1)]
    a, b = Node(lab, hub, 1001, ONE), Node(lab, hub, 1002, TWO)
    a.discover()
    b.discover()
    if discover == "off":
        eventually(lambda: "beacons=2" in two.process.output(), ANNOUNCED)
        assert not one.ask("peers")["peers"] and not two.ask("peers")["peers"]
        return
    eventually(lambda: a.reaches(b), ANNOUNCED)


def test_gossip_of_a_stranger_is_refused(lab):
    hub, relays = mesh(lab, "sock")
    a, b = Node(lab, hub, 1001, ONE), Node(lab, hub, 1002, ONE)
    a.discover()
    b.discover()
    lab.address(hub, "r1", "10.0.1.253/24")
    thief = lab.socket(hub, bind=("10.0.1.253", 0))
    thief.sendto(struct.pack(">BIHI", SYNC, 9, 1, 1003), ONE)
    eventually(lambda: {d["name"]: d["count"] for d in relays[0].ask("drops")["drops"]}
               ["peer_unknown"] == 1)
    a.relay(1003, b"stolen?")
    thief.settimeout(0.3)
    with pytest.raises(TimeoutError):
        thief.recv(100)
    thief.sendto(struct.pack(">BII", RELAY, 1001, 1002) + b"spoofed", ONE)
    assert b.silent()
    a.relay(1002, b"true")
    assert b.expect(DELIVER) == struct.pack(">I", 1001) + b"true"
