# SPDX-License-Identifier: BSD-3-Clause
"""Short trials of several programs in turns, and what follows from them.

docs/performance.md says why it is done like this.
"""
import contextlib
import copy
import dataclasses
import statistics

from testbed import Testbed, settle

TRIAL_SECONDS = 0.25
ACCEPTED_LOSS = 0.001
FIRST_RATE = 100_000
LEAST_STEP = 1.03


@dataclasses.dataclass(frozen=True)
class Load:
    size: int = 64
    train: int = 1
    nodes: int = 100_000


@dataclasses.dataclass(frozen=True)
class Contender:
    name: str
    start: object            # Testbed -> testbed.Program
    reflected: bool = False  # it sends frames back unchanged


@dataclasses.dataclass
class Trial:
    offered: float         # datagrams a second
    relayed: float         # that left the relay, a second
    per_cpu_second: float  # relayed, by CPU-second of the relay's side
    loss: float            # share, with what the machine's pauses cost
    lossy_windows: float   # share of the 10 ms windows with more than the accepted loss
    latency_us: dict
    wrong: int             # altered, misrouted or twice
    reordered: int

    @property
    def carried(self):
        """Most of the trial went without loss or delay: the rate is not what lost the rest."""
        return self.lossy_windows < 0.5


def lossy_share(windows):
    judged = [(sent, there) for sent, there in zip(windows["sent"], windows["on_time"]) if sent]
    lossy = sum(there < sent * (1 - ACCEPTED_LOSS) for sent, there in judged)
    return lossy / max(1, len(judged))


class Runner:
    """A contender on a testbed of its own, with its nodes registered; at rest between trials."""

    def __init__(self, build, contender, load):
        self.name, self.bed, self.load = contender.name, Testbed(build), load
        self.words = ["--link", "xdp:g", "--nodes", load.nodes, "--flows", load.nodes]
        try:
            self.program = contender.start(self.bed)
            if contender.reflected:
                self.words.append("--reflected")
            else:
                self.words.append("--no-register")
                self.bed.pktgen("register", "--link", "xdp:g", "--nodes", load.nodes, "--rate",
                                40000)
            self.program.rest()
        except BaseException:
            self.bed.close()
            raise

    def close(self):
        self.program.wake()
        self.program.stop()
        self.bed.close()

    def sized(self, size):
        """The same program, for trials with another size."""
        other = copy.copy(self)
        other.name, other.load = (self.name, size), dataclasses.replace(self.load, size=size)
        return other

    def trial(self, rate, seconds=TRIAL_SECONDS):
        self.program.wake()
        left, cpu = self.bed.left_relay(), self.program.cpu()
        found = self.bed.pktgen("relay", "--rate", int(rate), "--seconds", seconds, "--size",
                                self.load.size, "--train", self.load.train, *self.words)
        left, cpu = self.bed.left_relay() - left, self.program.cpu() - cpu
        self.program.rest()
        settle()
        return Trial(
            offered=found["sent"] / found["seconds"], relayed=left / found["seconds"],
            per_cpu_second=left / max(cpu, 1e-3), loss=found["loss"],
            lossy_windows=lossy_share(found["windows"]), latency_us=found["latency_us"],
            wrong=found["corrupt"] + found["misrouted"] + found["duplicates"],
            reordered=found["reordered"])


@contextlib.contextmanager
def field(build, contenders, load):
    """{name: Runner} of those that start on this machine."""
    with contextlib.ExitStack() as stack:
        runners = {}
        for contender in contenders:
            try:
                runners[contender.name] = Runner(build, contender, load)
            except (AssertionError, RuntimeError) as error:
                print(f"  {contender.name}: left out, does not start: "
                      f"{str(error).strip().splitlines()[-1]}", flush=True)
                continue
            stack.callback(runners[contender.name].close)
        yield runners


def in_turns(runners, rounds, run):
    """{name: [result of run(runner)]}: each once a round, in reversed order every other round."""
    results = {name: [] for name in runners}
    for i in range(rounds):
        for name in list(runners) if i % 2 == 0 else reversed(list(runners)):
            results[name].append(run(runners[name]))
    return results


class Staircase:
    """The rate of the next trial: up after a carried one, down after another, in steps that become
    smaller whenever the direction changes."""

    def __init__(self, rate=FIRST_RATE):
        self.rate, self.step, self.before = rate, 2.0, None

    def next(self, carried):
        if self.before not in (None, carried):
            self.step = max(LEAST_STEP, self.step ** 0.5)
        self.rate *= self.step if carried else 1 / self.step
        self.before = carried


def climb(runners, rounds):
    """(best rate, trials) by name. The best rate is the median of those that were carried in the
    second half, when the staircase stands around it."""
    stairs = {name: Staircase() for name in runners}

    def run(runner):
        trial = runner.trial(stairs[runner.name].rate)
        stairs[runner.name].next(trial.carried)
        return trial

    trials = in_turns(runners, rounds, run)
    best = {}
    for name, list_ in trials.items():
        late = [t.offered for t in list_[len(list_) // 2:] if t.carried]
        best[name] = statistics.median(late or [min(t.offered for t in list_)])
    return best, trials


def at_rates(runners, rates, rounds, seconds=TRIAL_SECONDS):
    """Trials by name, each program at its rate."""
    return in_turns({n: runners[n] for n in rates}, rounds,
                    lambda runner: runner.trial(rates[runner.name], seconds))


def spread(values):
    """(lower quartile, median, upper quartile)"""
    if len(values) < 2:
        return (values * 3)[:3]
    return tuple(statistics.quantiles(values, n=4, method="inclusive"))


def paired(ours, theirs, figure):
    """Both medians and the quartiles of the ratio, of trials that ran one after the other."""
    pairs = [(figure(a), figure(b)) for a, b in zip(ours, theirs)]
    low, ratio, high = spread([a / b for a, b in pairs])
    return {"ours": statistics.median(a for a, _ in pairs),
            "theirs": statistics.median(b for _, b in pairs),
            "low": low, "ratio": ratio, "high": high}


def carried_pairs(ours, theirs):
    """The pairs in which both carried their rate; all where that leaves fewer than two."""
    good = [(a, b) for a, b in zip(ours, theirs) if a.carried and b.carried]
    return zip(*good) if len(good) > 1 else (ours, theirs)
