# SPDX-License-Identifier: BSD-3-Clause
"""The AF_XDP link under the real binaries: several interfaces, and what happens to them."""
import contextlib
import json
import os
import re
import signal
import socket
import struct
import urllib.request

import pytest

from netlab import DISCOVER, DISCOVER_REPLY, PATIENCE, Node, Relay, eventually, inside, run
from topology import receive_from_xdp, way

BEACON = ("10.0.1.1", 9001)
BURST, BUFFERS, RING = 50, 8192, 2048
MODES = ["engine", "kernel"]
CARRIES = {"engine": "xdp", "kernel": "kernel"}


class Cables:
    """Hosts a and b, each on an interface of its own of the relay."""

    def __init__(self, lab, mtu=1500):
        self.lab, self.mtu = lab, mtu
        self.relay_host = lab.host("relay")
        self.hosts = {}
        for number, name in enumerate("ab", 1):
            host = self.hosts[name] = lab.host(name)
            self.plug(host, number)

    def plug(self, host, number):
        self.lab.cable(self.relay_host, f"w{number}", host, "e", self.mtu)
        self.lab.address(self.relay_host, f"w{number}", f"10.0.{number}.1/24")
        self.lab.address(host, "e", f"10.0.{number}.2/24")
        self.lab.route(host, "default", "via", f"10.0.{number}.1")
        receive_from_xdp(host, "e")

    def relay(self, *arguments, mode="engine", other=None, workers=1):
        return Relay(self.lab, self.relay_host, "--listen", "10.0.1.1:9001", "--workers",
                     str(workers), "--link", f"xdp:w1,mode={mode}", "--link",
                     f"xdp:w2,mode={other or mode}", "--registry", "none", *arguments)

    def nodes(self, relay):
        made = [Node(self.lab, self.hosts[name], number, BEACON)
                for name, number in (("a", 101), ("b", 102))]
        for node in made:
            node.discover()
        relay.await_nodes(2)
        return made


@pytest.fixture
def cables(lab):
    return Cables(lab)


def exchange(a, b, first):
    for number in range(first, first + BURST):
        a.relay(102, struct.pack(">I", number))
        b.relay(101, struct.pack(">I", number))
    for number in range(first, first + BURST):
        assert b.delivered() == (101, struct.pack(">I", number))
        assert a.delivered() == (102, struct.pack(">I", number))


@pytest.mark.parametrize("mode, workers", [("engine", 1), ("engine", 2), ("kernel", 1)])
def test_between_two_interfaces(cables, mode, workers):
    """More frames than a worker has buffers: each one finds its way back to the pool. Two workers
    have an interface each, and what leaves through the other's goes by that one."""
    relay = cables.relay("--police-sender-rate", "0", mode=mode, workers=workers)
    a, b = cables.nodes(relay)
    # before, and while that changes, the companion sends for the link
    eventually(lambda: all(node["resolved"] for node in relay.ask("nodes")["nodes"]))
    exchange(a, b, 0)
    before = relay.counter("companion")
    for first in range(BURST, BUFFERS + 3 * BURST, BURST):
        exchange(a, b, first)
    assert relay.counter("companion") == before
    assert (relay.counter("handed_off") > BUFFERS) == (workers > 1)
    assert not relay.drops()
    assert relay.stop() == 0


@pytest.mark.parametrize("mode, other", [MODES, MODES[::-1]])
def test_one_link_relays_in_the_kernel_and_one_does_not(cables, mode, other):
    """The program relays between the nodes of its own link; what comes from the other one or goes
    there is the engine's, without the companion."""
    relay = cables.relay(mode=mode, other=other)
    a, b = cables.nodes(relay)
    c = Node(cables.lab, cables.hosts["a"], 103, BEACON)
    d = Node(cables.lab, cables.hosts["b"], 104, BEACON)
    c.discover(), d.discover()
    for left, right, by in ((a, c, mode), (c, a, mode), (b, d, other), (d, b, other),
                            (a, b, "engine"), (b, a, "engine")):
        eventually(lambda: way(relay, left, right) == CARRIES[by])
    assert not relay.drops()
    assert relay.stop() == 0


@pytest.mark.parametrize("mode", MODES)
def test_mtu_that_changes_is_followed(cables, mode):
    """What no longer fits leaves in fragments, and is the link's again when it does."""
    relay = cables.relay(mode=mode)
    a, b = cables.nodes(relay)
    for mtu, by in ((1500, CARRIES[mode]), (1300, "sock"), (1500, CARRIES[mode])):
        run("ip", "-n", cables.relay_host, "link", "set", "w2", "mtu", mtu)
        run("ip", "-n", cables.hosts["b"], "link", "set", "e", "mtu", mtu)
        eventually(lambda: way(relay, a, b, 1400) == by)
    assert relay.stop() == 0


@pytest.mark.parametrize("mode", MODES)
def test_jumbo_frames(lab, mode):
    """The program does not complete checksums of more than 2,047 bytes, which local senders leave to be
    done; what does not lie in one buffer is the companion's."""
    cables = Cables(lab, mtu=9000)
    relay = cables.relay(mode=mode)
    a, b = cables.nodes(relay)
    for size in (1000, 2000):
        eventually(lambda size=size: way(relay, a, b, size) == CARRIES[mode])
    assert way(relay, a, b, 3000) == "xdp"
    for size in (3700, 8900):
        assert a.reaches(b, PATIENCE, size)
    assert not relay.drops()
    assert relay.stop() == 0


@pytest.mark.parametrize("mode", MODES)
def test_interface_goes_away(cables, mode):
    """The other interface serves on, and so does the process."""
    relay = cables.relay(mode=mode)
    a, _ = cables.nodes(relay)
    run("ip", "-n", cables.relay_host, "link", "delete", "w2")
    again = Node(cables.lab, cables.hosts["a"], 103, BEACON)
    again.discover()
    relay.await_nodes(3)
    a.relay(102, b"to nowhere")
    a.relay(103, b"still here")
    assert again.delivered() == (101, b"still here")
    assert relay.stop() == 0


def attached(cables, interface):
    shown = run("ip", "-n", cables.relay_host, "link", "show", interface, check=False).stdout
    return "xdp" in shown


@pytest.mark.parametrize("mode", MODES)
def test_interface_made_again(cables, mode):
    """The link comes back on it by itself, and the nodes are still known."""
    relay = cables.relay(mode=mode)
    a, b = cables.nodes(relay)
    before = relay.children()["fairway-dp"]
    run("ip", "-n", cables.relay_host, "link", "delete", "w2")
    cables.plug(cables.hosts["b"], 2)
    eventually(lambda: attached(cables, "w2"))
    assert relay.children()["fairway-dp"] != before
    relay.await_nodes(2)
    eventually(lambda: all(link["up"] for link in relay.ask("links")["links"]))
    b.discover()
    eventually(lambda: a.reaches(b))
    assert relay.stop() == 0


@pytest.mark.parametrize("mode", MODES)
def test_interface_gone_while_the_data_plane_starts(cables, mode):
    """Sock serves, says so, and the link is taken as soon as there is an interface."""
    relay = cables.relay(mode=mode)
    a, b = cables.nodes(relay)
    run("ip", "-n", cables.relay_host, "link", "delete", "w2")
    os.kill(relay.children()["fairway-dp"], signal.SIGKILL)
    eventually(lambda: "link xdp:w2 is not open" in str(relay.ask("status")["warnings"]))
    cables.plug(cables.hosts["b"], 2)
    eventually(lambda: attached(cables, "w2"))
    eventually(lambda: relay.ask("status")["warnings"] == [])
    assert relay.ask("status")["nodes"] == 2
    b.discover()
    a.relay(102, b"over the new cable")
    assert b.delivered() == (101, b"over the new cable")
    assert relay.stop() == 0


@pytest.mark.parametrize("mode", MODES)
def test_interface_that_is_down_at_the_start(cables, mode):
    run("ip", "-n", cables.relay_host, "link", "set", "w2", "down")
    relay = cables.relay(mode=mode)
    assert "link xdp:w2 is not open" in str(relay.ask("status")["warnings"])
    assert not attached(cables, "w2")
    run("ip", "-n", cables.relay_host, "link", "set", "w2", "up")
    eventually(lambda: attached(cables, "w2"))
    assert relay.stop() == 0


def test_losses_in_the_rings_have_names(cables):
    """What the kernel loses because the worker does not come round shows as drops everywhere. Of
    the engine alone: nobody waits for a worker in mode=kernel."""
    relay = cables.relay("--http-listen", "127.0.0.1:9090")
    a, _ = cables.nodes(relay)
    worker = relay.children()["fairway-dp"]
    os.kill(worker, signal.SIGSTOP)
    for _ in range(RING + BUFFERS):
        a.relay(102, b"nobody takes this")
    os.kill(worker, signal.SIGCONT)

    def lost(drops):
        return drops["rx_ring_full"] + drops["rx_no_buffer"]

    eventually(lambda: lost(relay.ask("stats")["drops"]))
    assert lost({d["name"]: d["count"] for d in relay.ask("drops")["drops"]})
    assert next(link["drops"] for link in relay.ask("links")["links"] if link["name"] == "xdp:w1")
    with inside(cables.relay_host):
        page = urllib.request.urlopen("http://127.0.0.1:9090/metrics").read().decode()
    assert sum(int(n) for n in re.findall(r'reason="rx_(?:ring_full|no_buffer)"} (\d+)', page))
    assert relay.stop() == 0


@pytest.mark.parametrize("mode", MODES)
def test_interface_is_as_before(cables, mode):
    relay = cables.relay(mode=mode)
    assert "prog/xdp" in run("ip", "-n", cables.relay_host, "link", "show", "w1").stdout
    assert relay.stop() == 0
    for interface in ("w1", "w2"):
        assert "xdp" not in run("ip", "-n", cables.relay_host, "link", "show", interface).stdout


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return struct.pack(">H", 0xffff & ~total)


def tagged_discover(lab, host, interface, macs, tag, patience=PATIENCE):
    """A Discover with a VLAN tag in the frame, sent from port 4004; the frame that answers it, or
    None."""
    payload = struct.pack(">BIB", DISCOVER, 104, 0)
    addresses = socket.inet_aton("10.0.1.2") + socket.inet_aton(BEACON[0])
    udp = struct.pack(">HHH", 4004, BEACON[1], 8 + len(payload))
    udp += checksum(addresses + struct.pack(">HH", 17, 8 + len(payload)) + udp + payload) + payload
    ip = struct.pack(">BBHHHBB", 0x45, 0, 20 + len(udp), 0, 0, 64, 17)
    ip += checksum(ip + addresses) + addresses
    with inside(host):
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    lab.sockets.append(raw)
    raw.bind((interface, 0))
    raw.settimeout(patience)
    raw.send(macs[1] + macs[0] + struct.pack(">HHH", 0x8100, tag, 0x0800) + ip + udp)
    with contextlib.suppress(TimeoutError):
        while True:
            frame = raw.recv(2048)
            if frame[:6] == macs[0] and struct.pack(">HH", BEACON[1], 4004) in frame:
                return frame
    return None


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("attached_as", ["native", "generic"])
def test_tagged_datagrams_of_other_vlans_are_not_served(cables, mode, attached_as):
    """A priority without a VLAN is no other one; answers go where the route says."""
    relay = cables.relay("--xdp-mode", attached_as, mode=mode)
    cables.nodes(relay)
    host = cables.hosts["a"]
    macs = [bytes.fromhex(json.loads(run("ip", "-j", "-n", at, "link", "show", name).stdout)[0]
                          ["address"].replace(":", ""))
            for at, name in ((host, "e"), (cables.relay_host, "w1"))]
    assert not tagged_discover(cables.lab, host, "e", macs, 77, patience=1)
    answer = tagged_discover(cables.lab, host, "e", macs, 6 << 13)
    assert answer[12:14] == b"\x08\x00" and answer[42] == DISCOVER_REPLY
    assert relay.stop() == 0
