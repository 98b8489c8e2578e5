# SPDX-License-Identifier: BSD-3-Clause
"""What happens to a dpdk link's device while the relay serves: interfaces that go down, or away;
what DPDK's own telemetry says; queues."""
import json
import os
import signal
import socket
from pathlib import Path

import pytest

from netlab import Relay, eventually, run
from test_dpdk_devices import (DEVICES, NODES, Pair, assert_whole, dpdk_link, pytestmark,
                               takes_the_link)

__all__ = ["pytestmark"]


def over_two_queues(pair):
    pair.cable()
    pair.addresses("w")
    pair.generator_device = "net_af_packet0,iface=g"
    return pair.relay("net_af_packet0,iface=w,qpairs=2", "--dpdk-queues", "2")


def set_link(pair, *words):
    run("ip", "-n", pair.relay_host, "link", "set", "w", *words)


BORROWED = ["af_packet", "af_xdp"]  # drivers that use an interface of the kernel's


@pytest.mark.parametrize("device", BORROWED)
def test_an_interface_goes_down_and_comes_back(lab, device):
    pair = Pair(lab)
    relay = DEVICES[device](pair)
    assert_whole(pair.load("relay"))
    set_link(pair, "down")
    eventually(lambda: not dpdk_link(relay)["up"])
    set_link(pair, "up")
    if device == "af_packet":  # the kernel has forgotten it
        lab.route(pair.relay_host, "198.18.0.0/15", "via", "10.0.0.2")
    eventually(lambda: dpdk_link(relay)["up"])
    eventually(lambda: takes_the_link(pair, relay))
    assert relay.stop() == 0


@pytest.mark.parametrize("device", BORROWED)
def test_the_other_end_goes_down_and_comes_back(lab, device):
    pair = Pair(lab)
    relay = DEVICES[device](pair)
    assert_whole(pair.load("relay"))
    run("ip", "-n", pair.generator, "link", "set", "g", "down")
    eventually(lambda: not dpdk_link(relay)["up"])
    run("ip", "-n", pair.generator, "link", "set", "g", "up")
    eventually(lambda: dpdk_link(relay)["up"])
    eventually(lambda: takes_the_link(pair, relay))


@pytest.mark.parametrize("device", BORROWED)
def test_an_interface_is_taken_away_and_made_again(lab, device):
    pair = Pair(lab)
    relay = DEVICES[device](pair)
    assert_whole(pair.load("relay"))
    before = relay.children()
    run("ip", "-n", pair.relay_host, "link", "delete", "w")
    eventually(lambda: not dpdk_link(relay)["up"])
    assert relay.children() == before
    pair.cable()
    if device == "af_packet":
        pair.addresses("w")
    eventually(lambda: dpdk_link(relay)["up"])
    assert relay.children()["fairway-dp"] != before["fairway-dp"]
    eventually(lambda: takes_the_link(pair, relay))
    assert relay.ask("status")["nodes"] >= NODES and relay.stop() == 0


@pytest.mark.parametrize("device", BORROWED)
def test_the_device_is_taken_again_after_a_crash_and_after_a_stop(lab, device):
    """The driver's own cleaning up takes privileges, or does not happen."""
    pair = Pair(lab)
    relay = DEVICES[device](pair)
    assert_whole(pair.load("relay"))
    before = relay.children()["fairway-dp"]
    os.kill(before, signal.SIGKILL)
    eventually(lambda: relay.children().get("fairway-dp") not in (before, None))
    eventually(lambda: dpdk_link(relay)["up"])
    eventually(lambda: takes_the_link(pair, relay))
    assert relay.stop() == 0
    assert "prog/xdp" not in run("ip", "-n", pair.relay_host, "link", "show", "w").stdout
    relay.start()
    eventually(lambda: dpdk_link(relay)["up"])
    eventually(lambda: takes_the_link(pair, relay))


@pytest.mark.parametrize("device", ["memif", "vhost"])
def test_a_crash_leaves_a_socket_behind(lab, device):
    pair = Pair(lab)
    relay = DEVICES[device](pair)
    before = relay.children()["fairway-dp"]
    os.kill(before, signal.SIGKILL)
    eventually(lambda: relay.children().get("fairway-dp") not in (before, None))
    eventually(lambda: "dpdk" in [one["kind"] for one in relay.ask("links")["links"]])
    eventually(lambda: takes_the_link(pair, relay))


def test_a_crash_while_the_interface_is_away(lab):
    """The relay's address is on the tap: it stays."""
    pair = Pair(lab)
    relay = DEVICES["af_xdp"](pair)
    assert_whole(pair.load("relay"))
    before = relay.children()["fairway-dp"]
    run("ip", "-n", pair.relay_host, "link", "delete", "w")
    eventually(lambda: not dpdk_link(relay)["up"])
    os.kill(before, signal.SIGKILL)
    eventually(lambda: relay.children().get("fairway-dp") not in (before, None))
    eventually(lambda: [one["kind"] for one in relay.ask("links")["links"]] == ["sock"])
    pair.cable()
    eventually(lambda: dpdk_link(relay)["up"])
    eventually(lambda: takes_the_link(pair, relay))


def test_a_tap_that_is_taken_away(lab):
    """The host keeps its own interface, without a carrier."""
    pair = Pair(lab)
    relay = DEVICES["tap"](pair)
    assert_whole(pair.load("relay"))
    run("ip", "-n", pair.relay_host, "link", "delete", "card")
    eventually(lambda: not dpdk_link(relay)["up"])
    eventually(lambda: "NO-CARRIER" in run("ip", "-n", pair.relay_host, "link", "show",
                                           "fairway0").stdout)
    assert relay.ask("status")["nodes"] == NODES and relay.stop() == 0


@pytest.mark.parametrize("device", ["memif", "vhost"])
def test_the_other_process_ends_and_another_comes(lab, device):
    """Each load is a new process that connects and goes; net_vhost tells of it, net_memif is asked."""
    pair = Pair(lab)
    relay = DEVICES[device](pair)
    eventually(lambda: not dpdk_link(relay)["up"])
    pair.register()
    load = pair.start_load("relay", seconds=30, no_register=True)
    eventually(lambda: dpdk_link(relay)["rx_datagrams"] > 1000)
    eventually(lambda: dpdk_link(relay)["up"])
    load.process.stop(9)
    eventually(lambda: not dpdk_link(relay)["up"])
    eventually(lambda: takes_the_link(pair, relay))


@pytest.mark.parametrize("device, words, reason", [
    ("net_ring0", "--proc-type=secondary", "leave out -h, --help and --proc-type"),
    ("net_ring0", "-h", "leave out -h, --help and --proc-type"),
    ("net_ring0", "--no-such-word", 'dpdk.eal "--no-such-word" holds its arguments'),
    ("net_ring0", "--socket-mem 9999999", 'dpdk.eal "--socket-mem 9999999" holds its arguments'),
    ("net_such0", "", 'DPDK makes no device "net_such0": its lines above say why'),
    ("0000:ff:1f.7", "", 'DPDK finds no device "0000:ff:1f.7"')])
def test_what_dpdk_refuses_is_said_and_sock_serves(lab, device, words, reason):
    relay = Relay(lab, lab.host("relay"), "--listen", "127.0.0.1:9001", "--registry", "none",
                  "--link", "dpdk:" + device, "--dpdk-eal=" + words)
    output = relay.process.output()
    assert reason in output.replace("\\", "") and "Usage:" not in output
    assert [one["kind"] for one in relay.ask("links")["links"]] == ["sock"]
    assert relay.stop() == 0


def test_one_device_is_one_link_and_has_its_tap(lab):
    """A tap is numbered by its link's place, whether the links before it open or not."""
    host = lab.host("relay")
    relay = Relay(lab, host, "--listen", "127.0.0.1:9001", "--registry", "none", "--link",
                  "dpdk:net_such0", "--link", "dpdk:net_tap0,iface=a", "--link",
                  "dpdk:net_tap1,iface=b")
    taps = [one["ifname"] for one in json.loads(run("ip", "-n", host, "-j", "link").stdout)]
    assert {"fairway1", "fairway2"} < set(taps) and "fairway0" not in taps
    assert relay.stop() == 0


def telemetry(path, request):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as made:
        made.connect(str(path))
        made.recv(4096)
        made.send(request.encode())
        return json.loads(made.recv(65536))


def test_telemetry_agrees_with_our_counters(lab):
    pair = Pair(lab)
    pair.cable()
    pair.addresses("w")
    pair.generator_device = "net_af_packet0,iface=g"
    relay = pair.relay("net_af_packet0,iface=w", "--dpdk-eal=--telemetry --no-huge")
    assert_whole(pair.load("relay"))
    eventually(lambda: takes_the_link(pair, relay))
    path = Path(relay.state.name) / "dpdk/rte/dpdk_telemetry.v2"

    def agree():
        device = telemetry(path, "/ethdev/stats,0")["/ethdev/stats"]
        ours = dpdk_link(relay)
        return (device["ipackets"], device["opackets"]) == (
            ours["rx_datagrams"], ours["tx_datagrams"])
    assert eventually(agree)


def test_flows_are_spread_over_queues_and_keep_their_order(lab):
    pair = Pair(lab)
    relay = over_two_queues(pair)
    assert dpdk_link(relay)["queues"] == 2
    assert_whole(pair.load("relay"))
    eventually(lambda: takes_the_link(pair, relay))
    load = pair.start_load("relay", seconds=5, no_register=True)
    busy = lambda: [one["rx_datagrams"] > 0 for one in relay.ask("top", "--count", "1")["workers"]]
    eventually(lambda: busy() == [True, True])
    assert_whole(load.result())
