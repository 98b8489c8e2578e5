# SPDX-License-Identifier: BSD-3-Clause
"""ICMP errors that somebody makes up about what the relay sends."""
import os
import socket
import struct

import pytest

from netlab import inside, run, talk
from topology import LINKS, Nets, start_relay

UNREACHABLE, PORT, FRAGMENTATION_NEEDED = 3, 3, 4


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def icmp_error(code, mtu, to):
    """About a datagram of 1,228 bytes from the relay."""
    inner = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 1228, 1, 0, 64, socket.IPPROTO_UDP, 0,
                        socket.inet_aton("10.0.0.1"), socket.inet_aton(to[0]))
    inner += struct.pack(">HHHH", 9001, to[1], 1208, 0)
    error = struct.pack(">BBHHH", UNREACHABLE, code, 0, 0, mtu) + inner
    return error[:2] + struct.pack(">H", checksum(error)) + error[4:]


def fragments_made(host):
    counters = run("ip", "netns", "exec", host, "cat", "/proc/net/snmp").stdout.splitlines()
    names, values = (line.split() for line in counters if line.startswith("Ip:"))
    return int(values[names.index("FragCreates")])


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("code, mtu", [(PORT, 0), (FRAGMENTATION_NEEDED, 68), (FRAGMENTATION_NEEDED, 576)])
def test_errors_that_are_made_up(lab, link, code, mtu):
    """Nothing is lost, and nothing is cut into pieces that would fit the path."""
    nets = Nets(lab, "cone")
    relay = start_relay(nets, link)
    a, b = nets.pair(relay)
    with inside(nets.router), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as liar:
        for seen in (a.seen, b.seen):
            for _ in range(100):
                liar.sendto(icmp_error(code, mtu, seen), ("10.0.0.1", 0))
    before = fragments_made(nets.relay_host)
    for _ in range(20):
        frame = os.urandom(1200)
        talk(a, b, frame)
    assert fragments_made(nets.relay_host) == before
    assert not relay.drops()
    assert relay.stop() == 0
