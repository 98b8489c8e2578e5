# SPDX-License-Identifier: BSD-3-Clause
"""The control plane's mirror of routes and neighbours, seen through raw links' next hops."""
import json
import socket
import time

import pytest

from netlab import PATIENCE, Node, eventually, run
from topology import BEACON, BEACON6, RAW_LINKS, Nets, start_relay, way


def hops(relay):
    """Address -> MAC of the next hops in use, None while unresolved."""
    return {r["address"]: r["mac"] for r in relay.request("routes")["result"]["routes"]}


def mac_of(host, interface):
    shown = run("ip", "-j", "-n", host, "link", "show", "dev", interface)
    return json.loads(shown.stdout)[0]["address"]


def two_nodes(nets):
    a, b = nets.node("a", 1001), nets.node("b", 1002)
    a.discover()
    b.discover()
    return a, b


@pytest.mark.parametrize("link", RAW_LINKS)
def test_next_hop_follows_the_route(lab, link):
    nets = Nets(lab)
    relay = start_relay(nets, link)
    a, b = two_nodes(nets)
    eventually(lambda: hops(relay).get("10.0.0.254") == mac_of(nets.router, "r0"))
    # The same router under another address.
    lab.address(nets.router, "r0", "10.0.0.253/24")
    run("ip", "-n", nets.relay_host, "route", "replace", "default", "via", "10.0.0.253")
    eventually(lambda: "10.0.0.253" in hops(relay))
    assert a.reaches(b, PATIENCE)
    eventually(lambda: hops(relay).get("10.0.0.253") == mac_of(nets.router, "r0"))
    eventually(lambda: way(relay, a, b) == link)
    # What is not asked for any more is given back after a walk over the nodes.
    eventually(lambda: "10.0.0.254" not in hops(relay))


@pytest.mark.parametrize("link", RAW_LINKS)
def test_ipv6_path_that_carries_less(lab, link):
    """IPv6 routers cut nothing: what is too big for a path they tell the kernel of its sender."""
    nets = Nets(lab)
    far = lab.host("far")
    lab.cable(far, "e", nets.router, "r3", mtu=1280)
    lab.address(far, "e", "fd00:3::2/64")
    lab.address(nets.router, "r3", "fd00:3::1/64")
    lab.route(far, "default", "via", "fd00:3::1")
    relay = start_relay(nets, link)
    a, _ = nets.pair(relay)
    c = Node(lab, far, 1003, BEACON6, family=socket.AF_INET6, bind=("fd00:3::2", 0))
    c.discover()
    eventually(lambda: hops(relay).get("fd00::254") == mac_of(nets.router, "r0"))
    for size in (8, 1227, 1400):  # the second is the longest that every path carries
        eventually(lambda size=size: a.reaches(c, size=size))


@pytest.mark.parametrize("link", RAW_LINKS)
def test_several_next_hops_are_all_used(lab, link):
    nets = Nets(lab)
    lab.address(nets.router, "r0", "10.0.0.253/24", "fd00::253/64")
    for family, net in (("-4", "10.0.0."), ("-6", "fd00::")):
        run("ip", family, "-n", nets.relay_host, "route", "replace", "default", "proto", "static",
            "nexthop", "via", net + "254", "dev", "w", "nexthop", "via", net + "253", "dev", "w")
    run("ip", "-6", "-n", nets.relay_host, "route", "flush", "default", "proto", "boot")
    relay = start_relay(nets, link)
    for number in range(1, 41):
        lab.address(nets.router, "lo", f"198.18.0.{number}/32", f"fd99::{number}/128")
        for beacon, source in ((BEACON, f"198.18.0.{number}"), (BEACON6, f"fd99::{number}")):
            family = socket.AF_INET6 if ":" in source else socket.AF_INET
            Node(lab, nets.router, 5000 + number + 100 * (family == socket.AF_INET6), beacon,
                 family=family, bind=(source, 0)).discover()
    mac = mac_of(nets.router, "r0")
    gateways = ["10.0.0.253", "10.0.0.254", "fd00::253", "fd00::254"]
    eventually(lambda: hops(relay) == {gateway: mac for gateway in gateways})
    a, b = two_nodes(nets)
    eventually(lambda: way(relay, a, b) == link)


@pytest.mark.parametrize("link", RAW_LINKS)
def test_policy_rules_leave_routing_to_the_kernel(lab, link):
    nets = Nets(lab)
    relay = start_relay(nets, link)
    a, b = two_nodes(nets)
    eventually(lambda: relay.ask("node", "1001")["resolved"])
    run("ip", "-n", nets.relay_host, "rule", "add", "from", "10.9.9.9", "lookup", "77")
    eventually(lambda: way(relay, a, b) == "sock")
    assert not relay.ask("node", "1001")["resolved"]
    run("ip", "-n", nets.relay_host, "rule", "del", "from", "10.9.9.9", "lookup", "77")
    eventually(lambda: way(relay, a, b) == link)


@pytest.mark.parametrize("link", RAW_LINKS)
def test_a_neighbour_that_is_replaced_silently_is_noticed(lab, link):
    nets = Nets(lab)
    for setting in ("base_reachable_time_ms=1000", "delay_first_probe_time=1",
                    "retrans_time_ms=200"):
        run("ip", "netns", "exec", nets.relay_host, "sysctl", "-qw", "net.ipv4.neigh.w." + setting)
    relay = start_relay(nets, link)
    a, b = two_nodes(nets)
    eventually(lambda: hops(relay).get("10.0.0.254") == mac_of(nets.router, "r0"))
    time.sleep(4)  # the kernel's own use of the entry, by the first answers, is forgotten
    # The router asks for nobody's address: only a probe can tell that its own has changed.
    run("ip", "netns", "exec", nets.router, "nft", "table arp quiet { chain out { type filter "
        "hook output priority 0; oifname r0 arp operation request drop; }; }")
    run("ip", "-n", nets.router, "link", "set", "r0", "address", "02:00:00:00:00:77")
    run("ip", "-n", nets.router, "neigh", "replace", "10.0.0.1", "dev", "r0", "nud", "permanent",
        "lladdr", mac_of(nets.relay_host, "w"))
    eventually(lambda: a.reaches(b), timeout=2 * PATIENCE)
    eventually(lambda: hops(relay).get("10.0.0.254") == "02:00:00:00:00:77")


@pytest.mark.parametrize("link", RAW_LINKS)
def test_a_new_control_plane_keeps_the_next_hops(lab, link):
    nets = Nets(lab)
    relay = start_relay(nets, link)
    a, b = two_nodes(nets)
    before = eventually(lambda: relay.ask("node", "1001")["resolved"] and relay.request("routes")["result"])
    old = relay.children()["fairway-cp"]
    run("kill", "-9", old)
    eventually(lambda: relay.children().get("fairway-cp", old) != old)
    eventually(lambda: relay.ask("status")["dp"]["connected"])
    assert relay.ask("node", "1001")["resolved"]
    eventually(lambda: relay.request("routes")["result"] == before)
    eventually(lambda: way(relay, a, b) == link)
