#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""How `make bench` decides and computes, without running anything."""
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import report  # noqa: E402
import trials  # noqa: E402
from scenario import verdict  # noqa: E402


class Bench(unittest.TestCase):
    def test_a_pause_is_no_overload(self):
        for sent, on_time, share in (
                ([1000] * 4, [1000] * 4, 0), ([1000] * 4, [1000, 999, 998, 0], 0.5),
                ([1000] * 4, [0] * 4, 1), ([0, 1000], [0, 1000], 0), ([], [], 0)):
            self.assertEqual(trials.lossy_share({"sent": sent, "on_time": on_time}), share)

    def test_staircase_ends_around_the_limit(self):
        for limit in (30_000, 250_000, 1_700_000):
            stairs, visited = trials.Staircase(), []
            for _ in range(20):
                visited.append(stairs.rate)
                stairs.next(stairs.rate <= limit)
            for rate in visited[-5:]:
                self.assertAlmostEqual(rate / limit, 1, delta=0.08)

    def test_turns_are_reversed_every_other_round(self):
        order = []
        trials.in_turns({"a": "a", "b": "b"}, 3, order.append)
        self.assertEqual("".join(order), "abbaab")

    def test_slow_phases_do_not_change_a_ratio(self):
        found = trials.paired([10, 20, 10, 40], [5, 10, 5, 20], float)
        self.assertEqual((found["low"], found["ratio"], found["high"]), (2, 2, 2))
        self.assertEqual((found["ours"], found["theirs"]), (15, 7.5))

    def test_verdicts(self):
        for value, goal, expected in (
                (2, ">= 2", "holds"), (1.999, ">= 2", "missed"), (1.6, "<= 1.6", "holds"),
                (1, "< 1", "missed"), (5, "", "")):
            self.assertEqual(verdict(value, goal), expected)

    def test_table_has_both_sides_and_figures(self):
        ratio = {"what": "a / b", "ours": 4e6, "theirs": 2e6, "ratio": 2, "low": 1.9, "high": 2.1,
                 "unit": "/s", "goal": ">= 2"}
        figure = {"what": "c", "value": 0.5, "unit": "%", "goal": "< 1"}
        text = report.table({"scenarios": {
            "one": {"ratios": [ratio], "figures": [figure]}, "two": {"left_out": "no reason"}}})
        for part in ("4,000,000", "2,000,000", "2.00", "1.90 to 2.10", "holds", "0.50"):
            self.assertIn(part, text)


if __name__ == "__main__":
    unittest.main()
