# SPDX-License-Identifier: BSD-3-Clause
"""Signed admission against the real relay; the agent signs with libsodium."""
import contextlib
import ctypes
import ctypes.util
import socket
import struct

import pytest

import registry_client
from netlab import DISCOVER_REPLY, PATIENCE, Node, Relay, eventually, inside
from topology import BEACON, BEACON6, LINKS, RAW_LINKS, Nets, start_relay

sodium = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")


class Agent(Node):
    """A node with a key that answers challenges."""

    def __init__(self, lab, host, node, beacon, seed, **options):
        super().__init__(lab, host, node, beacon, **options)
        self.key, self.secret = ctypes.create_string_buffer(32), ctypes.create_string_buffer(64)
        sodium.crypto_sign_seed_keypair(self.key, self.secret, bytes([seed]) * 32)

    def challenge(self, padded=37, timeout=PATIENCE):
        """The nonce, which comes behind the plain answer."""
        self.discover()  # resolves neighbours on the way
        self.send((struct.pack(">BI", 1, self.node) + self.key.raw).ljust(padded, b"\0"))
        body = self.expect(DISCOVER_REPLY)
        while body[-20:-16] != b"FWC1":
            body = self.expect(DISCOVER_REPLY, timeout)
        return body[-16:]

    def is_challenged(self):
        try:
            return bool(self.challenge(timeout=0.3))
        except TimeoutError:
            return False

    def prove(self, nonce):
        text = b"fairway-discover:" + struct.pack(">I", self.node) + nonce
        signature = ctypes.create_string_buffer(64)
        sodium.crypto_sign_detached(signature, None, text, ctypes.c_ulonglong(len(text)), self.secret)
        self.send(struct.pack(">BI", 1, self.node), self.key.raw, nonce, signature.raw)
        self.expect(DISCOVER_REPLY)


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
    assert not a.is_challenged()
    assert not thief.is_challenged()
    thief.prove(nonce)
    assert endpoint() == port(a)
    moved.prove(moved.challenge())
    eventually(lambda: endpoint() == port(moved))
    assert relay.ask("stats")["control"]["signatures_good"] == 2


def registered(nets, count, *arguments, public=True):
    """A registry on the router, as it would be somebody else's, and nodes with seeds from 1 on."""
    registry = Relay(nets.lab, nets.router, "--registry", "embedded", "--listen", "10.0.0.254:9001",
                     "--registry-listen", "10.0.0.254:9000", *arguments)
    with inside(nets.router):
        client = registry_client.Client(("10.0.0.254", 9000), source="10.0.0.254")
        nodes = [registry_client.Node(seed + 1) for seed in range(count)]
        for node in nodes:
            node.register(client)
            node.own(client, "set_visibility", public=public)
    return registry, [node.id for node in nodes]


def seeded(lab, nets, node, seed, bind):
    agent = Agent(lab, nets.router, node, BEACON, 0, bind=(bind, 0))
    sodium.crypto_sign_seed_keypair(agent.key, agent.secret, seed.to_bytes(32, "big"))
    return agent


def test_signed_admission_with_keys_of_a_registry(lab):
    nets = Nets(lab, "cone")
    registry, (first, second) = registered(nets, 2)
    relay = Relay(lab, nets.relay_host, "--listen", "10.0.0.1:9001", "--admission", "signed",
                  "--registry", "10.0.0.254:9000")

    def judged(agent):
        agent.prove(agent.challenge())
        control = relay.ask("stats")["control"]
        return control["nodes_new"], control["refused_key"]

    # as often as it takes until the registry has answered the relay
    for agent, verdict in ((seeded(lab, nets, first, 1, "10.1.0.1"), (1, 0)),
                           (seeded(lab, nets, second, 3, "10.2.0.1"), (1, 1)),  # another's key
                           (seeded(lab, nets, 4711, 4, "10.2.0.1"), (1, 2))):  # unknown there
        eventually(lambda: judged(agent) == verdict)  # noqa: B023
    assert [node["node"] for node in relay.ask("nodes")["nodes"]] == [first]
    # who has the key that the registry knows takes the id over from anywhere; nobody else does
    registry.stop()
    moved = seeded(lab, nets, first, 1, "10.2.0.1")
    moved.prove(moved.challenge())
    assert relay.ask("nodes")["nodes"][0]["endpoint"] == "%s:%d" % moved.socket.getsockname()
    unsaid = seeded(lab, nets, 4712, 5, "10.2.0.1")
    unsaid.prove(unsaid.challenge())
    assert relay.ask("status")["nodes"] == 1


@pytest.mark.parametrize("where", ["embedded", "elsewhere"])
def test_signed_admission_after_a_rotated_key(lab, where):
    nets = Nets(lab, "cone")
    serve = ["--listen", "10.0.0.1:9001", "--admission", "signed"]
    if where == "elsewhere":
        registered(nets, 0)
        relay = Relay(lab, nets.relay_host, *serve, "--registry", "10.0.0.254:9000")
    else:
        relay = Relay(lab, nets.relay_host, *serve, "--registry", "embedded",
                      "--registry-listen", "10.0.0.1:9000")
    node, new = registry_client.Node(1), registry_client.Node(2)
    with inside(nets.router):
        client = registry_client.Client(
            ("10.0.0.254" if where == "elsewhere" else "10.0.0.1", 9000))
        node.register(client)
    old_key = seeded(lab, nets, node.id, 1, "10.1.0.1")
    new_key = seeded(lab, nets, node.id, 2, "10.2.0.1")

    def proves(agent):
        """Discovers, signed if it is challenged, until the relay has it where it is."""
        with contextlib.suppress(TimeoutError):
            agent.prove(agent.challenge(timeout=0.3))
        nodes = relay.ask("nodes")["nodes"]
        return bool(nodes) and nodes[0]["endpoint"] == "%s:%d" % agent.socket.getsockname()
    eventually(lambda: proves(old_key))
    assert not proves(new_key)
    node.ask(client, "rotate_key", f"rotate:{node.id}", node_id=node.id,
             new_public_key=new.public_key)
    eventually(lambda: proves(new_key))
    assert not proves(old_key)


@pytest.mark.parametrize("public", [True, False], ids=["public", "private"])
def test_anchored_admission_at_a_registry(lab, tmp_path, public):
    """It tells where public nodes are; and where private ones are to who has its token."""
    nets = Nets(lab, "cone")
    (tmp_path / "token").write_text("s3 \"cret\"\n")
    token = [] if public else ["--registry-admin-token-file", tmp_path / "token"]
    _, (node,) = registered(nets, 1, *token, public=public)
    relay = Relay(lab, nets.relay_host, "--listen", "10.0.0.1:9001", "--admission", "anchored",
                  "--registry", "10.0.0.254:9000", *token)
    thief = Node(lab, nets.router, node, BEACON, bind=("10.1.0.1", 0))
    true = Node(lab, nets.router, node, BEACON, bind=("10.0.0.254", 0))

    def endpoint():
        true.discover()
        return relay.ask("nodes")["nodes"][0]["endpoint"] == "%s:%d" % true.socket.getsockname()
    thief.discover()  # makes the relay ask, is believed until the answer comes
    eventually(endpoint, every=0.5)
    thief.discover()
    assert endpoint()
    assert relay.ask("stats")["control"]["refused_anchor"] >= 1


@pytest.mark.parametrize("link", RAW_LINKS)
def test_signed_admission_ipv6(lab, link):
    nets = Nets(lab)
    relay = start_relay(nets, link, "--admission", "signed")
    agent = Agent(lab, nets.router, 601, BEACON6, 1, family=socket.AF_INET6)
    assert not agent.is_challenged()  # the challenge would be larger than the request
    agent.prove(agent.challenge(60))
    eventually(lambda: relay.ask("status")["nodes"] == 1)
