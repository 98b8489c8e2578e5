# SPDX-License-Identifier: BSD-3-Clause
"""fairway-pktgen registry: every phase is answered as daemons want it, and so is a storm."""
import json
import subprocess

from netlab import BUILD, PATIENCE

NODES, PEERS = 300, 3


def run(registry, *arguments, stdout=subprocess.PIPE):
    return subprocess.run(
        [BUILD / "fairway-pktgen", "registry", "--to", "%s:%d" % registry.address, "--nodes",
         str(NODES), "--connections", "20", "--peers", str(PEERS), "--seconds", "1",
         "--pid", str(registry.process.pid), "--json", *arguments],
        stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=2 * PATIENCE)


def load(registry, *arguments):
    process = run(registry, *arguments)
    assert process.returncode == 0, process.stderr
    return {row["phase"]: row for row in json.loads(process.stdout)}


def test_phases_and_storm(registry):
    rows = load(registry, "--storm", "1")
    storm = rows.pop("storm")
    assert storm["done"] == NODES and storm["failed"] == 0
    assert all(row["refused"] == 0 and row["cpu_s"] > 0 for row in rows.values())
    assert [rows[name]["answers"] for name in ("register", "first", "publish", "resolve")] == \
        [NODES, 2 * NODES, NODES, PEERS * NODES]
    assert all(rows[name]["answers"] > NODES for name in ("heartbeat", "poll", "lookup", "again"))


def test_chosen_phases(registry):
    rows = load(registry, "--phases", "first,resolve", "--seed", "2")
    assert list(rows) == ["register", "first", "resolve"]
    # nobody is public
    assert rows["resolve"]["refused"] > 0


def test_lost_report_is_a_failure(registry):
    with open("/dev/full", "w") as full:
        process = run(registry, "--phases", "register", stdout=full)
    assert process.returncode == 1 and "--json" in process.stderr
