#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The verdict of `make perf` on planted figures and on a dump as callgrind writes it."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench/perf"))

import gate  # noqa: E402

EXPECTED = {"relay": {"total": 400.0, "stages": {"classify": 300.0, "relay": 96.0, "egress": 4.0}}}

DUMP = """# callgrind format
version: 1
cmd:  /build/bench/perf
desc: Trigger: Client Request: relay

positions: line
events: Ir D1mr
summary: 9999 9

ob=/build/bench/perf
fl=???
fn=stage_relay.part.0'stages_run'worker_turn_at'main
0 10240 1024
cfn=node_lookup_run'stage_relay.part.0'stages_run'worker_turn_at'main
calls=16 0
0 5120 7

fn=node_lookup_run'stage_relay.part.0'stages_run'worker_turn_at'main
0 5120

fn=police_source'stage_police'stages_run'worker_turn_at'main
0 2048

fn=worker_send'worker_turn_at'main
0 3072

fn=mem_take'main
0 777

ob=/lib/libc.so.6
fn=memcpy'stage_relay'stages_run'worker_turn_at'main
0 888
"""


def planted(**stages):
    """EXPECTED with some stages at another figure."""
    figures = {**EXPECTED["relay"]["stages"], **stages}
    return {"relay": {"total": round(sum(figures.values()), 2), "stages": figures}}


class Compare(unittest.TestCase):
    def check(self, measured, problems, gains=0):
        found = gate.compare(EXPECTED, measured)
        self.assertEqual((len(found[0]), len(found[1])), (problems, gains), found)

    def test_verdicts(self):
        self.check(planted(), 0)
        self.check(planted(classify=306.0), 0)  # +2 %
        self.check(planted(classify=309.0), 0)  # +3 %
        self.check(planted(classify=312.0), 1)  # +4 %; the whole path +3 %
        self.check(planted(classify=300 * 1.04, relay=96 * 1.04, egress=4 * 1.04), 3)
        self.check(planted(classify=300 * 1.02, relay=96 * 1.02, egress=4 * 1.02), 0)

    def test_small_stages_have_half_an_instruction(self):
        self.check(planted(egress=4.4), 0)
        self.check(planted(egress=4.6), 1)
        self.check(planted(punt=0.4), 0)

    def test_a_stage_that_is_new_or_gone(self):
        self.check(planted(punt=8.0), 1)
        self.check({"relay": {"total": 396.0, "stages": {"classify": 300.0, "relay": 96.0}}}, 0, 1)

    def test_less_is_told(self):
        self.check(planted(classify=290.0), 0, 1)
        self.check(planted(classify=280.0), 0, 2)
        self.check(planted(classify=280.0, relay=116.0), 1, 1)

    def test_cases_must_be_the_same(self):
        self.check({}, 1)
        self.check({**planted(), "discover": EXPECTED["relay"]}, 1)


class Dump(unittest.TestCase):
    def test_costs_by_stage(self):
        name, stages = gate.dump_read(DUMP)
        self.assertEqual(name, "relay")
        self.assertEqual(gate.per_datagram(stages, "Ir"), {"total": 20.0, "stages": {
            "worker": 3.0, "police": 2.0, "lookup": 5.0, "relay": 10.0}})
        self.assertEqual(gate.per_datagram(stages, "D1mr"),
                         {"total": 1.0, "stages": {"relay": 1.0}})

    def test_a_dump_without_name_is_no_case(self):
        self.assertIsNone(gate.dump_read(DUMP.replace("Client Request", "Program termination"))[0])


if __name__ == "__main__":
    unittest.main()
