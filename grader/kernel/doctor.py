"""What this machine has of the cage and of what it needs to grade: found out by trying.

Each layer is told with what it is good for, so that a person can decide; those
marked as required are what grading a class needs. Nothing here changes the
machine.
"""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Final

import msgspec

from grader.kernel import cage, processes
from grader.kernel.caged import confine
from grader.kernel.caged.trial import Outcome

PACKAGES: Final = "numpy torch matplotlib ipython ipykernel nbclient nbformat msgspec".split()
SYSTEM_SETTINGS = Path("/proc/sys")
_TRIAL_SECONDS: Final = 60.0
_MIN_PYTHON: Final = (3, 11)


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One layer of the cage, or one thing that grading needs.

    Attributes
    ----------
    present
        Whether this machine has it, and it works.
    required
        Whether grading a class needs it.
    detail
        What was found, and what it is good for.
    remedy
        How to get it; empty when it is present.
    """

    name: str
    present: bool
    required: bool
    detail: str
    remedy: str = ""


def fit(layers: list[Layer]) -> bool:
    """Tell whether all that is required is present."""
    return all(layer.present for layer in layers if layer.required)


def examine() -> list[Layer]:
    """Try every layer on this machine."""
    found = [_linux(), _python(), _bubblewrap()]
    found += [_namespace(*kind) for kind in _NAMESPACES]
    outcome = trial()
    found += [
        Layer(
            name="the whole cage",
            present=not outcome.failed,
            required=True,
            detail=outcome.failed or "closed around a process, as around every submission",
            remedy="see the layers that are missing" if outcome.failed else "",
        ),
        _shared_memory(outcome),
        _landlock(outcome),
        _seccomp(outcome),
        _rlimits(),
        _memory_watch(),
    ]
    return found + [_package(name) for name in PACKAGES]


# -- the machine ------------------------------------------------------------------------


def _linux() -> Layer:
    linux = platform.system() == "Linux"
    return Layer(
        name="Linux",
        present=linux,
        required=True,
        detail=f"{platform.system()} {platform.release()} on {platform.machine()}",
        remedy="" if linux else "grade on Linux; Windows has it as WSL 2",
    )


def _python() -> Layer:
    enough = sys.version_info >= _MIN_PYTHON
    wanted = ".".join(map(str, _MIN_PYTHON))
    return Layer(
        name="Python",
        present=enough,
        required=True,
        detail=f"{platform.python_version()} at {sys.executable}",
        remedy="" if enough else f"use Python {wanted} or later",
    )


def _package(name: str) -> Layer:
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Layer(
            name=name,
            present=False,
            required=True,
            detail="not installed in this environment",
            remedy=f"{sys.executable} -m pip install {name}",
        )
    return Layer(name=name, present=True, required=True, detail=version)


# -- the outer cage ---------------------------------------------------------------------


def _bubblewrap() -> Layer:
    path = cage.find_bubblewrap()
    if path is None:
        return Layer(
            name="bubblewrap",
            present=False,
            required=True,
            detail="no bwrap on PATH: nothing would hide the course and the other submissions",
            remedy="apt install bubblewrap (Debian, Ubuntu), dnf install bubblewrap (Fedora)",
        )
    told = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    version = told.stdout.strip() or "of unknown version"
    return Layer(name="bubblewrap", present=True, required=True, detail=f"{version} at {path}")


_NAMESPACES: Final = (
    ("user namespace", confine.NEWUSER, "no privileges, whatever happens inside"),
    ("pid namespace", confine.NEWPID, "no other process in sight, and none left behind"),
    ("mount namespace", confine.NEWNS, "files of its own, and only what it may see"),
    ("network namespace", confine.NEWNET, "no network"),
    ("ipc namespace", confine.NEWIPC, "no shared memory with others"),
)


def _namespace(name: str, flag: int, good_for: str) -> Layer:
    def enter() -> None:
        # An ordinary user gets the others inside a user namespace of their own.
        own = 0 if os.getuid() == 0 else confine.NEWUSER
        confine.unshare(flag | own)

    refusal = _in_a_fork(enter)
    return Layer(
        name=name,
        present=refusal is None,
        required=True,
        detail=good_for if refusal is None else f"refused ({refusal}): {good_for}",
        remedy="" if refusal is None else _namespace_remedy(),
    )


_SWITCHES: Final = (
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("user.max_user_namespaces", "0", "15000"),
)


def _namespace_remedy() -> str:
    for name, bad, good in _SWITCHES:
        with contextlib.suppress(OSError):
            if SYSTEM_SETTINGS.joinpath(*name.split(".")).read_text().strip() == bad:
                return f"sysctl -w {name}={good}"
    return (
        "in a container, start it with --cap-add SYS_ADMIN --security-opt seccomp=unconfined "
        "--security-opt apparmor=unconfined, or grade outside of it"
    )


def _in_a_fork(attempt: Callable[[], None]) -> str | None:
    """Run `attempt` in a child process and return why it was refused, None if it was not."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            attempt()
        except BaseException as error:  # noqa: BLE001 - it is the answer, whatever it is
            os.write(writing, str(error).encode()[:1000] or b"refused")
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as answer:
        said = answer.read().decode(errors="replace")
    os.waitpid(child, 0)
    return said or None


def trial() -> Outcome:
    """Put the cage up around nothing, by the same way as around a submission; a tenth of a second."""
    with (
        tempfile.TemporaryDirectory(prefix="karnameh-") as stage,
        tempfile.TemporaryFile() as said,
    ):
        try:
            command = cage.sandbox_command(["-m", "caged", "trial"], stage=Path(stage))
            sandbox = cage.start(command, [], said.fileno())
        except (cage.NoCage, OSError) as error:
            return Outcome(failed=str(error))
        try:
            sandbox.wait(_TRIAL_SECONDS)
        except subprocess.TimeoutExpired:
            cage.end(sandbox)
            return Outcome(failed=f"no answer within {_TRIAL_SECONDS:.0f} seconds")
        said.seek(0)
        lines = said.read().decode(errors="replace").strip().splitlines()
    try:
        return msgspec.json.decode(lines[-1], type=Outcome)
    except (IndexError, msgspec.DecodeError):
        return Outcome(failed=" ".join(lines)[-500:] or "bubblewrap said nothing")


# -- the inner cage ---------------------------------------------------------------------


def _shared_memory(outcome: Outcome) -> Layer:
    if outcome.failed:
        return Layer(
            name="/dev/shm",
            present=False,
            required=True,
            detail="not tried, for the cage does not close",
            remedy="see the whole cage",
        )
    return Layer(
        name="/dev/shm",
        present=outcome.shared_memory,
        required=True,
        detail="a private one in the cage: DataLoader's workers need it",
        remedy="" if outcome.shared_memory else "mount a tmpfs on /dev/shm",
    )


def _landlock(outcome: Outcome) -> Layer:
    held = next((layer for layer in outcome.layers if layer.startswith("landlock")), None)
    abi = confine.landlock_abi()
    present = held is not None or (not outcome.layers and abi > 0)
    return Layer(
        name="Landlock",
        present=present,
        required=False,
        detail=(
            f"ABI {abi}: writing only in private folders, no signals and sockets to the outside"
            if abi
            else "this kernel has none: read-only mounts and namespaces alone hold that"
        ),
        remedy=(
            "" if present else "Linux 5.13 or later, with landlock among lsm= on its command line"
        ),
    )


def _seccomp(outcome: Outcome) -> Layer:
    present = "seccomp" in outcome.layers or (
        not outcome.layers
        and platform.machine() in confine.MACHINES
        and Path("/proc/sys/kernel/seccomp/actions_avail").exists()
    )
    return Layer(
        name="seccomp",
        present=present,
        required=False,
        detail=(
            "system calls that no coursework needs are refused"
            if present
            else f"no filter of system calls here ({platform.machine()}): files, network and other "
            "processes stay out of reach, but io_uring, ptrace and new user namespaces do not"
        ),
        remedy="" if present else "a kernel with CONFIG_SECCOMP_FILTER, on x86_64 or aarch64",
    )


def _rlimits() -> Layer:
    def set_them() -> None:
        for kind in (resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC):
            _, hard = resource.getrlimit(kind)
            wanted = 1 << 30 if hard == resource.RLIM_INFINITY else min(1 << 30, hard)
            resource.setrlimit(kind, (wanted, wanted))

    refusal = _in_a_fork(set_them)
    return Layer(
        name="rlimits",
        present=refusal is None,
        required=True,
        detail="memory of a process, size of a file, number of processes",
        remedy="" if refusal is None else f"setrlimit was refused: {refusal}",
    )


def _memory_watch() -> Layer:
    """The watch adds up the memory of a whole tree of processes."""
    with subprocess.Popen(["sleep", "1000"]) as child:
        seen = child.pid in processes.descendants(os.getpid())
        counted = seen and processes.resident_bytes(os.getpid(), sys.maxsize) > 0
        exact = _is_readable(Path(f"/proc/{child.pid}/smaps_rollup"))
        child.kill()
    if not counted:
        detail = "this kernel does not tell the children of a process"
        remedy = "a kernel with CONFIG_PROC_CHILDREN, and a /proc without hidepid"
    else:
        detail = "memory of all processes of a submission together, read four times a second"
        detail += "" if exact else "; pages that they share are counted more than once"
        remedy = ""
    return Layer(name="memory watch", present=counted, required=True, detail=detail, remedy=remedy)


def _is_readable(path: Path) -> bool:
    try:
        return bool(path.read_text())
    except OSError:
        return False
