# SPDX-License-Identifier: BSD-3-Clause
"""Known and new nodes beside floods from invented addresses."""
import contextlib
import os
import socket
import struct
import threading
import time

import pytest

from netlab import (DISCOVER, DISCOVER_EX, PATIENCE, PUNCH_REQUEST, RELAY, SYNC, Node, eventually,
                    inside)
from topology import BEACON, LINKS, Nets, start_relay

CAPACITY = 2000
HONEST = 20


def stranger():
    return 0x40000000 | int.from_bytes(os.urandom(3), "big")


class Throng:
    """Discovers of random nodes from random addresses, 5,000 a second, until it is stopped."""

    BURST, PAUSE = 50, 0.01

    def __init__(self, host, beacon):
        with inside(host):
            self.raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self.to, self.sent, self.stopped = beacon, 0, False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def source(self):
        return bytes([11]) + os.urandom(3)

    def payload(self):
        return struct.pack(">BI", DISCOVER, stranger())

    def datagram(self):
        payload = self.payload()
        udp = struct.pack(">HHHH", 1024 + os.urandom(1)[0], self.to[1], 8 + len(payload), 0)
        return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0, 64, 17, 0,
                           self.source(), socket.inet_aton(self.to[0])) + udp + payload

    def run(self):
        while not self.stopped:
            for _ in range(self.BURST):
                with contextlib.suppress(OSError):  # a full queue
                    self.raw.sendto(self.datagram(), (self.to[0], 0))
                    self.sent += 1
            time.sleep(self.PAUSE)

    def stop(self):
        self.stopped = True
        self.thread.join()
        self.raw.close()


class Medley(Throng):
    """Of everything that a relay takes, and of what it does not, in turn."""

    KINDS = {  # by the drop that counts them; the control plane answers or refuses the rest
        "empty": lambda: b"",
        "unknown_type": lambda: b"\xff" + os.urandom(100),
        "short_message": lambda: bytes([RELAY]) + os.urandom(7),
        "tunnel_frame": lambda: b"PILS" + os.urandom(60),
        "sender_unknown": lambda: struct.pack(">BII", RELAY, stranger(), stranger()) + b"x" * 64,
        "sender_address": lambda: struct.pack(">BII", RELAY, 101, 102) + b"x" * 64,
        "peer_unknown": lambda: struct.pack(">BIHI", SYNC, 9, 1, 102),
        "stun": lambda: struct.pack(">HHI", 1, 0, 0x2112a442) + os.urandom(12),
        "punch": lambda: struct.pack(">BII", PUNCH_REQUEST, stranger(), 102),
        "discover": lambda: struct.pack(">BI", DISCOVER_EX, stranger()) + os.urandom(96),
    }

    def payload(self):
        return list(self.KINDS.values())[self.sent % len(self.KINDS)]()


class Namesake(Throng):
    """The same in the name of one address, without gaps that would give others a turn."""

    BURST, PAUSE = 5, 0.001

    def __init__(self, host, beacon, address):
        self.address = socket.inet_aton(address)
        super().__init__(host, beacon)

    def source(self):
        return self.address


def stay(ring, seconds=5):
    """Whether everybody is reached all the time, without another Discover; some may get lost."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not all(any(a.reaches(b) for _ in range(5)) for a, b in ring):
            return False
    return True


@pytest.mark.parametrize("link", LINKS)
def test_new_nodes_find_a_place(lab, link):
    nets = Nets(lab)
    relay = start_relay(nets, link, "--nodes-capacity", CAPACITY, "--police-punt-rate", 1000)
    old = [nets.node(name, number) for number, name in ((101, "a"), (102, "b"))]
    for node in old:
        node.discover()
    time.sleep(16)  # what a daemon's refresh proves, in less time than daemons take
    for node in old:
        node.discover()
    throng = Throng(nets.router, BEACON)
    try:
        eventually(lambda: relay.ask("stats")["control"]["nodes_evicted"] > CAPACITY / 2)
        new = [Node(lab, nets.router, 200 + i, BEACON, bind=("10.1.0.1", 0)) for i in range(HONEST)]
        ring = list(zip(new + old, new[1:] + old + new[:1]))

        def settled():
            for node in new:  # as daemons do each minute
                node.send(struct.pack(">BI", 1, node.node))
            time.sleep(1)
            return stay(ring)
        eventually(settled, 2 * PATIENCE)
        eventually(lambda: throng.sent > 10 * CAPACITY and
                   relay.ask("stats")["drops"]["police_punt"] > 1000)
    finally:
        throng.stop()
    assert relay.ask("status")["nodes"] <= CAPACITY


@pytest.mark.parametrize("link", ["sock", "xdp", "kernel"])
def test_whose_address_is_used_up_is_heard(lab, link):
    """Who is known keeps being answered while others send in the name of its address."""
    nets = Nets(lab)
    relay = start_relay(nets, link)
    a, b = nets.pair(relay)
    flood = Namesake(nets.router, BEACON, a.seen[0])
    try:
        eventually(lambda: relay.drops().get("police_source", 0) > 1000)
        answered = 0
        for _ in range(30):
            a.send(struct.pack(">BI", 1, a.node))
            with contextlib.suppress(TimeoutError):
                a.expect(2, 1)
                answered += 1
        eventually(lambda: a.reaches(b) and b.reaches(a))
        before = relay.drops()["police_source"]
        eventually(lambda: relay.drops()["police_source"] > before)
    finally:
        flood.stop()
    assert answered > 20


@pytest.mark.parametrize("link", LINKS)
def test_known_nodes_beside_a_medley(lab, link):
    """They are relayed, the processes stay, the log stays short, and all drops have their names."""
    nets = Nets(lab)
    relay = start_relay(nets, link)
    a, b = nets.pair(relay)
    started, children = time.monotonic(), relay.children()
    giant = Node(lab, nets.router, 101, BEACON)  # not where 101 is
    flood = Medley(nets.router, BEACON)
    try:
        def all_counted():
            giant.relay(102, os.urandom(65000))
            drops = relay.drops()
            return all(drops.get(name, 0) > 300 for name in list(Medley.KINDS)[:7])
        eventually(all_counted)
        assert stay([(a, b), (b, a)], 2)
        assert relay.ask("status")["dp"]["connected"]
    finally:
        flood.stop()
    assert relay.children() == children
    windows = (time.monotonic() - started) / 5 + 1
    lines = relay.process.output().count("\n")
    assert lines < 50 + 100 * windows, relay.process.output()[-4000:]
