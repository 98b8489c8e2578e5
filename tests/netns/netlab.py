# SPDX-License-Identifier: BSD-3-Clause
"""Hosts, cables, NATs and relays in network namespaces that a test makes and removes.

Every process is started and stopped by pid; Lab.close() undoes everything, also after a failure.
"""
import contextlib
import ctypes
import itertools
import json
import os
import select
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("FAIRWAY_BUILD", ROOT / "build"))
CLONE_NEWNET = 0x40000000
DISCOVER, DISCOVER_REPLY, PUNCH_REQUEST, PUNCH_COMMAND, RELAY, DELIVER, SYNC = range(1, 8)
DISCOVER_EX, DELIVER_DEST = 8, 9
PATIENCE = 60  # seconds until what has to happen counts as missing, on a machine that is busy
NO_RELAY = 3  # exit status of fairway: control plane or data plane do not answer


def run(*command, check=True, timeout=PATIENCE):
    """Runs a command to its end; a failure carries what it printed."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=timeout)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}\n"
                           f"{done.stdout}{done.stderr}")
    return done


@contextlib.contextmanager
def inside(namespace):
    """The calling thread is in the namespace meanwhile; sockets made here stay there."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net", "rb") as home, \
            open(f"/run/netns/{namespace}", "rb") as there:
        if libc.setns(there.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
        try:
            yield
        finally:
            libc.setns(home.fileno(), CLONE_NEWNET)


class Process:
    """A started program; what it prints goes to a file that failures quote."""

    started = []  # by the test that runs

    def __init__(self, command, namespace=None, env=None):
        self.log = tempfile.NamedTemporaryFile("w+", prefix="fairway-test-", suffix=".log")
        line = [str(c) for c in command]
        if namespace:
            line = ["ip", "netns", "exec", namespace] + line
        self.process = subprocess.Popen(line, stdout=self.log, stderr=subprocess.STDOUT,
                                        env={**os.environ, **(env or {})})
        self.pid = self.process.pid
        self.name = Path(command[0]).name
        Process.started.append(self)

    def wait_for(self, line):
        """Until it prints a line that begins so."""
        def said():
            output = self.output()
            assert self.process.poll() is None, f"{self.name} has ended:\n{output}"
            return f"\n{line}" in f"\n{output}"
        eventually(said, every=0.02)

    def output(self):
        return Path(self.log.name).read_text(errors="replace")

    def defects(self):
        """What a sanitized build says of itself."""
        return [line for line in self.output().splitlines()
                if "ERROR: AddressSanitizer" in line or "runtime error: " in line]

    def stop(self, sig=signal.SIGTERM, timeout=PATIENCE):
        """Returns the exit status; a process that does not stop in time is killed."""
        if self.process.poll() is None:
            self.process.send_signal(sig)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"pid {self.pid} did not stop:\n{self.output()}") from None
        return self.process.returncode

    def kill(self):
        self.process.kill()  # nothing, when it has ended
        self.process.wait()


class Lab:
    """A set of namespaces, named after the process so that runs do not meet."""

    made = itertools.count()

    def __init__(self):
        self.prefix = f"fwt{os.getpid()}-{next(Lab.made)}-"
        self.namespaces, self.processes, self.sockets, self.folders = [], [], [], []

    def host(self, name):
        namespace = self.prefix + name
        run("ip", "netns", "add", namespace)
        self.namespaces.append(namespace)
        run("ip", "-n", namespace, "link", "set", "lo", "up")
        return namespace

    def cable(self, a, a_interface, b, b_interface, mtu=1500):
        """A veth pair between two hosts, both ends up."""
        run("ip", "-n", a, "link", "add", a_interface, "type", "veth", "peer", "name", b_interface,
            "netns", b)
        for host, interface in ((a, a_interface), (b, b_interface)):
            run("ip", "-n", host, "link", "set", interface, "mtu", mtu, "up")

    def address(self, host, interface, *addresses):
        for address in addresses:
            extra = ["nodad"] if ":" in address else []
            run("ip", "-n", host, "address", "add", address, "dev", interface, *extra)

    def route(self, host, *words):
        run("ip", "-n", host, *(["-6"] if any(":" in w for w in words) else []), "route", "add",
            *words)

    def forwarding(self, host):
        run("ip", "netns", "exec", host, "sysctl", "-qw", "net.ipv4.ip_forward=1",
            "net.ipv6.conf.all.forwarding=1")

    def nat(self, host, outside, kind):
        """`symmetric`: a new random port for each destination; `cone`: the port is kept."""
        flags = " random,fully-random" if kind == "symmetric" else ""
        self.forwarding(host)
        run("ip", "netns", "exec", host, "nft", f"""
            table ip nat {{
                chain post {{
                    type nat hook postrouting priority 100
                    oifname "{outside}" masquerade{flags}
                }}
            }}
            table ip filter {{
                chain forward {{
                    type filter hook forward priority 0; policy drop
                    ct state established,related accept
                    iifname != "{outside}" accept
                }}
            }}""")

    def spawn(self, command, host=None, env=None):
        process = Process(command, host, env)
        self.processes.append(process)
        return process

    def socket(self, host, family=socket.AF_INET, bind=None):
        with inside(host):
            made = socket.socket(family, socket.SOCK_DGRAM)
            made.settimeout(PATIENCE)
            if bind:
                made.bind(bind)
        self.sockets.append(made)
        return made

    def close(self):
        """Undoes everything, and then fails if a program did not stop or its sanitizer spoke."""
        found = []
        for made in self.sockets:
            made.close()
        for process in reversed(self.processes):
            try:
                process.stop()
            except AssertionError as e:
                found.append(str(e))
            found += process.defects()
        for namespace in reversed(self.namespaces):
            for pid in run("ip", "netns", "pids", namespace, check=False).stdout.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)  # whom those left behind
            run("ip", "netns", "delete", namespace, check=False)
        for folder in self.folders:
            folder.cleanup()
        assert not found, "\n".join(found)


def running(state):
    """pids by program name, of those with this state directory."""
    found = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, IndexError):
            if entry.name.isdigit() and state in (entry / "cmdline").read_text():
                found[(entry / "comm").read_text().strip()] = int(entry.name)
    return found


class Relay:
    """`fairway up` on a host of the lab."""

    def __init__(self, lab, host, *arguments, through=()):
        self.lab, self.host = lab, host
        self.state = tempfile.TemporaryDirectory(prefix="fairway-state-")
        lab.folders.append(self.state)  # as long as the relay runs
        os.chmod(self.state.name, 0o755)
        self.command = [*through, BUILD / "fairway", "up", "--state", self.state.name, *arguments]
        self.start()

    def start(self):
        self.process = self.lab.spawn(self.command, self.host)
        self.process.wait_for("ready ")

    def ask(self, *command):
        """The JSON that a `fairway` command prints."""
        deadline = time.monotonic() + PATIENCE
        while True:
            done = run(BUILD / "fairway", *command, "--json", "--state", self.state.name,
                       check=False)
            if done.returncode != NO_RELAY or time.monotonic() > deadline:
                break
            time.sleep(0.1)  # a part of it is starting again
        if done.returncode:
            raise RuntimeError(f"fairway {' '.join(command)}: {done.stderr}")
        return json.loads(done.stdout)

    def request(self, name):
        """The answer to an admin request, also to one that the command line has no command for."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.connect(self.state.name + "/admin.sock")
            s.send(json.dumps({"request": name}).encode())
            return json.loads(s.recv(70000))

    def counter(self, name):
        return self.ask("stats")["counters"][name]

    def drops(self):
        """Counts by the drop's name, those above zero."""
        return {d["name"]: d["count"] for d in self.ask("drops")["drops"] if d["count"]}

    def await_nodes(self, count):
        eventually(lambda: self.ask("status")["nodes"] == count)

    def children(self):
        return running(self.state.name)

    def stop(self, sig=signal.SIGTERM):
        return self.process.stop(sig)


class Node:
    """The part of a daemon that a beacon sees."""

    def __init__(self, lab, host, node, beacon, family=socket.AF_INET, bind=None):
        self.node, self.beacon, self.seen = node, beacon, None
        self.socket = lab.socket(host, family, bind)

    def send(self, *parts):
        self.socket.sendto(b"".join(parts), self.beacon)

    def receive(self, timeout=PATIENCE):
        self.socket.settimeout(timeout)
        return self.socket.recv(65535)

    def hears(self, timeout=0.3):
        """Whether a datagram is there, or comes in time."""
        return bool(select.select([self.socket], [], [], timeout)[0])

    def silent(self, timeout=0.3):
        """True when nothing comes but answers to Discovers that were repeated."""
        deadline = time.monotonic() + timeout
        while self.hears(max(0, deadline - time.monotonic())):
            if self.receive()[0] != DISCOVER_REPLY:
                return False
        return True

    def discover(self, kind=DISCOVER, timeout=PATIENCE):
        """Registers, as often as it takes; returns the address and port that the beacon saw, and
        keeps them as `seen`.

        The first answers may be lost while the kernels resolve neighbours and install routes.
        """
        deadline = time.monotonic() + timeout
        while True:
            self.send(struct.pack(">BI", kind, self.node))
            try:
                answer = bytes([DISCOVER_REPLY]) + self.expect(DISCOVER_REPLY, 1)
                break
            except TimeoutError:
                if time.monotonic() > deadline:
                    raise
        size = answer[1]
        family = socket.AF_INET if size == 4 else socket.AF_INET6
        self.seen = (socket.inet_ntop(family, answer[2:2 + size]),
                     struct.unpack(">H", answer[2 + size:4 + size])[0])
        return self.seen

    def relay(self, dest, frame):
        self.send(struct.pack(">BII", RELAY, self.node, dest), frame)

    def reaches(self, other, timeout=0.5, size=8):
        """Whether a frame gets to the other node; earlier ones that came late are skipped."""
        frame = os.urandom(size)
        self.relay(other.node, frame)
        deadline = time.monotonic() + timeout
        with contextlib.suppress(TimeoutError):
            while other.delivered(deadline - time.monotonic()) != (self.node, frame):
                pass
            return True
        return False

    def expect(self, kind, timeout=PATIENCE):
        """The next datagram of that type, without its type byte; others are skipped."""
        deadline = time.monotonic() + timeout
        while True:
            datagram = self.receive(max(0.01, deadline - time.monotonic()))
            if datagram[0] == kind:
                return datagram[1:]

    def delivered(self, timeout=PATIENCE):
        """(sender, frame) of the next RelayDeliver."""
        body = self.expect(DELIVER, timeout)
        return struct.unpack(">I", body[:4])[0], body[4:]


def talk(a, b, frame):
    """Both ways, and it arrives as it was sent."""
    for sender, receiver in ((a, b), (b, a)):
        sender.relay(receiver.node, frame)
        assert receiver.delivered() == (sender.node, frame)


def process_status(pid):
    """The fields of /proc/PID/status, stripped."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return {key: value.strip() for key, value in (line.split(":", 1) for line in lines)}


def sanitized():
    """Under AddressSanitizer the programs go without their system call filters."""
    options = json.loads((BUILD / "meson-info" / "intro-buildoptions.json").read_text())
    return next(o["value"] for o in options if o["name"] == "b_sanitize") != "none"


def assert_unprivileged(pid):
    status = process_status(pid)
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert set(status["Uid"].split()).isdisjoint({"0"}) and not status["Groups"]
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == ("0" if sanitized() else "2")


def eventually(check, timeout=PATIENCE, every=0.05):
    """Waits until check() is true and returns its value."""
    deadline = time.monotonic() + timeout
    while True:
        value = check()
        if value or time.monotonic() > deadline:
            assert value, f"not within {timeout} s"
            return value
        time.sleep(every)
