"""`grader doctor` tells the truth: what holds on this machine, and what is missing where it is."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from grader.kernel import cage, doctor
from grader.kernel.doctor import Layer
from tests.kernel.ordinary_user import ROOT, as_ordinary_user

EXAMINE = """
import sys, msgspec
from grader.kernel import doctor
sys.stdout.write(msgspec.json.encode(doctor.examine()).decode())
"""


def by_name(layers: list[Layer]) -> dict[str, Layer]:
    return {layer.name: layer for layer in layers}


def missing(layers: list[Layer]) -> set[str]:
    assert all(bool(layer.remedy) != layer.present for layer in layers)
    return {layer.name for layer in layers if not layer.present}


def examined_by(*command: str) -> list[Layer]:
    """What the doctor says in another process."""
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    told = subprocess.run(command, env=environment, cwd="/", capture_output=True, check=True)
    return msgspec.json.decode(told.stdout, type=list[Layer])


def test_this_machine_is_fit_and_every_layer_was_tried() -> None:
    layers = doctor.examine()
    assert doctor.fit(layers), [layer for layer in layers if not layer.present]
    found = by_name(layers)
    assert str(cage.find_bubblewrap()) in found["bubblewrap"].detail
    assert found["numpy"].detail.split(".")[0].isdigit()
    required = {name for name, layer in found.items() if layer.required}
    kinds = {f"{kind} namespace" for kind in ("user", "pid", "mount", "network", "ipc")}
    assert {"bubblewrap", "the whole cage", "rlimits", "memory watch", *kinds} <= required
    assert {"Landlock", "seccomp"} <= found.keys() - required


def test_it_is_fit_for_an_ordinary_user_too() -> None:
    layers = examined_by(*as_ordinary_user(sys.executable, "-c", EXAMINE))
    assert doctor.fit(layers), [layer for layer in layers if not layer.present]


def test_without_bubblewrap_the_remedy_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sleep = tmp_path / "sleep"
    sleep.symlink_to("/usr/bin/sleep")
    monkeypatch.setenv("PATH", str(tmp_path))
    layers = doctor.examine()
    assert not doctor.fit(layers)
    assert missing(layers) == {"bubblewrap", "the whole cage", "/dev/shm"}
    found = by_name(layers)
    assert "apt install bubblewrap" in found["bubblewrap"].remedy
    assert "bubblewrap is not installed" in found["the whole cage"].detail


def test_a_bubblewrap_that_fails_is_told_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refusing = tmp_path / "bwrap"
    refusing.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo "bubblewrap 0.0" && exit\n'
        "echo 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n"
    )
    refusing.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    layers = doctor.examine()
    assert not doctor.fit(layers)
    found = by_name(layers)
    assert found["bubblewrap"].detail.startswith("bubblewrap 0.0")
    assert "No permissions to create a new namespace" in found["the whole cage"].detail


def under_filter(number: int, error: int, first: int | None = None) -> str:
    """A doctor to whom the kernel refuses a system call (with this first argument)."""

    def step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("HBBI", code, if_true, if_false, value)

    program = step(0x20, 0) + step(0x15, number, 0, 3 if first is not None else 1)
    if first is not None:
        program += step(0x20, 16) + step(0x15, first, 0, 1)
    program += step(0x06, 0x5_0000 | error) + step(0x06, 0x7FFF_0000)
    return f"""
import ctypes, struct
from grader.kernel.caged import confine
program = {program!r}
buffer = ctypes.create_string_buffer(program, len(program))
confine._call("prctl", 38, 1, 0, 0, 0)
filter_ = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
confine._call("prctl", 22, 2, filter_, 0, 0)
{EXAMINE}"""


EPERM, EINVAL, ENOSYS = 1, 22, 38
UNSHARE, CREATE_RULESET, PRCTL, SET_SECCOMP = 272, 444, 157, 22


def test_where_namespaces_are_refused_it_says_so() -> None:
    program = under_filter(UNSHARE, EPERM)
    layers = examined_by(*as_ordinary_user(sys.executable, "-c", program))
    assert not doctor.fit(layers)
    kinds = {f"{kind} namespace" for kind in ("user", "pid", "mount", "network", "ipc")}
    assert kinds | {"the whole cage"} <= missing(layers)
    found = by_name(layers)
    assert "Operation not permitted" in found["user namespace"].detail
    assert "--cap-add SYS_ADMIN" in found["user namespace"].remedy


@pytest.mark.parametrize(
    ("name", "program"),
    [
        ("Landlock", under_filter(CREATE_RULESET, ENOSYS)),
        ("seccomp", under_filter(PRCTL, EINVAL, SET_SECCOMP)),
    ],
)
def test_a_layer_that_is_only_good_to_have_does_not_make_a_machine_unfit(
    name: str, program: str
) -> None:
    layers = examined_by(sys.executable, "-c", program)
    assert missing(layers) == {name}
    assert doctor.fit(layers)


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", ["numpy", "no-such-package"])
    layers = doctor.examine()
    assert missing(layers) == {"no-such-package"}
    assert "pip install no-such-package" in by_name(layers)["no-such-package"].remedy
    assert not doctor.fit(layers)


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("kernel.unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
        ("kernel.unprivileged_userns_clone", "1", "--security-opt"),
        ("user.max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
    ],
)
def test_the_switch_that_forbids_namespaces_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str, remedy: str
) -> None:
    switch = tmp_path.joinpath(*name.split("."))
    switch.parent.mkdir()
    switch.write_text(f"{value}\n")
    monkeypatch.setattr(doctor, "SYSTEM_SETTINGS", tmp_path)
    assert remedy in doctor._namespace_remedy()
