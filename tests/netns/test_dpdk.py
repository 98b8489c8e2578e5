# SPDX-License-Identifier: BSD-3-Clause
"""dpdk links on devices that need no card: the relay's traffic takes them, the host's still works.

`af_packet`: net_af_packet on the veth; the kernel's interface stays the host's.
`tap`: the veth in a bridge with a net_tap, as if the net_tap were the card; the host's address is on
the tap that the link makes its own (here made beforehand, as an operator does who configures it).
"""
import json
import os
import re
import signal
import socket
import struct

import pytest

from netlab import BUILD, Node, Relay, assert_unprivileged, eventually, run, talk
from topology import BEACON6, Nets

pytestmark = pytest.mark.skipif(
    "without dpdk" in run(BUILD / "fairway", "version").stdout, reason="built without dpdk")
LINKS = ["af_packet", "tap"]


class DpdkNets(Nets):
    def __init__(self, lab, link):
        super().__init__(lab)
        self.link = link
        if link == "tap":
            self.bridge()

    def bridge(self):
        host = self.relay_host
        for words in (["link", "add", "lan", "type", "bridge"], ["link", "set", "lan", "up"],
                      ["address", "flush", "dev", "w"],
                      ["-6", "route", "flush", "default"], ["link", "set", "w", "master", "lan"],
                      ["tuntap", "add", "dev", "fairway0", "mode", "tap", "user", "nobody"]):
            run("ip", "-n", host, *words)
        run("ip", "-n", host, "link", "set", "fairway0", "up")
        self.lab.address(host, "fairway0", "10.0.0.1/24", "fd00::1/64")
        self.lab.route(host, "default", "via", "10.0.0.254")
        self.lab.route(host, "default", "via", "fd00::254")

    def start(self, *arguments, device=None):
        device = device or {"tap": "net_tap0,iface=card", "af_packet": "net_af_packet0,iface=w"}[
            self.link]
        relay = Relay(self.lab, self.relay_host, "--listen", "10.0.0.1:9001", "--listen",
                      "[fd00::1]:9001", "--link", "dpdk:" + device, "--registry", "none",
                      *arguments)
        assert "dpdk:" in relay.process.output().split("ready ")[1]
        if self.link == "tap":
            # a bridge takes what is for the address of one of its ports for its own
            run("ip", "-n", self.relay_host, "link", "set", "card", "address",
                "02:00:00:00:00:99", "master", "lan", "up")
        self.settle(relay)
        return relay

    def settle(self, relay):
        """Until next hops are known: then relay datagrams leave by the dpdk link."""
        self.ping("10.0.0.1")

    def ping(self, address, *words):
        return eventually(lambda: run("ip", "netns", "exec", self.router, "ping", "-c", "3", "-i",
                                      "0.2", "-W", "1", *words, address, check=False
                                      ).returncode == 0)


def companion(relay):
    return relay.counter("companion")


def companion_is_out_of_use(relay, a, b):
    before = companion(relay)
    return a.reaches(b) and companion(relay) == before


@pytest.mark.parametrize("link", LINKS)
def test_frames_both_ways_once_each(lab, link):
    nets = DpdkNets(lab, link)
    relay = nets.start()
    a, b = nets.pair(relay)
    for size in (0, 1, 64, 1200, 1600, 20000):
        frame = os.urandom(size)
        talk(a, b, frame)
    assert a.silent() and b.silent()
    assert relay.stop() == 0
    assert not re.search("level=error", relay.process.output())


@pytest.mark.parametrize("link", LINKS)
def test_order_of_a_flow(lab, link):
    nets = DpdkNets(lab, link)
    relay = nets.start()
    a, b = nets.pair(relay)
    eventually(lambda: companion_is_out_of_use(relay, a, b))
    before = companion(relay)
    for first in range(0, 2000, 50):
        for number in range(first, first + 50):
            a.relay(102, struct.pack(">I", number))
        for number in range(first, first + 50):
            assert b.delivered() == (101, struct.pack(">I", number))
    assert companion(relay) == before


@pytest.mark.parametrize("link", LINKS)
def test_ipv6(lab, link):
    nets = DpdkNets(lab, link)
    relay = nets.start()
    a, _ = nets.pair(relay)
    c = Node(lab, nets.router, 103, BEACON6, family=socket.AF_INET6, bind=("fd00:1::1", 0))
    assert c.discover()[0] == "fd00:1::1"
    relay.await_nodes(3)
    for frame in (b"", b"x", os.urandom(1101)):
        talk(a, c, frame)
    assert a.silent() and c.silent()


@pytest.mark.parametrize("link", LINKS)
def test_the_host_is_reached_through_the_link(lab, link):
    nets = DpdkNets(lab, link)
    nets.start()
    assert nets.ping("10.0.0.1")
    assert nets.ping("10.0.0.1", "-s", "4000")
    assert nets.ping("10.0.0.1", "-s", "60000")  # 41 fragments at once
    assert nets.ping("fd00::1")
    run("ip", "-n", nets.relay_host, "neighbour", "flush", "all")
    assert run("ip", "netns", "exec", nets.relay_host, "ping", "-c", "2", "-W", "1", "10.0.0.254")


@pytest.mark.parametrize("link", LINKS)
def test_no_capabilities_while_serving(lab, link):
    nets = DpdkNets(lab, link)
    relay = nets.start()
    assert_unprivileged(relay.children()["fairway-dp"])


@pytest.mark.parametrize("link", LINKS)
def test_after_kill_the_host_serves_as_before(lab, link):
    nets = DpdkNets(lab, link)
    relay = nets.start()
    nets.pair(relay)
    for pid in [relay.process.pid, *relay.children().values()]:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: ":9001" not in run("ip", "netns", "exec", nets.relay_host, "ss",
                                          "-lun").stdout)
    eventually(lambda: "fairway" not in run("ip", "netns", "exec", nets.relay_host, "nft", "list",
                                            "tables").stdout)
    if link == "af_packet":
        assert nets.ping("10.0.0.1")
    again = nets.start()
    a, b = nets.pair(again)
    eventually(lambda: a.reaches(b))


def frames_of_the_card(nets):
    """As the kernel counts them: what the kernel sends the dpdk link receives."""
    shown = json.loads(run("ip", "-s", "-j", "-n", nets.relay_host, "link", "show", "card").stdout)
    return shown[0]["stats64"]["tx"]["packets"], shown[0]["stats64"]["rx"]["packets"]


def carrier(nets):
    return "NO-CARRIER" not in run("ip", "-n", nets.relay_host, "link", "show", "fairway0").stdout


def test_the_cable_goes_down_and_up(lab):
    nets = DpdkNets(lab, "tap")
    relay = nets.start()
    a, b = nets.pair(relay)
    assert eventually(lambda: carrier(nets))
    run("ip", "-n", nets.relay_host, "link", "set", "card", "down")
    eventually(lambda: not carrier(nets))
    run("ip", "-n", nets.relay_host, "link", "set", "card", "up")
    eventually(lambda: carrier(nets))
    nets.ping("10.0.0.1")
    eventually(lambda: a.reaches(b))
    assert relay.stop() == 0


def test_two_workers_with_a_queue_each(lab):
    nets = DpdkNets(lab, "af_packet")
    relay = nets.start("--dpdk-queues", "2", device="net_af_packet0,iface=w,qpairs=2")
    assert "2 workers" in relay.process.output() and "2 queues" in relay.process.output()
    a, b = nets.pair(relay)
    for number in range(300):
        talk(a, b, struct.pack(">I", number))
    assert a.silent() and b.silent()


def test_counters_agree_with_the_interface(lab):
    nets = DpdkNets(lab, "tap")
    relay = nets.start()
    a, b = nets.pair(relay)
    for number in range(200):
        a.relay(102, struct.pack(">I", number))
        b.delivered()

    shown = next(one for one in relay.ask("links")["links"] if one["kind"] == "dpdk")
    assert (shown["ifname"], shown["mode"], shown["mtu"], shown["up"]) == (
        "net_tap0", "interrupt", 1500, True)

    def agree():
        shown = next(one for one in relay.ask("links")["links"] if "dpdk" in one["name"])
        kernel = frames_of_the_card(nets)
        return (shown["rx_datagrams"], shown["tx_datagrams"]) == kernel
    assert eventually(agree)
