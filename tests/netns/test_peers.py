# SPDX-License-Identifier: BSD-3-Clause
"""Two relays that gossip: their nodes reach each other, and nobody else's gossip counts."""
import struct

import pytest

from netlab import DELIVER, RELAY, SYNC, Node, eventually
from topology import LINKS, Mesh

ANNOUNCED = 120  # seconds; twice a minute is asked who is there
ONE, TWO = ("10.0.1.1", 9001), ("10.0.2.1", 9001)


def pair(mesh, link):
    return [mesh.peer_of(number, "--gossip-interval", "1s", link=link) for number in (1, 2)]


def unknown(relay):
    return relay.drops().get("dest_unknown", 0)


@pytest.mark.parametrize("link", LINKS)
def test_nodes_of_two_relays_reach_each_other(lab, link):
    mesh = Mesh(lab)
    relays = pair(mesh, link)
    a, b = Node(lab, mesh.hub, 1001, ONE), Node(lab, mesh.hub, 1002, TWO)
    a.discover()
    b.discover()
    eventually(lambda: a.reaches(b))
    eventually(lambda: b.reaches(a))
    assert all(relay.ask("peers")["peers"] for relay in relays)
    # what nobody knows ends at the first relay
    forwarded, (one, two) = relays[0].counter("forwarded"), map(unknown, relays)
    a.relay(4711, b"nobody")
    eventually(lambda: unknown(relays[0]) == one + 1)
    assert relays[0].counter("forwarded") == forwarded and unknown(relays[1]) == two


@pytest.mark.parametrize("discover", ["on", "off"])
def test_peers_from_a_registry(lab, discover):
    """A third relay is the registry; the two learn of each other there, if they may."""
    mesh = Mesh(lab, range(3))
    mesh.relay(0, "--registry", "embedded", "--registry-listen", "10.0.0.1:9000")
    one, two = [mesh.relay(number, "--registry", "10.0.0.1:9000", "--gossip-discover", discover,
                           "--gossip-interval", "1s") for number in (1, 2)]
    a, b = Node(lab, mesh.hub, 1001, ONE), Node(lab, mesh.hub, 1002, TWO)
    a.discover()
    b.discover()
    if discover == "off":
        eventually(lambda: "beacons=2" in two.process.output(), ANNOUNCED)
        assert not one.ask("peers")["peers"] and not two.ask("peers")["peers"]
        return
    eventually(lambda: a.reaches(b), ANNOUNCED)


@pytest.mark.parametrize("link", LINKS)
def test_gossip_of_a_stranger_is_refused(lab, link):
    mesh = Mesh(lab)
    relay, _ = pair(mesh, link)
    a, b = Node(lab, mesh.hub, 1001, ONE), Node(lab, mesh.hub, 1002, ONE)
    a.discover()
    b.discover()
    lab.address(mesh.hub, "r1", "10.0.1.253/24")
    thief = lab.socket(mesh.hub, bind=("10.0.1.253", 0))
    thief.sendto(struct.pack(">BIHI", SYNC, 9, 1, 1003), ONE)
    eventually(lambda: relay.drops().get("peer_unknown") == 1)
    a.relay(1003, b"stolen?")
    eventually(lambda: unknown(relay) == 1)
    thief.sendto(struct.pack(">BII", RELAY, 1001, 1002) + b"spoofed", ONE)
    eventually(lambda: relay.drops().get("sender_address") == 1)
    a.relay(1002, b"true")
    assert b.expect(DELIVER) == struct.pack(">I", 1001) + b"true"
