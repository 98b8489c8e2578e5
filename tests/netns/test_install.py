# SPDX-License-Identifier: BSD-3-Clause
"""What `make install` puts into a DESTDIR is whole: a relay runs from there."""
import os
import re
import tempfile
from pathlib import Path

import pytest

import netlab
from netlab import BUILD, run
from topology import Nets, start_relay


@pytest.fixture(name="destdir")
def install(monkeypatch):
    """Programs are started from there, whatever the build has."""
    with tempfile.TemporaryDirectory(prefix="fairway-install-") as folder:
        os.chmod(folder, 0o755)  # whom the relay serves as starts programs from here
        run("meson", "install", "-C", netlab.BUILD, "--no-rebuild", "--destdir", folder, timeout=120)
        monkeypatch.setattr(netlab, "BUILD", next(Path(folder).glob("**/bin/fairway")).parent)
        yield Path(folder)


def test_uninstall_goes_by_what_is_installed(destdir):
    """Also when the build was installed elsewhere since, and it leaves what others have put beside it."""
    foreign = next(destdir.glob("**/man/man1")) / "foreign.1"
    foreign.touch()
    with tempfile.TemporaryDirectory(prefix="fairway-install-") as elsewhere:
        run("meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", elsewhere, timeout=120)
        run("env", f"DESTDIR={destdir}", netlab.ROOT / "scripts" / "uninstall", BUILD)
        assert list(Path(elsewhere).glob("**/bin/fairway"))
    assert [path for path in destdir.glob("**/*") if not path.is_dir()] == [foreign]


@pytest.mark.parametrize("line,word", [
    (["fairway", "sta"], "status"), (["fairway", "nodes", "--rem"], "--remote"), (["fairway-pktgen", "ga"], "garbage"),
    (["fairway-pktgen", "registry", "--st"], "--storm"), (["fairway", "up", "--police-source-r"], "--police-source-rate")])
def test_completion(destdir, line, word):
    """Bash asks for it as it does for any command, in a file of its name."""
    script = next(destdir.glob(f"**/bash-completion/completions/{line[0]}"))
    bin_folder = next(destdir.glob("**/bin/fairway")).parent
    said = run("bash", "-ec", 'PATH=$1:$PATH; source "$2"; shift 2; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _fairway; '
               'printf "%s\\n" "${COMPREPLY[@]}"', "bash", bin_folder, script, *line).stdout.split()
    assert word in said and all(found.startswith(line[-1]) for found in said)


def test_a_relay_runs_from_where_it_was_installed(lab, destdir):
    nets = Nets(lab)
    relay = start_relay(nets, "xdp")
    assert str(destdir) in (Path("/proc") / str(relay.process.pid) / "cmdline").read_text()
    a, b = nets.pair(relay)
    a.relay(102, b"from afar")
    assert b.delivered() == (101, b"from afar")
    assert relay.stop() == 0


def test_what_documents_and_units_name_is_there(destdir):
    program = next(destdir.glob("**/share/fairway/redirect.bpf.o"))  # for net_af_xdp's xdp_prog
    assert program.read_bytes().startswith(b"\x7fELF")
    for page in ("fairway.1", "fairway-pktgen.1", "fairway.yaml.5", "fairway-dp.8"):
        assert next(destdir.glob(f"**/{page}")).stat().st_size > 0
    units = list(destdir.glob("**/*.service"))
    assert {unit.name for unit in units} == {"fairway-cp.service", "fairway-dp.service"}
    for unit in units:
        started = re.search(r"^ExecStart=(\S+)", unit.read_text(encoding="ascii"), re.M)[1]
        assert (destdir / started.lstrip("/")).exists()
