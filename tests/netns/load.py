# SPDX-License-Identifier: BSD-3-Clause
"""The packet generator as a load with a verdict."""
import json
import tempfile
from pathlib import Path

from netlab import BUILD, PATIENCE


class Load:
    """fairway-pktgen on a host; `result()` waits for its end."""

    def __init__(self, lab, host, mode, beacon, **options):
        folder = tempfile.TemporaryDirectory(prefix="fairway-load-")
        lab.folders.append(folder)  # as long as it writes
        self.json = Path(folder.name) / "result.json"
        words = []
        for key, value in options.items():
            words += ["--" + key.replace("_", "-")] + ([] if value is True else [str(value)])
        self.process = lab.spawn([BUILD / "fairway-pktgen", mode, "--to", f"{beacon[0]}:{beacon[1]}",
                                  "--quiet", "--json", self.json,
                                  *words], host)

    def result(self, timeout=2 * PATIENCE):
        status = self.process.process.wait(timeout)
        text = self.json.read_text(encoding="ascii") if self.json.exists() else ""
        assert status == 0, f"pktgen: exit {status}\n{self.process.output()}\n{text}"
        return json.loads(text)
