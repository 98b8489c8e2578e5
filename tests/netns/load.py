# SPDX-License-Identifier: BSD-3-Clause
"""The packet generator as a load with a verdict."""
import json
import os
import tempfile

from netlab import BUILD, PATIENCE


class Load:
    """fairway-pktgen on a host; `result()` waits for its end."""

    def __init__(self, lab, host, mode, beacon, **options):
        handle, self.json = tempfile.mkstemp(prefix="fairway-load-", suffix=".json")
        os.close(handle)
        words = []
        for key, value in options.items():
            words += ["--" + key.replace("_", "-")] + ([] if value is True else [str(value)])
        self.process = lab.spawn([BUILD / "fairway-pktgen", mode, "--to", f"{beacon[0]}:{beacon[1]}",
                                  "--quiet", "--json", self.json,
                                  *words], host)

    def result(self, timeout=2 * PATIENCE):
        status = self.process.process.wait(timeout)
        with open(self.json, encoding="ascii") as file:
            text = file.read()
        os.unlink(self.json)
        assert status == 0, f"pktgen: exit {status}\n{self.process.output()}\n{text}"
        return json.loads(text)
