# SPDX-License-Identifier: BSD-3-Clause
"""New nodes beside a flood of Discovers from invented addresses that fills the node table."""
import contextlib
import os
import socket
import struct
import threading
import time

import pytest

from netlab import PATIENCE, Node, eventually, inside
from topology import BEACON, LINKS, Nets, start_relay

CAPACITY = 2000
HONEST = 20


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

    def datagram(self):
        udp = struct.pack(">HHHHBI", 1024 + os.urandom(1)[0], self.to[1], 13, 0, 1,
                          0x40000000 | int.from_bytes(os.urandom(3), "big"))
        return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 33, 0, 0, 64, 17, 0, self.source(),
                           socket.inet_aton(self.to[0])) + udp

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
