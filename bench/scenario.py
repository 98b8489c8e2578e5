# SPDX-License-Identifier: BSD-3-Clause
"""What a scenario is, and what it hands to the report."""
import dataclasses
import operator
import os
from collections.abc import Callable

SCENARIOS = {}


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    about: str
    run: Callable  # (Settings) -> Result
    by_name: bool  # runs only when it is named
    cores: int     # that its goals are meant for: with fewer it runs, if it can, and none is judged


@dataclasses.dataclass(frozen=True)
class Settings:
    build: str
    rounds: float = 1.0  # factor for the number of trials
    cores: int = dataclasses.field(default_factory=lambda: len(os.sched_getaffinity(0)))

    def count(self, rounds, least=2):
        return max(least, round(rounds * self.rounds))


@dataclasses.dataclass
class Ratio:
    """One line of the table: both sides, their ratio, and what it should be."""
    what: str
    ours: float
    theirs: float
    goal: str = ""      # as ">= 2"; empty: no goal, for comparison
    unit: str = ""
    low: float = None   # quartiles of the ratio over the pairs of trials
    high: float = None
    ratio: float = None  # median of the pairs' ratios; ours / theirs where there are no pairs

    def __post_init__(self):
        if self.ratio is None:
            self.ratio = self.ours / self.theirs if self.theirs else float("inf")


@dataclasses.dataclass
class Figure:
    """One line of the second table: a figure that is no ratio."""
    what: str
    value: float
    goal: str = ""
    unit: str = ""
    low: float = None   # quartiles, of several trials
    high: float = None
    judged: bool = True  # False: the machine cannot show it, the line says why


@dataclasses.dataclass
class Result:
    ratios: list = dataclasses.field(default_factory=list)
    figures: list = dataclasses.field(default_factory=list)
    data: dict = dataclasses.field(default_factory=dict)  # for plots, by kind of plot


def verdict(value, goal, judged=True):
    """Whether a goal as ">= 2" is reached; empty without a goal."""
    if not goal:
        return ""
    if not judged:
        return "not judged"
    sign, number = goal.split()
    compare = {">=": operator.ge, "<=": operator.le, "<": operator.lt}[sign]
    return "holds" if compare(value, float(number)) else "missed"


def scenario(name, about, by_name=False, cores=1):
    """Makes the function below it a scenario of `make bench`, or of `bench/run NAME` only."""
    def register(function):
        SCENARIOS[name] = Scenario(name, about, function, by_name, cores)
        return function
    return register


class LeftOut(Exception):
    """The scenario needs something that is not there; the text says what."""


def needs_cores(settings, count, why):
    if settings.cores < count:
        raise LeftOut(f"{why}; it takes {count} cores and has {settings.cores}")
