"""`grader doctor` tells the truth: what holds on this machine, and what is missing where it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from grader.kernel import cage, doctor
from grader.kernel.doctor import Layer
from tests.kernel.ordinary_user import ROOT, as_ordinary_user
from tests.kernel.refusing import (
    WITHOUT_LANDLOCK,
    WITHOUT_LIMITS,
    WITHOUT_NAMESPACES,
    WITHOUT_SECCOMP,
)

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


def test_where_namespaces_are_refused_it_says_so() -> None:
    program = WITHOUT_NAMESPACES + EXAMINE
    layers = examined_by(*as_ordinary_user(sys.executable, "-c", program))
    assert not doctor.fit(layers)
    kinds = {f"{kind} namespace" for kind in ("user", "pid", "mount", "network", "ipc")}
    assert kinds | {"the whole cage"} <= missing(layers)
    found = by_name(layers)
    assert "Operation not permitted" in found["user namespace"].detail
    assert "--cap-add SYS_ADMIN" in found["user namespace"].remedy


def test_where_limits_cannot_be_set_it_says_so() -> None:
    layers = examined_by(sys.executable, "-c", WITHOUT_LIMITS + EXAMINE)
    assert not doctor.fit(layers)
    assert {"rlimits", "the whole cage"} <= missing(layers)
    assert "setrlimit was refused" in by_name(layers)["rlimits"].remedy


def test_where_the_processes_of_a_submission_cannot_be_seen_it_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Memory is watched, with or without cgroups: a machine without them lacks nothing."""
    monkeypatch.setattr(doctor.processes, "descendants", lambda pid: set())
    layer = doctor._memory_watch()
    assert (layer.present, layer.required) == (False, True)
    assert "does not tell the children" in layer.detail
    assert "hidepid" in layer.remedy


def test_where_shared_pages_cannot_be_told_apart_it_says_that_they_count_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "_is_readable", lambda path: False)
    layer = doctor._memory_watch()
    assert layer.present
    assert "counted more than once" in layer.detail


@pytest.mark.parametrize(
    ("name", "program"),
    [
        ("Landlock", WITHOUT_LANDLOCK + EXAMINE),
        ("seccomp", WITHOUT_SECCOMP + EXAMINE),
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
