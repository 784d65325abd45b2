"""`grader doctor` tells the truth: what holds on this machine, and what is missing where it is."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from grader.kernel import cage, doctor


def by_name(layers: list[doctor.Layer]) -> dict[str, doctor.Layer]:
    return {layer.name: layer for layer in layers}


def test_this_machine_is_fit_and_every_required_layer_was_tried() -> None:
    layers = doctor.examine()
    assert doctor.fit(layers), [layer for layer in layers if not layer.present]
    found = by_name(layers)
    assert found["bubblewrap"].detail == cage.find_bubblewrap()
    assert {"pid", "mount", "network", "rlimits", "numpy"} <= found.keys()


def test_without_bubblewrap_nothing_holds_and_the_remedy_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    layers = doctor.examine()
    found = by_name(layers)
    assert not doctor.fit(layers)
    assert not found["bubblewrap"].present
    assert "apt install bubblewrap" in found["bubblewrap"].remedy
    assert not any(found[name].present for name in ("pid", "mount", "network", "seccomp"))
    assert found["numpy"].present


def test_where_namespaces_are_refused_it_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refusing = tmp_path / "bwrap"
    refusing.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n"
    )
    refusing.chmod(refusing.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    layers = doctor.examine()
    found = by_name(layers)
    assert not doctor.fit(layers)
    assert found["bubblewrap"].present
    assert not found["pid"].present
    assert "No permissions to create a new namespace" in found["pid"].detail
    assert "unprivileged" in found["pid"].remedy


def test_a_layer_that_is_only_good_to_have_does_not_make_a_machine_unfit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held, _ = doctor._try_cage()
    lesser = [name for name in held if not name.startswith(("landlock", "seccomp", "user"))]
    monkeypatch.setattr(doctor, "_try_cage", lambda: (lesser, ""))
    layers = doctor.examine()
    assert not by_name(layers)["landlock"].present
    assert doctor.fit(layers)
