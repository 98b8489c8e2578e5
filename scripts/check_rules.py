#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checks the rules of the tree: the include table, the size budgets, SPDX lines, comment style."""
import re
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Folder -> folders whose headers it may include, beside its own and base/.
INCLUDES = {
    "base": set(),
    "wire": set(),
    "shm": {"wire"},
    "config": {"wire"},
    "crypto": set(),
    "bpf": {"wire", "shm"},
    "dataplane": {"wire", "shm", "crypto", "config", "bpf"},
    "controlplane": {"wire", "shm", "crypto", "config"},
    "cli": {"wire", "config", "shm/counters.h", "controlplane/stats.h"},
    "pktgen": {"wire", "crypto", "dataplane/io", "dataplane/burst.h", "shm/layout.h", "bpf"},
    "bench": {"pktgen", "wire", "shm", "dataplane", "bpf"},
}
FILE_MEDIAN, FILE_MAX = 200, 600
FUNCTION_P95, FUNCTION_MAX = 75, 120
PARAMETERS_MAX, COLUMNS_MAX, NESTING_MAX = 6, 100, 4
TAB = 8


def sources():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.c", "*.h"],
                            cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split() if (ROOT / name).exists()]


def check_includes(path, lines):
    folder = path.relative_to(ROOT).parts[0]
    allowed = INCLUDES.get(folder)
    if allowed is None:
        return
    for number, line in enumerate(lines, 1):
        found = re.match(r'#include "([^"]+)"', line)
        if not found or found[1].endswith(".skel.h"):
            continue
        target = found[1]
        top = target.split("/")[0]
        if "/" not in target:
            yield f"{number}: include \"{target}\" from the project's root, as \"folder/file.h\""
        elif top not in (folder, "base") and not any(
                target == a or target.startswith(a + "/") for a in allowed):
            yield f"{number}: {folder}/ may not include {target} (design.md, table of folders)"


def check_lines(path, lines):
    if "SPDX-License-Identifier:" not in (lines[0] if lines else ""):
        yield "1: the first line is no SPDX-License-Identifier"
    if path.suffix == ".h" and "#pragma once" not in lines[:20]:
        yield "1: header without #pragma once in its first lines"
    for number, line in enumerate(lines, 1):
        if len(line.expandtabs(TAB)) > COLUMNS_MAX:
            yield f"{number}: {len(line.expandtabs(TAB))} columns, at most {COLUMNS_MAX}"
        if re.search(r"/\*(?!\s*\w+\s*\*/)", re.sub(r'"(\\.|[^"\\])*"', '""', line)):
            yield f"{number}: block comment; this tree uses //"
        if re.search(r"\b(TODO|FIXME|XXX)\b", line):
            yield f"{number}: TODO, FIXME and XXX belong into an issue"


def functions(path):
    tags = subprocess.run(["ctags", "-x", "--c-kinds=f", "--_xformat=%N\t%n\t%{end}\t%S", str(path)],
                          capture_output=True, text=True, check=True).stdout
    for line in tags.splitlines():
        name, start, end, signature = (line.split("\t") + ["", "", "", ""])[:4]
        if end.isdigit():
            yield name, int(start), int(end), signature


def nesting(body):
    deepest = depth = 0
    for line in body:
        code = re.sub(r'"(\\.|[^"\\])*"|\'(\\.|[^\'\\])*\'|//.*', "", line)
        for char in code:
            depth += (char == "{") - (char == "}")
            deepest = max(deepest, depth)
    return deepest - 1


def check_functions(path, lines, lengths):
    for name, start, end, signature in functions(path):
        length = end - start + 1
        lengths.append(length)
        if length > FUNCTION_MAX:
            yield f"{start}: {name} has {length} lines, at most {FUNCTION_MAX}"
        count = 0 if signature.strip() in ("()", "(void)", "") else signature.count(",") + 1
        if count > PARAMETERS_MAX:
            yield f"{start}: {name} has {count} parameters, at most {PARAMETERS_MAX}"
        depth = nesting(lines[start - 1:end])
        if depth > NESTING_MAX:
            yield f"{start}: {name} nests {depth} levels, at most {NESTING_MAX}"


def main():
    problems, sizes, lengths = [], [], []
    for path in sources():
        lines = path.read_text().splitlines()
        found = list(check_includes(path, lines)) + list(check_lines(path, lines))
        if path.suffix == ".c":
            sizes.append(len(lines))
            if len(lines) > FILE_MAX:
                found.append(f"{len(lines)}: {len(lines)} lines, at most {FILE_MAX}")
        found += check_functions(path, lines, lengths)
        problems += [f"{path.relative_to(ROOT)}:{text}" for text in found]
    median = statistics.median(sizes) if sizes else 0
    fitting = sum(n <= FUNCTION_P95 for n in lengths) / max(1, len(lengths))
    if median > FILE_MEDIAN:
        problems.append(f"median .c file has {median:.0f} lines, at most {FILE_MEDIAN}")
    if fitting < 0.95:
        problems.append(f"{fitting:.1%} of functions have at most {FUNCTION_P95} lines, 95 % must")
    print("\n".join(problems) or f"rules: {len(sizes)} .c files, median {median:.0f} lines; "
          f"{len(lengths)} functions, {fitting:.1%} of at most {FUNCTION_P95} lines")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
