#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Links between documents lead to a file, and to a heading of it. Prints those that do not."""
import re
import subprocess
import sys
from pathlib import Path

CODE = re.compile(r"^```.*?^```", re.M | re.S)


def headings(path):
    """As GitHub names them."""
    found = re.findall(r"^#+ (.*)", CODE.sub("", path.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in found}


def dead(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", CODE.sub("", page.read_text())):
        name, _, heading = target.partition("#")
        path = page.parent / name if name else page
        if "://" not in target and not (
                path.exists() and (not heading or heading in headings(path))):
            yield f"{page}: {target} leads nowhere"


def main():
    pages = subprocess.check_output(["git", "ls-files", "*.md"], text=True).split()
    found = [line for page in pages for line in dead(Path(page))]
    print("\n".join(found), end="\n" if found else "")
    return bool(found)


sys.exit(main())
