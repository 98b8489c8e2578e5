# SPDX-License-Identifier: BSD-3-Clause
"""Networks that several tests use.

    agent a 192.168.1.2 -- nat a (10.1.0.2) --\
                                               router -- (10.0.0.254) w (10.0.0.1) relay
    agent b 192.168.2.2 -- nat b (10.2.0.2) --/          fd00::254       fd00::1
"""
from netlab import Node, Relay, run

BEACON = ("10.0.0.1", 9001)
BEACON6 = ("fd00::1", 9001)


def receive_from_xdp(host, interface):
    """Gives a veth end NAPI: without, it loses what its peer's XDP program sends."""
    run("ip", "netns", "exec", host, "ethtool", "-K", interface, "gro", "on")


class Nets:
    """The drawing above, without the relay program."""

    def __init__(self, lab, kind="symmetric"):
        self.lab = lab
        self.relay_host, self.router = lab.host("relay"), lab.host("router")
        lab.cable(self.relay_host, "w", self.router, "r0")
        lab.address(self.relay_host, "w", "10.0.0.1/24", "fd00::1/64")
        lab.address(self.router, "r0", "10.0.0.254/24", "fd00::254/64")
        lab.route(self.relay_host, "default", "via", "10.0.0.254")
        lab.route(self.relay_host, "default", "via", "fd00::254")
        lab.forwarding(self.router)
        self.agents = {name: self.agent(name, number, kind)
                       for number, name in enumerate("ab", 1)}

    def agent(self, name, number, kind):
        nat, agent = self.lab.host("nat" + name), self.lab.host("agent" + name)
        self.lab.cable(nat, "out", self.router, f"r{number}")
        self.lab.address(nat, "out", f"10.{number}.0.2/24")
        self.lab.address(self.router, f"r{number}", f"10.{number}.0.1/24", f"fd00:{number}::1/64")
        self.lab.route(nat, "default", "via", f"10.{number}.0.1")
        self.lab.cable(nat, "in", agent, "e")
        self.lab.address(nat, "in", f"192.168.{number}.1/24")
        self.lab.address(agent, "e", f"192.168.{number}.2/24")
        self.lab.route(agent, "default", "via", f"192.168.{number}.1")
        self.lab.nat(nat, "out", kind)
        return agent

    def node(self, name, number, beacon=BEACON, **options):
        return Node(self.lab, self.agents[name], number, beacon, **options)

    def pair(self, relay):
        """Nodes 101 at agent a and 102 at agent b, the only ones that the relay knows."""
        made = self.node("a", 101), self.node("b", 102)
        for node in made:
            node.discover()
        relay.await_nodes(2)
        return made


class Mesh:
    """relay 1 (10.0.1.1) -- hub -- relay 2 (10.0.2.1), and so on; nodes and strangers are on the hub."""

    def __init__(self, lab, numbers=(1, 2)):
        self.lab, self.hub, self.hosts = lab, lab.host("hub"), {}
        lab.forwarding(self.hub)
        for number in numbers:
            host = self.hosts[number] = lab.host(f"relay{number}")
            lab.cable(host, "w", self.hub, f"r{number}")
            lab.address(host, "w", f"10.0.{number}.1/24")
            lab.address(self.hub, f"r{number}", f"10.0.{number}.254/24")
            receive_from_xdp(self.hub, f"r{number}")
            lab.route(host, "default", "via", f"10.0.{number}.254")

    def relay(self, number, *arguments):
        return Relay(self.lab, self.hosts[number], "--listen", f"10.0.{number}.1:9001",
                     "--gossip-beacon-id", str(number), *arguments)

    def peer_of(self, number, *arguments, link="sock"):
        """Relay 1 or 2, told of the other one."""
        return self.relay(number, "--link", LINKS[link], "--registry", "none",
                          "--gossip-peers", f"10.0.{3 - number}.1:9001", *arguments)


# What carries the relay's datagrams; `kernel`: the XDP program relays, the engine does the rest.
LINKS = {"sock": "sock", "xdp": "xdp:w", "kernel": "xdp:w,mode=kernel"}
RAW_LINKS = ["xdp", "kernel"]


def way(relay, a, b, size=8):
    """What carries a frame: the link's name in LINKS, "sock" also for the companion of another link,
    None where it does not arrive."""
    before = relay.ask("stats")["counters"]
    if not a.reaches(b, size=size):
        return None
    after = relay.ask("stats")["counters"]
    if after["kernel"] > before["kernel"]:
        return "kernel"
    return "sock" if after["companion"] > before["companion"] else "xdp"


def relay_arguments(link):
    return ["--listen", "10.0.0.1:9001", "--listen", "[fd00::1]:9001", "--link", LINKS[link],
            "--registry", "none"]


def start_relay(nets, link, *arguments, prepared=True):
    if link == "kernel" and prepared:
        receive_from_xdp(nets.router, "r0")
    return Relay(nets.lab, nets.relay_host, *relay_arguments(link), *arguments)
