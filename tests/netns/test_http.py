# SPDX-License-Identifier: BSD-3-Clause
"""HTTP for monitoring: what it answers, to whom, and that hostile clients cost little."""
import http.client
import os
import signal
import socket

import pytest

from netlab import PATIENCE, Node, eventually, inside
from topology import BEACON, Nets, start_relay


def get(nets, path, address=("10.0.0.1", 9102), method="GET"):
    with inside(nets.router):
        connection = http.client.HTTPConnection(*address, timeout=PATIENCE)
        connection.connect()
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


def values(text):
    """Series -> value; every line must be well-formed."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            assert line.split(" ")[1] in ("HELP", "TYPE")
            continue
        name, value = line.rsplit(" ", 1)
        assert name not in found
        found[name] = float(value)
    return found


@pytest.mark.parametrize("listen,address,link", [("10.0.0.1:9102", ("10.0.0.1", 9102), "xdp"),
                                                 ("[fd00::1]:9102", ("fd00::1", 9102), "xdp"),
                                                 ("0.0.0.0:9102", ("10.0.0.1", 9102), "kernel")])
def test_metrics_and_health(lab, listen, address, link):
    nets = Nets(lab)
    relay = start_relay(nets, link, "--http-listen", listen)
    a = Node(lab, nets.router, 71, BEACON)
    a.discover()
    eventually(lambda: values(get(nets, "/metrics", address)[1])["fairway_nodes"] == 1)
    a.relay(4711, b"nobody")
    eventually(lambda: values(get(nets, "/metrics", address)[1])
               ['fairway_drops_total{reason="dest_unknown"}'] == 1)
    found = values(get(nets, "/metrics", address)[1])
    assert found["fairway_nodes"] == 1 and found["fairway_data_plane_up"] == 1
    assert found["fairway_control_nodes_new_total"] == 1
    assert found['fairway_link_up{link="xdp:w"}'] == 1
    assert sum(v for k, v in found.items() if k.startswith("fairway_rx_datagrams_total")) == \
        relay.ask("stats")["counters"]["rx_datagrams"]
    assert get(nets, "/healthz", address) == (200, "ok\n")
    assert get(nets, "/readyz", address) == (200, "ok\n")
    assert get(nets, "/", address)[0] == 404
    assert get(nets, "/../../etc/passwd", address)[0] in (403, 404)
    os.kill(relay.children()["fairway-dp"], signal.SIGSTOP)
    assert get(nets, "/healthz", address)[0] == 200
    os.kill(relay.children()["fairway-dp"], signal.SIGCONT)
    assert relay.stop() == 0


def test_hostile_clients(lab):
    nets = Nets(lab)
    relay = start_relay(nets, "sock", "--http-listen", "10.0.0.1:9102")
    idle = []
    with inside(nets.router):
        for number in range(150):
            made = socket.socket()
            made.settimeout(1)
            idle.append(made)
            try:
                made.connect(("10.0.0.1", 9102))
                made.send([b"GET /metr", b"\0\xff\xfe\r\n\r\n", b"G" * 9000, b""][number % 4])
            except OSError:
                pass
    # The relay works on, and HTTP does again when they have gone.
    a = nets.node("a", 1)
    a.discover()
    assert relay.ask("status")["dp"]["connected"]
    for made in idle:
        made.close()

    def serves():
        try:
            return get(nets, "/healthz") == (200, "ok\n")
        except (OSError, http.client.HTTPException):
            return False
    eventually(serves)
