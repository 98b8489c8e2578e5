# SPDX-License-Identifier: BSD-3-Clause
"""`fairway registry`, `networks`, `find`, `nodes --tag`: what they print, and what they refuse."""
import base64
import json
import os
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from netlab import BUILD, PATIENCE, eventually, running
from registry_client import Client, Node
from registry_up import HTTP, REGISTRY


def run(up, *command, state=None):
    return subprocess.run([BUILD / "fairway", *command, "--state", state or up.state],
                          capture_output=True, text=True, timeout=PATIENCE)


def text(up, *command):
    done = run(up, *command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_json(up, tmp_path):
    client = Client(REGISTRY)
    nodes = [Node(i + 1) for i in range(5)]
    for node in nodes:
        node.register(client)
        node.own(client, "set_tags", tags=["finance", f"t{node.id}"])
    nodes[0].pair(client, "report_trust", nodes[1])
    nodes[1].pair(client, "report_trust", nodes[0])
    client.ask("create_network", node_id=1, name="lab", admin_token="adm")
    assert len(up.ask("find", "finance")["nodes"]) == 5
    assert len(up.ask("nodes", "--tag", "t3")["nodes"]) == 1
    assert [n["node"] for n in up.ask("find", "finance", "t3")["nodes"]] == [3]
    assert len(up.ask("find", "finance", "--limit", "2")["nodes"]) == 2
    assert up.ask("registry", "trust")["trust"][0]["trusted"]
    assert up.ask("networks")["networks"][0]["name"] == "lab"
    assert up.ask("registry", "audit")["audit"][0]["action"] == "network.created"
    assert up.ask("registry", "status")["nodes"] == 5
    lines = text(up, "registry", "audit", "--lines").splitlines()
    actions = [json.loads(line)["action"] for line in lines]
    assert len(actions) == 12 and actions.count("node.registered") == 5
    copy = tmp_path / "copy.db"
    text(up, "registry", "backup", copy)
    assert copy.stat().st_size > 0 and copy.stat().st_mode & 0o077 == 0


def rows(printed):
    """A table's rows by its first column, as lists of cells."""
    head, *lines = printed.splitlines()
    return {line.split()[0]: line.split() for line in lines if line.strip()}


def test_tables(up):
    assert text(up, "registry", "nodes") == "no node has registered yet\n"
    assert text(up, "registry", "trust") == "no node trusts another yet\n"
    assert text(up, "networks").startswith("no networks beside the backbone")
    assert text(up, "find", "gpu") == "no node has these tags\n"
    assert "node ids learnt that were not known here" in text(up, "stats", "--all")
    client = Client(REGISTRY)
    nodes = [Node(i + 1) for i in range(3)]
    for node in nodes:
        node.register(client, version="v1.9.0")
        node.own(client, "set_tags", tags=["gpu", f"t{node.id}"])
    nodes[0].own(client, "set_visibility", public=True)
    nodes[1].own(client, "set_hostname", hostname="box")
    nodes[0].pair(client, "report_trust", nodes[1])
    client.ask("create_network", node_id=1, name="lab", join_rule="token", token="s",
               admin_token="adm")
    listed = rows(text(up, "registry", "nodes"))
    assert listed["1"][2:6] == ["127.0.0.1:4000", "yes", "yes", "yes"]
    assert listed["2"][1] == "box" and listed["3"][-1] == "gpu,t3"
    assert set(rows(text(up, "find", "gpu"))) == {"1", "2", "3"}
    assert set(rows(text(up, "nodes", "--tag", "t2"))) == {"2"}
    assert set(rows(text(up, "find", "--network", "1"))) == {"1"}
    assert rows(text(up, "networks"))["1"][:4] == ["1", "lab", "token", "1"]
    assert rows(text(up, "registry", "networks"))["1"][1] == "lab"
    assert rows(text(up, "registry", "trust"))["1"] == ["1", "2", "no", "yes", "no"]
    assert text(up, "registry", "trust", "--node", "3").startswith("this node trusts nobody")
    audit = text(up, "registry", "audit", "--limit", "1")
    assert "network.created" in audit and "--after" in audit
    status = text(up, "registry", "status")
    for name in ("listen", "store", "nodes", "trust_one_sided", "commits"):
        assert name in status
    assert "  create_network             1, 0 with an error\n" in status


def test_more_than_a_page(up, tmp_path):
    """A limit is what the user gets, whatever the relay puts into a message."""
    client = Client(REGISTRY)
    for i in range(230):
        node = Node(i + 1)
        node.register(client, version="v" + "1" * 30)
        node.own(client, "set_tags", tags=["many"])
    everything = list(range(1, 231))
    assert [n["node"] for n in up.ask("registry", "nodes", "--limit", "0")["nodes"]] == everything
    found = up.ask("find", "many", "--limit", "210")
    assert len({n["node"] for n in found["nodes"]}) == 210 and found["next"]
    rest = up.ask("nodes", "--tag", "many", "--limit", "0", "--after", found["next"])
    assert len(rest["nodes"]) == 20 and "next" not in rest
    assert len(up.ask("nodes", "--tag", "many", "--limit", "3")["nodes"]) == 3
    lines = text(up, "registry", "audit", "--lines").splitlines()
    ids = [json.loads(line)["id"] for line in lines]
    assert ids == list(range(460, 0, -1))
    assert text(up, "registry", "audit", "--lines", "--since", "455").splitlines() == lines[:5]
    copy = tmp_path / "copy.db"
    assert up.ask("registry", "backup", copy) == {"backup": str(copy)}
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:  # another file system
        text(up, "registry", "backup", Path(elsewhere) / "copy.db")
        assert (Path(elsewhere) / "copy.db").read_bytes() == copy.read_bytes()
    missing = run(up, "registry", "backup", tmp_path / "none" / "copy.db")
    assert missing.returncode == 1 and "No such file" in missing.stderr
    assert not list(up.state.glob("*-backup"))


@pytest.mark.parametrize("words,status,said", [
    (["registry", "nodez"], 2, "write fairway registry status, nodes"),
    (["registry", "nodes", "--limit", "many"], 2, "--limit: \"many\" is no whole number"),
    (["nodes", "--tag", "a", "--limit", "-1"], 2, "--limit: "),
    (["registry", "trust", "--node", "0"], 2, "--node: \"0\" is out of range"),
    (["registry", "import"], 2, "import FILE"),
    (["registry", "backup"], 2, "backup FILE"),
    (["find"], 2, "name what is looked for"),
    (["find", "UPPER"], 1, "cannot be searched for"),
    (["find", "a", "--network", "9"], 1, "there is no network 9"),
    (["find", "a", "--after", "x"], 1, "no place in a list")])
def test_refusals(up, words, status, said):
    done = run(up, *words)
    assert done.returncode == status and said in done.stderr and not done.stdout


def test_without_a_relay(up, tmp_path):
    for words in (["registry"], ["networks"], ["find", "a"], ["reload"]):
        done = run(up, *words, state=tmp_path)
        assert done.returncode == 3 and done.stderr
    for words in (["registry"], ["networks"], ["find"], ["reload"]):
        done = run(up, *words, "--help")
        assert done.returncode == 0 and "usage: fairway " + words[0] in done.stdout


def test_token(up, tmp_path):
    path = tmp_path / "token"
    assert "holds a new token" in text(up, "registry", "token", path)
    assert len(path.read_text().strip()) == 48 and path.stat().st_mode & 0o077 == 0
    before = path.read_text()
    done = run(up, "registry", "token", path)
    assert done.returncode == 1 and "File exists" in done.stderr
    assert path.read_text() == before


def test_token_is_for_who_serves(tmp_path):
    """systemd starts the control plane as `fairway`: the file is its group's to read; its folder is made."""
    for name, line in (("passwd", "fairway:x:64990:64991::/:/bin/false\n"), ("group", "fairway:x:64991:\n")):
        others = [line for line in Path("/etc", name).read_text().splitlines(True) if not line.startswith("fairway:")]
        (tmp_path / name).write_text("".join(others) + line)
    token = tmp_path / "new" / "token"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", 'mount --bind "$1/passwd" /etc/passwd\nmount --bind "$1/group" /etc/group\n'
         'exec "$2" registry token "$3"', "sh", tmp_path, BUILD / "fairway", token],
        capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    seen = token.stat()
    assert (seen.st_uid, seen.st_gid, seen.st_mode & 0o777) == (0, 64991, 0o640)


def test_backup_and_import(up, tmp_path):
    """A backup in the store's place is the registry again; a Go snapshot makes a new one."""
    client = Client(REGISTRY)
    node = Node(1)
    node.register(client)
    node.own(client, "set_hostname", hostname="kept")
    copy = tmp_path / "copy.db"
    text(up, "registry", "backup", copy)
    assert run(up, "registry", "backup", copy).returncode == 1
    node.own(client, "set_hostname", hostname="lost")
    done = run(up, "registry", "restore", copy)
    assert done.returncode == 1 and "is in use by process" in done.stderr
    # the machine fails: "lost" is in SQLite's log
    os.kill(up.process.pid, signal.SIGSTOP)  # it would start another, which then ends in order
    os.kill(running(str(up.state))["fairway-cp"], signal.SIGKILL)
    up.process.stop(signal.SIGKILL)
    eventually(lambda: not running(str(up.state)))
    store = up.state / "registry.db"
    assert store.with_name("registry.db-wal").stat().st_size > 0
    text(up, "registry", "restore", copy, "--store", store)
    up.start()
    assert Client(REGISTRY).ask("lookup", node_id=1)["hostname"] == "kept"
    up.stop()
    text(up, "registry", "restore", f"{store}-before", "--store", store)
    up.start()
    assert Client(REGISTRY).ask("lookup", node_id=1)["hostname"] == "lost"
    up.stop()
    snapshot = tmp_path / "go.json"
    snapshot.write_text(json.dumps({
        "version": 1, "next_node": 8, "next_net": 2, "nodes": {"7": {
            "id": 7, "public_key": node.public_key, "networks": [0, 1], "hostname": "moved"}},
        "networks": {"1": {"id": 1, "name": "lab", "join_rule": "open", "members": [7]}},
        "pub_key_idx": {node.public_key: 7}, "trust_pairs": []}))
    done = run(up, "registry", "import", snapshot, "--store", store)
    assert done.returncode == 1 and "not empty" in done.stderr
    for old in up.state.glob("registry.db*"):
        old.unlink()
    done = run(up, "registry", "import", snapshot, "--store", store)
    assert done.returncode == 0, done.stderr
    up.start()
    moved = Client(REGISTRY).ask("lookup", node_id=7)
    assert moved["hostname"] == "moved" and moved["networks"] == [0, 1]


@pytest.mark.parametrize("content, said", [(b"", "it is empty"), (b"no database" * 500, "is damaged")])
def test_what_is_no_backup_is_not_restored(up, tmp_path, content, said):
    """Over a good store; a damaged one gives way, and its log with it."""
    node = Node(1)
    node.register(Client(REGISTRY))
    copy, bad, store = tmp_path / "copy.db", tmp_path / "bad.db", up.state / "registry.db"
    text(up, "registry", "backup", copy)
    up.stop()
    bad.write_bytes(content)
    before = store.read_bytes()
    done = run(up, "registry", "restore", bad, "--store", store)
    assert done.returncode == 1 and said in done.stderr, done.stderr
    assert store.read_bytes() == before
    store.write_bytes(b"no database" * 500)
    store.with_name("registry.db-wal").write_bytes(b"of the damaged one")
    text(up, "registry", "restore", copy, "--store", store)
    assert store.with_name("registry.db-before-wal").read_bytes() == b"of the damaged one"
    up.start()
    assert Client(REGISTRY).ask("lookup", node_id=1)["public_key"] == node.public_key


def test_one_process_a_store(up, tmp_path):
    """Two registries on one file would give the same ids out; state directories of their own do not help."""
    store = up.state / "registry.db"
    os.chmod(tmp_path, 0o755)
    with tempfile.TemporaryDirectory(prefix="fairway-registry-") as other:
        os.chmod(other, 0o755)
        (tmp_path / "go.json").write_text("{}")
        for command in ([BUILD / "fairway", "registry", "import", tmp_path / "go.json"],
                        [BUILD / "fairway-cp", "--registry", "embedded", "--registry-listen",
                         "127.0.0.1:%d" % HTTP]):
            option = "--store" if "import" in command else "--registry-store"
            done = subprocess.run([*command, option, store, "--state", f"{other}/state"], capture_output=True,
                                  text=True, timeout=60)
            assert done.returncode == 1, done.stderr
            assert f"registry store {store} is in use by process " in done.stderr
    Node(1).register(Client(REGISTRY))


def test_an_import_that_cannot_be_written_says_so(up, tmp_path):
    keys = {number: base64.b64encode(bytes([1, *divmod(number, 256)]) + bytes(29)).decode()
            for number in range(1, 4000)}
    snapshot = tmp_path / "go.json"
    snapshot.write_text(json.dumps({
        "version": 1, "nodes": {str(n): {"id": n, "public_key": key} for n, key in keys.items()},
        "pub_key_idx": {key: n for n, key in keys.items()}}))
    up.stop()
    done = run(up, "registry", "import", snapshot, "--store", "/dev/null/registry.db")
    assert done.returncode == 2 and "name another with --store" in done.stderr
    disk = up.state.parent / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "fw-regimport", disk], check=True)
    try:
        done = run(up, "registry", "import", snapshot, "--store", disk / "store" / "registry.db")
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
    assert done.returncode == 1 and "nothing was imported: make room" in done.stderr
    up.start()


@pytest.mark.parametrize("content,said", [
    (b"", "its first line is empty"), (b"x" * 256, "too long"), (b"a\0b\n", "no printable text")])
def test_token_files_that_are_none(up, content, said):
    up.stop()
    up.token.write_bytes(content)
    done = subprocess.run(up.command, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and done.stderr.count(said) == 1, done.stderr


def test_a_store_that_is_none_is_not_tried_again(up):
    up.stop()
    (up.state / "registry.db").write_bytes(b"no database" * 10)
    done = subprocess.run(up.command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and done.stderr.count("is damaged") == 1, done.stderr


def test_what_cannot_heal_is_not_tried_again(up):
    """What the settings name, as it looks to the user who serves."""
    up.stop()
    closed, fifo = up.state.parent / "closed", up.state.parent / "fifo"
    closed.mkdir(0o700)
    os.mkfifo(fifo)
    fifo.chmod(0o666)
    for words, said in (
            (["--registry-fleets", up.state], f"{up.state}: Is a directory: name another with --registry-fleets"),
            (["--registry-fleets", fifo], f"{fifo}: it is no regular file"),
            (["--registry-store", closed / "new" / "r.db"], f"{closed}/new: Permission denied: name another with")):
        done = subprocess.run([*up.command, *words], capture_output=True, text=True, timeout=2 * PATIENCE)
        assert done.returncode == 2 and done.stderr.count(said) == 1, done.stderr
