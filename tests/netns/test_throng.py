# SPDX-License-Identifier: BSD-3-Clause
"""New nodes beside a flood of Discovers from invented addresses that fills the node table."""
import contextlib
import os
import socket
import struct
import threading
import time

import pytest

from netlab import Node, eventually, inside
from topology import BEACON, Nets, start_relay

CAPACITY = 2000
HONEST = 20


class Throng:
    """Discovers of random nodes from random addresses, thousands a second, until it is stopped."""

    def __init__(self, host, beacon):
        with inside(host):
            self.raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self.to, self.sent, self.stopped = beacon, 0, False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def datagram(self):
        source = bytes([11]) + os.urandom(3)
        udp = struct.pack(">HHHHBI", 1024 + os.urandom(1)[0], self.to[1], 13, 0, 1,
                          0x40000000 | int.from_bytes(os.urandom(3), "big"))
        return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 33, 0, 0, 64, 17, 0, source,
                           socket.inet_aton(self.to[0])) + udp

    def run(self):
        while not self.stopped:
            with contextlib.suppress(OSError):  # a full queue
                self.raw.sendto(self.datagram(), (self.to[0], 0))
                self.sent += 1

    def stop(self):
        self.stopped = True
        self.thread.join()
        self.raw.close()


def reaches(a, b):
    frame = os.urandom(8)
    a.relay(b.node, frame)
    try:
        return b.delivered(0.5) == (a.node, frame)
    except TimeoutError:
        return False


@pytest.mark.parametrize("link", ["sock", "xdp"])
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
        eventually(lambda: relay.ask("stats")["control"]["nodes_evicted"] > CAPACITY / 2, 30)
        new = [Node(lab, nets.router, 200 + i, BEACON, bind=("10.1.0.1", 0)) for i in range(HONEST)]
        for _ in range(3):  # as daemons do each minute; one datagram may get lost
            for node in new:
                node.send(struct.pack(">BI", 1, node.node))
            time.sleep(1)
        for _ in range(5):
            for a, b in zip(new + old, new[1:] + old[1:] + new[:1]):
                assert reaches(a, b) or reaches(a, b), (a.node, b.node, relay.ask("drops"))
            time.sleep(0.5)
    finally:
        throng.stop()
    stats = relay.ask("stats")
    assert throng.sent > 10 * CAPACITY
    assert stats["drops"]["police_punt"] > 1000
    assert relay.ask("status")["nodes"] <= CAPACITY
