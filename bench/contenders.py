# SPDX-License-Identifier: BSD-3-Clause
"""The programs that are compared, and how each is started on a testbed."""
from testbed import BEACON, Fairway, Program
from trials import Contender


def fairway(name, *arguments):
    return Contender(name, lambda bed: Fairway(bed, *arguments))


def baseline(bed):
    address, port = BEACON.split(":")
    return Program(bed, bed.build / "bench/baseline", address, port, "200000")


def swap(bed):
    return Program(bed, bed.build / "bench/xdp-swap", "w")


BASELINE = Contender("baseline", baseline)  # a plain relay: bench/baseline
SWAP = Contender("swap", swap, reflected=True)  # swaps addresses on AF_XDP, nothing else
SOCK = fairway("sock")
XDP = fairway("xdp", "--link", "xdp:w")
KERNEL = fairway("kernel", "--link", "xdp:w,mode=kernel")
