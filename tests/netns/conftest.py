# SPDX-License-Identifier: BSD-3-Clause
import os
import shutil

import pytest

from netlab import Lab


def pytest_collection_modifyitems(items):
    reason = None
    if os.geteuid() != 0:
        reason = "network namespaces need root"
    elif not shutil.which("ip") or not shutil.which("nft"):
        reason = "iproute2 and nftables are not installed (make deps)"
    for item in items:
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def lab():
    made = Lab()
    yield made
    made.close()
