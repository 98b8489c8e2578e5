# SPDX-License-Identifier: BSD-3-Clause
"""The relay and the generator on every DPDK device that needs no card, each in a process of its own.

The generator verifies every payload, the order of each flow, duplicates and where a frame went.
"""
import shutil
import struct
import tempfile
from pathlib import Path

import pytest

from load import Load
from netlab import BUILD, PATIENCE, Relay, eventually, run

pytestmark = pytest.mark.skipif(
    "without dpdk" in run(BUILD / "fairway", "version").stdout, reason="built without dpdk")
BEACON = ("10.0.0.1", 9001)
NODES, RATE = 500, 5000


class Pair:
    """A relay's host and a generator's; the relay's address is on an interface that a link keeps."""

    def __init__(self, lab):
        self.lab = lab
        self.relay_host, self.generator = lab.host("relay"), lab.host("gen")
        self.folder = tempfile.TemporaryDirectory(prefix="fairway-dpdk-")
        run("chmod", "777", self.folder.name)  # some drivers keep sockets, as whom the relay serves
        self.generator_device, self.registered = None, False

    def tap(self):
        run("ip", "-n", self.relay_host, "tuntap", "add", "dev", "fairway0", "mode", "tap", "user",
            "nobody")
        run("ip", "-n", self.relay_host, "link", "set", "fairway0", "up")
        return self.addresses("fairway0")

    def cable(self):
        self.lab.cable(self.relay_host, "w", self.generator, "g")
        # else the generator's packet socket sees trains of the relay's sock link as one datagram
        run("ip", "netns", "exec", self.relay_host, "ethtool", "-K", "w", "tx-udp-segmentation",
            "off")

    def addresses(self, interface):
        self.lab.address(self.relay_host, interface, "10.0.0.1/24")
        self.lab.route(self.relay_host, "198.18.0.0/15", "via", "10.0.0.2")

    def relay(self, device, *arguments, listen="10.0.0.1"):
        made = Relay(self.lab, self.relay_host, "--listen", listen + ":9001", "--registry", "none",
                     "--link", "dpdk:" + device, "--police-source-rate", "0",
                     "--police-punt-rate", "0", "--police-sender-rate", "0", *arguments)
        assert "dpdk:" in made.process.output().split("ready ")[1], made.process.output()
        return made

    def start_load(self, mode, **options):
        options = {"nodes": NODES, "rate": RATE, "seconds": 1, "window": 200} | options
        return Load(self.lab, self.generator, mode, BEACON, link="dpdk:" + self.generator_device,
                    **{"from": "10.0.0.2"}, **options)

    def load(self, mode, **options):
        self.register()
        return self.start_load(mode, no_register=True, **options).result()

    def register(self):
        """As often as it takes: kernels that resolve a neighbour lose what comes meanwhile."""
        def answered():
            load = self.start_load("register")
            return load.process.process.wait(PATIENCE) == 0 and load.result()

        if not self.registered:
            assert eventually(answered)["answered"] >= NODES
        self.registered = True


def over_memif(pair, *arguments):
    pair.tap()
    socket = f"socket={pair.folder.name}/memif,socket-abstract=no"
    relay = pair.relay("net_memif0,role=server," + socket, *arguments)
    pair.generator_device = "net_memif1,role=client," + socket
    return relay


def over_vhost(pair):
    pair.tap()
    relay = pair.relay(f"net_vhost0,iface={pair.folder.name}/vhost")
    pair.generator_device = f"net_virtio_user0,path={pair.folder.name}/vhost"
    return relay


def over_af_packet(pair):
    pair.cable()
    pair.addresses("w")
    pair.generator_device = "net_af_packet0,iface=g"
    return pair.relay("net_af_packet0,iface=w")


def over_af_xdp(pair):
    """With a program of ours: the driver's own takes CAP_SYS_ADMIN, which the relay does not have."""
    # where whom the relay serves as may read it, wherever the build is
    program = shutil.copy(BUILD / "bpf/redirect.bpf.o", pair.folder.name)
    pair.cable()
    pair.tap()
    pair.generator_device = f"net_af_xdp0,iface=g,xdp_prog={program}"
    return pair.relay(f"net_af_xdp0,iface=w,xdp_prog={program}")


def over_tap(pair):
    """The relay's net_tap and the cable to the generator in one bridge."""
    pair.cable()
    pair.tap()
    host = pair.relay_host
    run("ip", "-n", host, "link", "add", "lan", "type", "bridge")
    run("ip", "-n", host, "link", "set", "lan", "up")
    run("ip", "-n", host, "link", "set", "w", "master", "lan")
    relay = pair.relay("net_tap0,iface=card")
    run("ip", "-n", host, "link", "set", "card", "address", "02:00:00:00:00:99", "master", "lan",
        "up")
    pair.generator_device = "net_af_packet0,iface=g"
    return relay


DEVICES = {"memif": over_memif, "vhost": over_vhost, "af_packet": over_af_packet,
           "af_xdp": over_af_xdp, "tap": over_tap}


def dpdk_link(relay):
    return next((one for one in relay.ask("links")["links"] if one["kind"] == "dpdk"),
                {"up": False})  # while the data plane starts


def assert_whole(result):
    """A busy machine may lose some; what comes is right."""
    assert result["sent"] > 0 and result["received"] >= result["sent"] * 0.9
    assert not any(result[what] for what in ("corrupt", "misrouted", "duplicates"))


def takes_the_link(pair, relay):
    """True when it did and kept the order; until the next hop is known the sock link sends."""
    before = dpdk_link(relay)
    result = pair.load("relay", size=1200, seconds=0.5)
    after = dpdk_link(relay)
    assert not any(result[what] for what in ("corrupt", "misrouted", "duplicates"))
    return not result["reordered"] and result["received"] >= result["sent"] * 0.9 and all(
        after[count] - before[count] >= result["received"]
        for count in ("rx_datagrams", "tx_datagrams"))


@pytest.mark.parametrize("device", DEVICES)
def test_frames_are_relayed_whole_and_in_order(lab, device):
    pair = Pair(lab)
    relay = DEVICES[device](pair)
    assert_whole(pair.load("relay", size=64))
    eventually(lambda: takes_the_link(pair, relay))
    # where the other end is the generator's process, the link has gone with it
    assert dpdk_link(relay)["up"] or device in ("memif", "vhost")
    assert relay.stop() == 0
    assert "level=error" not in relay.process.output()


def sleeps(relay):
    return relay.counter("sleeps")


@pytest.mark.parametrize("device, mode", [("tap", "interrupt"), ("vhost", "interrupt"),
                                          ("memif", "poll"), ("af_packet", "poll")])
def test_an_idle_worker_sleeps_and_input_ends_that(lab, device, mode):
    pair = Pair(lab)
    relay = DEVICES[device](pair)
    pair.register()
    before = sleeps(relay)
    eventually(lambda: sleeps(relay) > before + 2)
    result = pair.load("latency", rate=20)
    assert dpdk_link(relay)["mode"] == mode
    assert result["received"] == result["sent"]
    assert result["latency_us"]["p50"] < 200_000  # a sleep that nothing ends lasts a second


def capture(folder):
    """A file with one frame, and the arguments that read it and write another."""
    path = Path(folder) / "in.pcap"
    path.write_bytes(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)
                     + struct.pack("<IIII", 0, 0, 60, 60) + bytes(60))
    return f"net_pcap0,rx_pcap={path},tx_pcap={folder}/out.pcap"


@pytest.mark.parametrize("device, received", [("net_ring0", 0), ("net_null0,size=60", 1000),
                                              (capture, 1)], ids=["ring", "null", "pcap"])
def test_devices_without_a_cable(lab, device, received):
    """Nobody is on the other side; what is no datagram has its name."""
    pair = Pair(lab)
    relay = pair.relay(device(pair.folder.name) if callable(device) else device, listen="0.0.0.0")
    assert dpdk_link(relay)["up"]
    eventually(lambda: dpdk_link(relay)["rx_datagrams"] >= received)
    eventually(lambda: relay.drops().get("not_udp", 0) >= received)
    assert dpdk_link(relay)["tx_datagrams"] == 0 and relay.stop() == 0


def test_a_worker_that_may_not_nap_polls(lab):
    pair = Pair(lab)
    relay = over_memif(pair, "--dpdk-nap", "0")
    assert_whole(pair.load("relay"))
    assert dpdk_link(relay)["mode"] == "poll" and sleeps(relay) == 0


def test_virtio_user_at_the_relay(lab):
    """The other way around: the generator is the vhost, which must be there first."""
    pair = Pair(lab)
    pair.tap()
    path = Path(pair.folder.name) / "vhost"
    pair.generator_device = f"net_vhost0,iface={path}"
    load = pair.start_load("relay")
    eventually(path.exists)
    path.chmod(0o777)
    pair.relay(f"net_virtio_user0,path={path}")
    assert_whole(load.result())


def test_every_mode_of_the_generator(lab):
    pair = Pair(lab)
    relay = over_memif(pair, "--sender-check", "endpoint")  # all nodes have one address
    pair.register()
    relay.await_nodes(NODES)
    latency = pair.load("latency", rate=1000)
    assert_whole(latency)
    assert 0 < latency["latency_us"]["p50"] <= latency["latency_us"]["max"]
    found = pair.load("ndr", trial=0.3, loss=0.5, window=0)
    assert found["ndr"] > 0 and not found["corrupt"]
    before = relay.counter("relayed")
    for kind, drop in (("random", "unknown_type"), ("spoofed", "sender_address")):
        assert pair.load("garbage", kind=kind)["sent"] > 0
        eventually(lambda name=drop: relay.drops().get(name))
    # by chance one in NODES comes from the address it should
    assert relay.counter("relayed") - before < RATE / NODES * 5
