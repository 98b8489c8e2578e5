# SPDX-License-Identifier: BSD-3-Clause
"""Two agents behind NATs exchange frames through the real binaries, on both kinds of link."""
import os
import signal
import socket
import struct
import time
import zlib

import pytest

from load import Load
from netlab import (DELIVER, DELIVER_DEST, DISCOVER, DISCOVER_EX, DISCOVER_REPLY, PATIENCE,
                    PUNCH_COMMAND, PUNCH_REQUEST, RELAY, Node, assert_unprivileged, eventually,
                    process_status, run, talk)
from topology import BEACON, BEACON6, LINKS, RAW_LINKS, Nets, start_relay, way


@pytest.mark.parametrize("kind", ["symmetric", "cone"])
@pytest.mark.parametrize("link", LINKS)
def test_frames_go_both_ways_behind_nats(lab, link, kind):
    nets = Nets(lab, kind)
    relay = start_relay(nets, link)
    a, b = nets.pair(relay)
    assert (a.seen[0], b.seen[0]) == ("10.1.0.2", "10.2.0.2")
    for size in (0, 1, 64, 1200):
        frame = os.urandom(size)
        talk(a, b, frame)
    assert relay.stop() == 0


@pytest.mark.parametrize("link", LINKS)
def test_an_answer_means_known(lab, link):
    """A new node sends, and is reached, with the first datagrams behind its DiscoverReply."""
    nets = Nets(lab, "cone")
    relay = start_relay(nets, link, "--police-source-rate", "0")
    a, b = nets.pair(relay)
    eventually(lambda: a.reaches(b))
    for number in range(1000, 1300):
        new = nets.node("a", number)
        new.discover()
        assert_known(new, b)
    assert not relay.drops()


def assert_known(node, other):
    """With the first datagrams, one each way."""
    node.relay(other.node, b"from")
    other.relay(node.node, b"to")
    assert other.delivered() == (node.node, b"from")
    assert node.delivered() == (other.node, b"to")


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("places", [1000, 1])
def test_nothing_is_answered_that_the_tables_do_not_know(lab, link, places):
    """While the control plane stands still nobody who comes or moves gets an answer, and all others
    go on. Afterwards the answers come, and hold at once."""
    nets = Nets(lab, "cone")
    relay = start_relay(nets, link, "--sender-check", "endpoint", "--xdp-kernel-nodes", places)
    a, b = nets.pair(relay)
    eventually(lambda: a.reaches(b))
    control = relay.children()["fairway-cp"]
    os.kill(control, signal.SIGSTOP)
    time.sleep(1.5)
    late = [nets.node("a", number) for number in (101, 103, 104)]
    for node in late:
        node.send(struct.pack(">BI", DISCOVER, node.node))
    a.discover()
    assert a.reaches(b, PATIENCE) and b.reaches(a, PATIENCE)
    assert not any(node.hears() for node in late)
    os.kill(control, signal.SIGCONT)
    for node in late:
        assert node.expect(DISCOVER_REPLY)
        assert_known(node, b)
    assert not relay.drops()


@pytest.mark.parametrize("link", LINKS)
def test_order_of_a_flow(lab, link):
    nets = Nets(lab)
    relay = start_relay(nets, link)
    a, b = nets.pair(relay)
    for first in range(0, 2000, 50):
        for number in range(first, first + 50):
            a.relay(102, struct.pack(">I", number))
        for number in range(first, first + 50):
            assert b.delivered() == (101, struct.pack(">I", number))


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("size", [1600, 4166, 20000, 65000])
def test_frames_larger_than_the_mtu(lab, link, size):
    nets = Nets(lab)
    relay = start_relay(nets, link)
    a, b = nets.pair(relay)
    frame = os.urandom(size)
    a.relay(102, frame)
    assert b.delivered() == (101, frame)


def test_the_generator_sends_frames_larger_than_the_mtu(lab):
    """The kernel refuses trains of them; singly it cuts them into fragments."""
    nets = Nets(lab)
    start_relay(nets, "sock", "--police-source-rate", "0")
    found = Load(lab, nets.router, "relay", BEACON, nodes=16, sockets=1, size=4166, rate=20000,
                 seconds=0.5, **{"from": "10.0.0.254"}).result()
    assert found["sent"] > found["refused"]
    assert found["received"] > 0


@pytest.mark.parametrize("link", LINKS)
def test_ipv6_and_mixed_families(lab, link):
    nets = Nets(lab)
    # agent c is on the router itself, with IPv6 only
    c = Node(lab, nets.router, 103, BEACON6, family=socket.AF_INET6, bind=("fd00:1::1", 0))
    relay = start_relay(nets, link)
    a, _ = nets.pair(relay)
    assert c.discover()[0] == "fd00:1::1"
    relay.await_nodes(3)
    for frame in (b"", b"x", os.urandom(1101)):
        talk(a, c, frame)


@pytest.mark.parametrize("link", LINKS)
def test_discover_ex_gets_the_destination_too(lab, link):
    nets = Nets(lab)
    relay = start_relay(nets, link)
    a, b = nets.pair(relay)
    b.discover(DISCOVER_EX)
    eventually(lambda: "carry" in str(relay.ask("node", "102")).lower())
    a.relay(102, b"hello")
    assert b.expect(DELIVER_DEST) == struct.pack(">II", 101, 102) + b"hello"
    b.relay(101, b"back")
    assert a.expect(DELIVER) == struct.pack(">I", 102) + b"back"


@pytest.mark.parametrize("link", LINKS)
def test_node_zero_is_answered_and_never_routed(lab, link):
    nets = Nets(lab)
    relay = start_relay(nets, link)
    a, _ = nets.pair(relay)
    zero = nets.node("b", 0)
    assert zero.discover()[0] == "10.2.0.2"
    a.relay(0, b"nobody")
    assert zero.silent()
    assert eventually(lambda: relay.drops().get("node_zero")) == 1


@pytest.mark.parametrize("link", LINKS)
def test_punch_commands_to_both_sides(lab, link):
    nets = Nets(lab)
    relay = start_relay(nets, link)
    a, b = nets.pair(relay)
    a.send(struct.pack(">BII", PUNCH_REQUEST, 101, 102))
    for node, other in ((a, b), (b, a)):
        assert node.expect(PUNCH_COMMAND) == (
            b"\x04" + socket.inet_aton(other.seen[0]) + struct.pack(">H", other.seen[1]))


@pytest.mark.parametrize("link", LINKS)
def test_stun_binding(lab, link):
    nets = Nets(lab)
    start_relay(nets, link)
    a = nets.node("a", 101)
    seen = a.discover()
    software = struct.pack(">HH", 0x8022, 20) + b"a client of the test"
    request = struct.pack(">HHI", 1, len(software) + 8, 0x2112A442) + b"transaction!" + software
    a.send(request, struct.pack(">HHI", 0x8028, 4, zlib.crc32(request) ^ 0x5354554E))
    answer = b"\1" + a.expect(1)  # not an answer to a Discover that was repeated
    kind, length, cookie = struct.unpack(">HHI", answer[:8])
    assert (kind, length, cookie, answer[8:20]) == (0x0101, len(answer) - 20, 0x2112A442,
                                                    b"transaction!")
    attributes, rest = {}, answer[20:]
    while rest:
        name, size = struct.unpack(">HH", rest[:4])
        attributes[name] = rest[4:4 + size]
        rest = rest[4 + (size + 3) // 4 * 4:]
    xored = attributes[0x0020]
    assert struct.unpack(">H", xored[2:4])[0] ^ 0x2112 == seen[1]
    assert bytes(x ^ y for x, y in zip(xored[4:], struct.pack(">I", cookie))) == \
        socket.inet_aton(seen[0])
    assert 0x8022 in attributes and 0x8028 in attributes


@pytest.mark.parametrize("link", LINKS)
def test_a_live_node_cannot_be_taken_over_but_a_rebind_is_learnt(lab, link):
    nets = Nets(lab)
    relay = start_relay(nets, link)
    a, b = nets.pair(relay)
    thief = nets.node("b", 101)
    thief.discover()
    a.relay(102, b"still me")
    assert b.delivered() == (101, b"still me")
    b.relay(101, b"for a")
    assert a.delivered() == (102, b"for a")
    assert thief.silent()
    thief.relay(102, b"spoofed")
    assert b.silent()
    assert eventually(lambda: relay.drops().get("sender_address")) == 1
    rebound = nets.node("a", 101)
    port = rebound.discover()[1]
    eventually(lambda: str(port) in str(relay.ask("node", "101")))
    b.relay(101, b"to the new port")
    assert rebound.delivered() == (102, b"to the new port")


@pytest.mark.parametrize("link", LINKS)
def test_unknown_sender_destination_and_garbage_have_names(lab, link):
    nets = Nets(lab)
    relay = start_relay(nets, link)
    a, _ = nets.pair(relay)
    a.relay(999, b"x")
    a.send(struct.pack(">BII", RELAY, 998, 102), b"x")
    a.send(b"\x05\x00\x00")
    a.send(b"PILS" + bytes(40))
    a.send(b"\xee")
    eventually(lambda: relay.drops() == {"dest_unknown": 1, "sender_unknown": 1, "short_message": 1,
                                        "tunnel_frame": 1, "unknown_type": 1})


@pytest.mark.parametrize("link", RAW_LINKS)
def test_the_link_really_carries_the_traffic(lab, link):
    nets = Nets(lab)
    relay = start_relay(nets, link)
    a, b = nets.pair(relay)
    eventually(lambda: way(relay, a, b) == link)
    eventually(lambda: {link["name"]: link for link in relay.ask("links")["links"]}
               ["xdp:w"]["tx_datagrams"] > 0)


@pytest.mark.parametrize("link", RAW_LINKS)
def test_the_host_keeps_its_other_traffic(lab, link):
    nets = Nets(lab)
    start_relay(nets, link)
    run("ip", "netns", "exec", nets.router, "ping", "-c", "2", "-i", "0.2", "-W", "2", "10.0.0.1")
    run("ip", "netns", "exec", nets.router, "ping", "-c", "2", "-i", "0.2", "-W", "2", "fd00::1")
    other = lab.socket(nets.relay_host, bind=("10.0.0.1", 9002))
    sender = lab.socket(nets.router)
    sender.sendto(b"not for the relay", ("10.0.0.1", 9002))
    assert other.recv(100) == b"not for the relay"


@pytest.mark.parametrize("link", LINKS)
def test_nothing_of_root_is_left_while_serving(lab, link):
    nets = Nets(lab)
    relay = start_relay(nets, link)
    children = relay.children()
    for name in ("fairway-dp", "fairway-cp"):
        assert_unprivileged(children[name])
    # it keeps what the next data plane needs, and uses none of it
    supervisor = process_status(children["fairway"])
    assert int(supervisor["CapEff"], 16) == 0 and "0" not in supervisor["Uid"].split()
    for name in ("admin.sock", "dp.sock", "notify.sock"):
        assert os.stat(os.path.join(relay.state.name, name)).st_mode & 0o777 == 0o600
