#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Instructions per datagram by stage, compared with the figures kept in bench/expected/."""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = ROOT / "bench/expected"
DATAGRAMS = 1024    # of each case: bench/perf/perf.c
TURN = "worker_turn_at"
ALLOWED = 0.03      # more than this share above the expected figure fails
STAGE_SLACK = 0.5   # instructions that one stage may cost more in any case
# Fixed caches, so that --cache says the same on every machine: those of a small server core.
CACHES = ["--cache-sim=yes", "--I1=32768,8,64", "--D1=32768,8,64", "--LL=1048576,16,64"]
STAGE_ORDER = ["link", "worker", "classify", "police", "lookup", "relay", "discover", "punt",
               "answer", "encap", "egress"]


def stage_of(context):
    """The stage that a function worked for: the nearest caller that is one. None: outside a turn.
    GCC splits functions and names the pieces name.part.0 and so on."""
    names = [name.split(".")[0] for name in context.split("'")]
    if TURN not in names:
        return None
    for name in names:
        if name == "node_lookup_run":
            return "lookup"
        if name.startswith("mem_"):
            return "link"
        if name.startswith(("stage_", "police_")):
            return name.removeprefix("stage_").split("_")[0]
    return "worker"


def dump_read(text):
    """Case name and, by stage, the events of one callgrind dump. What libc and the loader did is
    left out: which of its memcpy variants runs depends on the processor."""
    events, stages, where, program, is_call = [], {}, "", None, False
    case = re.search(r"^desc: Trigger: Client Request: (\S+)", text, re.M)
    command = re.search(r"^cmd:\s*(\S+)", text, re.M)
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and key in ("ob", "fn"):
            program, where = (value, where) if key == "ob" else (program, value)
        elif line.startswith("events:"):
            events = line.split()[1:]
        elif line.startswith("calls="):
            is_call = True  # the next line is what the callee cost: it has lines of its own
        elif re.match(r"\d+ \d", line):
            stage = stage_of(where)
            if not is_call and stage and command and program == command[1]:
                sums = stages.setdefault(stage, dict.fromkeys(events, 0))
                for event, count in zip(events, line.split()[1:]):
                    sums[event] += int(count)
            is_call = False
    return (case[1] if case else None), stages


def per_datagram(stages, *events):
    """Sum of the events by stage, and in total, for one datagram."""
    sums = {s: sum(counts.get(e, 0) for e in events) for s, counts in stages.items()}
    figures = {s: round(sums[s] / DATAGRAMS, 2) for s in sorted(sums, key=rank) if sums[s]}
    return {"total": round(sum(sums.values()) / DATAGRAMS, 2), "stages": figures}


def rank(stage):
    return (STAGE_ORDER.index(stage) if stage in STAGE_ORDER else len(STAGE_ORDER), stage)


def compare(expected, measured):
    """(problems, gains), as sentences. Both arguments: case -> {"total": n, "stages": {s: n}}."""
    problems, gains = [], []
    for case in sorted(set(expected) | set(measured)):
        if case not in measured or case not in expected:
            problems.append(f"{case}: {'not measured' if case in expected else 'not expected'}")
            continue
        old, new = expected[case], measured[case]
        rows = [("whole path", old["total"], new["total"], 0)]
        for stage in sorted(set(old["stages"]) | set(new["stages"]), key=rank):
            rows.append((stage, old["stages"].get(stage, 0), new["stages"].get(stage, 0),
                         STAGE_SLACK))
        for what, before, after, slack in rows:
            change = f"{case}, {what}: {before} -> {after}"
            if after > before * (1 + ALLOWED) and after > before + slack:
                problems.append(change)
            elif after < before * (1 - ALLOWED) and after < before - slack:
                gains.append(change)
    return problems, gains


def table(cases):
    stages = sorted({s for c in cases.values() for s in c["stages"]}, key=rank)
    rows = [["case", "total"] + stages]
    for name, case in cases.items():
        rows.append([name, f"{case['total']:.1f}"] +
                    [f"{case['stages'][s]:.1f}" if s in case["stages"] else "" for s in stages])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join([row[0].ljust(widths[0])] +
                               [cell.rjust(w) for cell, w in zip(row[1:], widths[1:])]).rstrip()
                     for row in rows)


def measure(program, options=()):
    """Case name -> stage -> events."""
    cases = {}
    with tempfile.TemporaryDirectory(prefix="fairway-perf-") as folder:
        command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--collect-atstart=no",
                   "--separate-callers=16", "--compress-strings=no", "--compress-pos=no",
                   f"--callgrind-out-file={folder}/dump", *options, program]
        done = subprocess.run(command, env={**os.environ, "LD_BIND_NOW": "1"}, timeout=300,
                              capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"perf: {program} under callgrind ended with {done.returncode}:\n"
                     f"{done.stderr}")
        dumps = sorted(Path(folder).glob("dump.*"), key=lambda p: int(p.suffix[1:]))
        for path in dumps:
            name, stages = dump_read(path.read_text(encoding="utf-8"))
            if name:
                cases[name] = stages
    return cases


def skip(why):
    print(f"perf: skipped: {why}")
    sys.exit(0)


def judge(build, path, figures):
    if not path.exists():
        kept = ", ".join(sorted(p.stem for p in EXPECTED.glob("*.json"))) or "no build"
        skip(f"no figures are kept for {build}, only for {kept}: instruction counts belong to a "
             f"compiler and its options (make perf-update keeps these too)")
    problems, gains = compare(json.loads(path.read_text(encoding="utf-8"))["cases"], figures)
    for text in gains:
        print(f"perf: less: {text}")
    for text in problems:
        print(f"perf: MORE: {text}")
    if gains and not problems:
        print("perf: keep the gain: make perf-update")
    if problems:
        print(f"perf: more than {ALLOWED:.0%} above {path.relative_to(ROOT)}; if the work is worth "
              f"it, make perf-update and say in the commit why")
        return 1
    print(f"perf: {len(figures)} cases within {ALLOWED:.0%} of {path.relative_to(ROOT)}")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--update", action="store_true", help="keep the figures measured now")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, no verdict")
    parser.add_argument("--cache", action="store_true",
                        help="cache misses of a simulated 32 KiB L1 and 1 MiB last level, no verdict")
    options = parser.parse_args()
    program = Path(options.build).resolve() / "bench/perf"
    if not shutil.which("valgrind"):
        skip("valgrind is not installed")
    if not program.exists():
        skip(f"{program} is not built: valgrind/callgrind.h was missing at meson setup")
    build = subprocess.run([program, "--build"], capture_output=True, text=True,
                           check=True).stdout.strip()
    path = EXPECTED / f"{build}.json"
    if options.cache:
        cases = measure(program, CACHES)
        for title, events in (("first-level misses", ("D1mr", "D1mw")),
                              ("last-level misses", ("DLmr", "DLmw"))):
            print(f"{title} per datagram")
            print(table({name: per_datagram(s, *events) for name, s in cases.items()}))
        return 0
    figures = {name: per_datagram(stages, "Ir") for name, stages in measure(program).items()}
    if options.json:
        print(json.dumps({"build": build, "cases": figures}, indent=1))
        return 0
    print(table(figures))
    if not options.update:
        return judge(build, path, figures)
    EXPECTED.mkdir(exist_ok=True)
    path.write_text(json.dumps({"build": build, "cases": figures}, indent=1) + "\n",
                    encoding="utf-8")
    print(f"perf: kept in {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
