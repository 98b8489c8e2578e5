#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""How `make bench` decides and computes, without running anything."""
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import report  # noqa: E402
import scenarios_local  # noqa: E402
import trials  # noqa: E402
from scenario import LeftOut, Settings, needs_cores, verdict  # noqa: E402


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

    def test_too_few_cores_are_no_missed_goal(self):
        ratio = {"what": "a / b", "ours": 1, "theirs": 2, "ratio": 0.5, "low": None, "high": None,
                 "unit": "", "goal": ">= 2"}
        few = {"ratios": [ratio], "few_cores": "meant for 4 cores, it had 2"}
        for scenario, found in (({"ratios": [ratio]}, "missed"), (few, "not judged"),
                                ({"ratios": [{**ratio, "judged": False}]}, "not judged")):
            text = report.table({"scenarios": {"one": scenario}})
            self.assertEqual([word for word in ("missed", "not judged") if word in text], [found])
        self.assertIn("one: not judged: meant for 4 cores, it had 2",
                      report.table({"scenarios": {"one": few}}))

    def test_the_table_says_what_is_missing(self):
        for key, scenario in (("left out", {"left_out": "no cable"}),
                              ("FAILED", {"failed": "Error: it\nno cable"})):
            text = report.table({"scenarios": {"one": scenario}})
            self.assertIn(f"one: {key}: no cable", text)
            self.assertIn("0 of 0 goals hold. Nothing was measured by one.", text)

    def test_cores_are_those_that_may_be_used(self):
        needs_cores(Settings("build", cores=2), 2, "why")
        with self.assertRaisesRegex(LeftOut, "why; it takes 3 cores and has 2"):
            needs_cores(Settings("build", cores=2), 3, "why")

    def test_latency_is_judged_where_the_machine_leaves_room(self):
        def found(worker, even, without=10):
            turns = {"turns": {"over_10us_a_second": 1}}
            return {"limit_us": 655, "without_pauses": {"p99_9_us": without},
                    "measured": {"p99_9_us": worker[0], "p99_9_us_slices": worker, **turns},
                    "even": {"p99_9_us": even[0], "p99_9_us_slices": even}}

        for worker, even, added, judged in (
                ([9, 9, 9], [6, 6, 6], 3, [True, True]), ([35, 35, 35], [27, 27, 27], 8, [True, False]),
                ([35, 655, 655], [5, 5, 655], 30, [False, True]), ([655], [655], 655, [False, False])):
            figures = scenarios_local.latency_figures(found(worker, even))
            self.assertEqual(figures[0].value, added)
            self.assertEqual([figure.judged for figure in figures[:2]], judged)


if __name__ == "__main__":
    unittest.main()
