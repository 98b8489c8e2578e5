# SPDX-License-Identifier: BSD-3-Clause
"""mode=kernel: who relays, and that counts, signs of life and the trace stay whole."""
import json
import os
import signal
import socket
import time
import urllib.request

import pytest

from load import Load
from netlab import BUILD, PATIENCE, Node, eventually, inside, run
from topology import BEACON, BEACON6, Nets, start_relay, way


def by_kernel(relay):
    return relay.counter("kernel")


def exchange(a, b, count=1):
    for number in range(count):
        a.relay(102, b"frame %d" % number)
        assert b.delivered() == (101, b"frame %d" % number)


def relayed_by_kernel(relay, a, b):
    """Next hops are resolved after the first datagrams, which the engine relays."""
    return way(relay, a, b) == "kernel"


def shown_mode(relay):
    return next(link["mode"] for link in relay.ask("links")["links"] if link["name"] == "xdp:w")


def advised(relay):
    return "gro on" in str(relay.ask("status")["warnings"])


def test_no_worker_wakes_for_it(lab):
    nets = Nets(lab)
    relay = start_relay(nets, "kernel")
    a, b = nets.pair(relay)
    eventually(lambda: relayed_by_kernel(relay, a, b))
    before = relay.ask("stats")["counters"]
    exchange(a, b, 200)
    after = relay.ask("stats")["counters"]
    assert after["kernel"] - before["kernel"] == 200
    for name in ("rx_datagrams", "tx_datagrams", "relayed"):
        assert after[name] - before[name] == 200
    assert after["bursts"] == before["bursts"]
    assert shown_mode(relay) == "kernel"


def test_veth_whose_peer_cannot_receive_is_left_to_the_engine(lab):
    """The program takes over when the peer has NAPI, and gives back when that ends."""
    nets = Nets(lab)
    relay = start_relay(nets, "kernel", prepared=False)
    assert "gro on" in relay.process.output()
    assert (shown_mode(relay), advised(relay)) == ("native", True)
    a, b = nets.pair(relay)
    exchange(a, b, 50)
    assert by_kernel(relay) == 0
    run("ip", "netns", "exec", nets.router, "ethtool", "-K", "r0", "gro", "on")
    eventually(lambda: relayed_by_kernel(relay, a, b))
    eventually(lambda: (shown_mode(relay), advised(relay)) == ("kernel", False))
    run("ip", "netns", "exec", nets.router, "ethtool", "-K", "r0", "gro", "off")
    eventually(lambda: way(relay, a, b) == "xdp")
    eventually(lambda: (shown_mode(relay), advised(relay)) == ("native", True))
    exchange(a, b, 50)
    assert not relay.drops()


def test_relaying_is_a_sign_of_life(lab):
    nets = Nets(lab)
    relay = start_relay(nets, "kernel")
    a, b = nets.pair(relay)
    time.sleep(4)
    eventually(lambda: relayed_by_kernel(relay, a, b))
    seen = {node["node"]: node["last_seen_s"] for node in relay.ask("nodes")["nodes"]}
    assert seen[102] - seen[101] >= 2  # whole seconds


def test_police_by_sender(lab):
    nets = Nets(lab)
    relay = start_relay(nets, "kernel", "--police-sender-rate", "1", "--police-sender-burst", "20")
    a, b = nets.pair(relay)
    for _ in range(200):
        a.relay(102, b"x")
    assert eventually(lambda: relay.drops().get("police_sender", 0) >= 100)
    b.relay(101, b"not his fault")
    assert a.delivered() == (102, b"not his fault")


def test_relays_without_a_control_plane_and_with_the_next(lab):
    nets = Nets(lab)
    relay = start_relay(nets, "kernel")
    a, b = nets.pair(relay)
    eventually(lambda: relayed_by_kernel(relay, a, b))
    os.kill(relay.children()["fairway-cp"], signal.SIGSTOP)
    exchange(a, b, 20)  # nobody but the kernel and the data plane is there
    os.kill(relay.children()["fairway-cp"], signal.SIGCONT)
    killed = relay.children()["fairway-cp"]
    os.kill(killed, signal.SIGKILL)
    exchange(a, b, 20)
    eventually(lambda: relay.children().get("fairway-cp", killed) != killed)
    eventually(lambda: relayed_by_kernel(relay, a, b))
    assert relay.ask("status")["nodes"] == 2


def test_trace_sees_what_the_kernel_would_relay(lab):
    nets = Nets(lab)
    relay = start_relay(nets, "kernel")
    a, b = nets.pair(relay)
    eventually(lambda: relayed_by_kernel(relay, a, b))
    trace = lab.spawn([BUILD / "fairway", "trace", "--json", "--state", relay.state.name,
                       "--node", "102"])

    def traced():
        exchange(a, b)
        return any(json.loads(line).get("sender") == 101
                   for line in trace.output().splitlines() if line.startswith("{"))
    eventually(traced)
    trace.stop(signal.SIGINT)
    eventually(lambda: relayed_by_kernel(relay, a, b))


def test_metrics_and_top(lab):
    nets = Nets(lab)
    relay = start_relay(nets, "kernel", "--http-listen", "10.0.0.1:9102")
    a, b = nets.pair(relay)
    eventually(lambda: relayed_by_kernel(relay, a, b))
    with inside(nets.router):
        text = urllib.request.urlopen("http://10.0.0.1:9102/metrics").read().decode()
    line = next(x for x in text.splitlines()
                if x.startswith('fairway_relayed_total{worker="kernel"}'))
    assert int(line.split()[1]) >= 1
    top = run(BUILD / "fairway", "top", "--count", "1", "--state", relay.state.name).stdout
    assert "kernel" in top


def test_nodes_without_room_are_the_engines(lab):
    nets = Nets(lab)
    relay = start_relay(nets, "kernel", "--xdp-kernel-nodes", "1")
    a, b = nets.pair(relay)
    exchange(a, b, 20)
    assert by_kernel(relay) == 0
    a.relay(999, b"x")
    eventually(lambda: relay.drops() == {"dest_unknown": 1})


def in_kernel(relay):
    return {node["node"] for node in relay.ask("nodes")["nodes"] if node["kernel"]}


def test_few_places_are_those_of_busy_nodes(lab):
    """With two places: a pair that becomes busy gets them, and gives them up to a busier one.
    Nothing is lost meanwhile."""
    nets = Nets(lab)
    relay = start_relay(nets, "kernel", "--xdp-kernel-nodes", "2")
    nodes = {number: nets.node("a" if number % 2 else "b", number) for number in range(101, 107)}
    for node in nodes.values():
        node.discover()
    relay.await_nodes(len(nodes))
    assert len(in_kernel(relay)) == 2  # whoever came first
    for left, first in ((101, 103), (103, 105), (105, 101)):
        def taken_over():
            frames = {b"frame %d" % number for number in range(20)}
            for frame in frames:
                nodes[first].relay(first + 1, frame)
            assert {nodes[first + 1].delivered() for _ in frames} == {(first, f) for f in frames}
            return in_kernel(relay) == {first, first + 1}
        eventually(taken_over)
        before = by_kernel(relay)
        assert nodes[first].reaches(nodes[first + 1], PATIENCE)
        assert by_kernel(relay) == before + 1
        assert nodes[left].reaches(nodes[left + 1], PATIENCE)
        assert by_kernel(relay) == before + 1
    status = relay.ask("status")
    assert (status["nodes_kernel"], status["kernel_capacity"]) == (2, 2)
    killed = relay.children()["fairway-cp"]
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: relay.children().get("fairway-cp", killed) != killed)
    assert in_kernel(relay) == {101, 102}
    assert not relay.drops()


@pytest.mark.parametrize("mode", ["native", "generic"])
def test_both_ways_of_attaching(lab, mode):
    nets = Nets(lab)
    relay = start_relay(nets, "kernel", "--xdp-mode", mode)
    a, b = nets.pair(relay)
    exchange(a, b, 20)
    c = Node(lab, nets.router, 103, BEACON6, family=socket.AF_INET6, bind=("fd00:1::1", 0))
    c.discover()
    relay.await_nodes(3)
    a.relay(103, b"to six")
    assert c.delivered() == (101, b"to six")
    c.relay(102, b"from six")
    assert b.delivered() == (103, b"from six")


def test_load_without_loss_or_reordering(lab):
    nets = Nets(lab)
    relay = start_relay(nets, "kernel", "--police-source-rate", "0")
    traffic = Load(lab, nets.router, "relay", BEACON, nodes=1000, flows=1000, rate=20000,
                   seconds=3, window=200, **{"from": "10.0.0.254"})
    result = traffic.result()
    assert (result["loss"], result["reordered"], result["duplicates"]) == (0, 0, 0)
    # The engine relays until the next hop is resolved: an instant, or a second where others work.
    assert by_kernel(relay) > result["sent"] / 2
