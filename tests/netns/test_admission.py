# SPDX-License-Identifier: BSD-3-Clause
"""Signed admission against the real relay; the agent signs with libsodium."""
import ctypes
import ctypes.util
import socket
import struct

import pytest

from netlab import Node, eventually
from topology import BEACON, BEACON6, Nets, start_relay

sodium = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")
LINKS = ["sock", "xdp"]


class Agent(Node):
    """A node with a key that answers challenges."""

    def __init__(self, lab, host, node, beacon, seed, **options):
        super().__init__(lab, host, node, beacon, **options)
        self.key, self.secret = ctypes.create_string_buffer(32), ctypes.create_string_buffer(64)
        sodium.crypto_sign_seed_keypair(self.key, self.secret, bytes([seed]) * 32)

    def challenge(self, padded=37):
        """The nonce, None when only the plain answer comes."""
        self.send((struct.pack(">BI", 1, self.node) + self.key.raw).ljust(padded, b"\0"))
        self.expect(2)
        if self.silent():
            return None
        body = self.expect(2)
        assert body[-20:-16] == b"FWC1"
        return body[-16:]

    def prove(self, nonce):
        text = b"fairway-discover:" + struct.pack(">I", self.node) + nonce
        signature = ctypes.create_string_buffer(64)
        sodium.crypto_sign_detached(signature, None, text, ctypes.c_ulonglong(len(text)), self.secret)
        self.send(struct.pack(">BI", 1, self.node), self.key.raw, nonce, signature.raw)
        self.expect(2)


@pytest.mark.parametrize("link", LINKS)
def test_signed_admission(lab, link):
    nets = Nets(lab, "cone")
    relay = start_relay(nets, link, "--admission", "signed")
    # The router sends straight from its own addresses: two hosts that are no NAT.
    a = Agent(lab, nets.router, 501, BEACON, 1, bind=("10.1.0.1", 0))
    moved = Agent(lab, nets.router, 501, BEACON, 1, bind=("10.2.0.1", 0))
    thief = Agent(lab, nets.router, 501, BEACON, 2, bind=("10.2.0.1", 0))

    def endpoint():
        nodes = relay.ask("nodes")["nodes"]
        return nodes[0]["endpoint"] if nodes else None

    def port(node):
        return "%s:%d" % node.socket.getsockname()

    nonce = a.challenge()
    assert endpoint() is None
    a.prove(nonce)
    eventually(lambda: endpoint() == port(a))
    assert a.challenge() is None
    assert thief.challenge() is None
    thief.prove(nonce)
    assert endpoint() == port(a)
    moved.prove(moved.challenge())
    eventually(lambda: endpoint() == port(moved))
    assert relay.ask("stats")["control"]["signatures_good"] == 2


def test_signed_admission_ipv6(lab):
    nets = Nets(lab)
    relay = start_relay(nets, "xdp", "--admission", "signed")
    agent = Agent(lab, nets.router, 601, BEACON6, 1, family=socket.AF_INET6)
    assert agent.challenge() is None  # the challenge would be larger than the request
    agent.prove(agent.challenge(60))
    eventually(lambda: relay.ask("status")["nodes"] == 1)
