# SPDX-License-Identifier: BSD-3-Clause
"""The embedded registry of `fairway up`, on loopback: TLS, search, fleets, the relay beside it."""
import http.client
import json
import os
import signal
import socket
import struct
import subprocess

import pytest

from netlab import BUILD, PATIENCE, eventually
from registry_client import Client, Node, Refused
from registry_up import BEACON, HTTP, REGISTRY, tls_client


@pytest.mark.parametrize("up", [["--registry-tls", "on"]], indirect=True)
def test_tls_and_a_certificate_that_stays(up):
    client, fingerprint = tls_client()
    node = Node(1)
    assert node.register(client)["node_id"] == 1
    assert node.own(client, "heartbeat")["type"] == "heartbeat_ok"
    for _ in range(200):
        client.send({"type": "lookup", "node_id": 1})
    assert all(client.receive()["node_id"] == 1 for _ in range(200))
    assert "fingerprint=" + fingerprint in up.process.output()
    up.stop()
    up.start()
    client, again = tls_client()
    assert again == fingerprint
    assert node.own(client, "heartbeat")["type"] == "heartbeat_ok"


def query(text):
    http_client = http.client.HTTPConnection("127.0.0.1", HTTP, timeout=PATIENCE)
    http_client.request("GET", "/v1/find" + text)
    answer = http_client.getresponse()
    return answer.status, json.loads(answer.read())


@pytest.mark.parametrize("up", [["--http-listen", "127.0.0.1:%d" % HTTP]], indirect=True)
def test_find_over_http(up):
    client = Client(REGISTRY)
    nodes = [Node(i + 1) for i in range(6)]
    for node in nodes:
        node.register(client)
        node.own(client, "set_tags", tags=["finance"])
        if node.id < 6:
            node.own(client, "set_visibility", public=True)
    found, after = [], ""
    while after is not None:
        status, page = query("?tag=finance&limit=2" + after)
        assert status == 200
        found += [n["node_id"] for n in page["nodes"]]
        after = "&after=" + page["next"] if "next" in page else None
    assert sorted(found) == [1, 2, 3, 4, 5]
    assert query("?tag=%66inance&tag=nobody") == (200, {"type": "find_ok", "nodes": []})
    assert query("?tag=finance&" + "x" * 600)[0] == 400
    assert query("?tag=A")[0] == 400
    assert query("")[0] == 400


def write_fleets(path, *fleets):
    path.write_text(json.dumps({"fleets": fleets}, indent=1))
    path.chmod(0o644)


def networks(client, node):
    return client.ask("lookup", node_id=node.id)["networks"]


def test_fleets(up):
    """Agents join at their first start; the file is read again without a restart."""
    path = up.state.parent / "fleets.json"
    listed, token, late, stranger = (Node(i + 1) for i in range(4))
    trading = {"name": "trading", "token": "boot", "agents": [
        {"hostname": "desk-1", "public_key": listed.public_key}]}
    write_fleets(path, trading)
    up.stop()
    up.command += ["--registry-fleets", path]
    up.start()
    client = Client(REGISTRY)
    listed.register(client)
    token.register(client, owner="boot@trading.fleet")
    stranger.register(client)
    assert networks(client, listed) == networks(client, token) == [0, 1]
    assert networks(client, stranger) == [0]
    assert client.ask("check_trust", node_id=listed.id, peer_id=token.id)["trusted"]
    # a private node is found by name over the connection of a member
    token.own(client, "heartbeat")
    assert client.ask("resolve_hostname", hostname="desk-1")["node_id"] == listed.id
    with pytest.raises(Refused, match="not found"):
        Client(REGISTRY).ask("resolve_hostname", hostname="desk-1")
    trading["agents"].append({"hostname": "Desk-2", "public_key": stranger.public_key})
    write_fleets(path, trading)
    done = subprocess.run([BUILD / "fairway", "reload", "--state", up.state], capture_output=True,
                          text=True, timeout=PATIENCE)
    assert done.returncode == 1 and "fleets.json line 11: agent 2: \"Desk-2\"" in \
        done.stderr
    assert networks(client, stranger) == [0]
    trading["agents"][1]["hostname"] = "desk-2"
    write_fleets(path, trading, {"name": "second", "token": "other"})
    up.ask("reload")
    assert networks(client, stranger) == [0, 1]
    late.register(client, owner="other@second.fleet")
    assert networks(client, late) == [0, 2]
    write_fleets(path, {"name": "third", "agents": [
        {"hostname": "late", "public_key": late.public_key}]})
    os.kill(up.process.pid, signal.SIGHUP)
    eventually(lambda: networks(client, late) == [0, 2, 3])


def discover(source, node):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((source, 0))
        s.settimeout(PATIENCE)
        s.sendto(b"\x01" + struct.pack(">I", node), BEACON)
        assert s.recv(100)[0] == 2
        return s.getsockname()


def endpoint_of(up, node):
    """None for one that is unknown."""
    return {known["node"]: known["endpoint"] for known in up.ask("nodes")["nodes"]}.get(node)


def test_anchored_admission(up):
    node = Node(1)
    client = Client(REGISTRY)
    node.register(client)
    node.own(client, "heartbeat")
    discover("127.0.0.2", node.id)  # a thief, first: whoever has the answer was decided on
    assert endpoint_of(up, node.id) is None
    own = discover("127.0.0.1", node.id)
    eventually(lambda: endpoint_of(up, node.id) == "%s:%d" % own)
    discover("127.0.0.2", node.id)
    assert endpoint_of(up, node.id) == "%s:%d" % own


def test_anchored_admission_of_two_uplinks(up):
    """Its connection comes from another address than its datagrams, which it says in vain to Go's."""
    node = Node(1)
    client = Client(REGISTRY)
    node.register(client, listen_addr="127.0.0.3:4000")
    assert node.resolve(client, node)["real_addr"] == "127.0.0.1:4000"
    for _ in range(2):
        discover("127.0.0.2", node.id)  # a thief, first
        own = "%s:%d" % discover("127.0.0.3", node.id)
        assert endpoint_of(up, node.id) == own
        assert node.resolve(client, node)["real_addr"] == own
        up.stop()  # the whole relay: it knows no endpoints then
        up.start()
        client = Client(REGISTRY)
        node.own(client, "heartbeat")


def test_refusals(up):
    client = Client(REGISTRY)
    with pytest.raises(Refused, match="invalid admin token"):
        client.ask("create_network", name="lab", admin_token="wrong")
    client.sock.sendall(struct.pack(">I", 1 << 21))
    assert client.sock.recv(1) == b""
    client = Client(REGISTRY)
    client.send(b"[]")
    assert client.sock.recv(1) == b""
