"""The outer sandbox: bubblewrap around the zygote, with nothing inside that a student may not see.

Inside exist the system's libraries, the Python environment, the package
``caged`` and empty folders: no home, no course, no other submission, no
network and a handful of environment variables.
"""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from grader.kernel import processes
from grader.kernel.caged import confine

CAGED = Path(__file__).with_name("caged")
"""The package that is mounted into the cage."""
_PACKAGE_ROOT = "/karnameh"
_END_SECONDS = 10.0

ENVIRONMENT: Mapping[str, str] = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "HOME": confine.SCRATCH,
    "TMPDIR": "/tmp",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "MPLCONFIGDIR": "/tmp",
    "IPYTHONDIR": "/tmp/.ipython",
    "XDG_CACHE_HOME": "/tmp/.cache",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONNOUSERSITE": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TERM": "dumb",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""All environment variables of student code, but for the last: it has the C library ask for huge
pages, of which a fork copies fewer entries, and is taken away when Python has started."""


def environment_without_cage(home: Path) -> dict[str, str]:
    """Return the environment variables of student code that runs without a cage."""
    own = dict.fromkeys(("HOME", "MPLCONFIGDIR", "IPYTHONDIR", "XDG_CACHE_HOME"), str(home))
    own |= {"TMPDIR": tempfile.gettempdir(), "PYTHONPATH": str(CAGED.parent)}
    return {**ENVIRONMENT, **own}


class NoCage(RuntimeError):
    """This machine cannot put up the cage; the message says what is missing and how to get it."""


def find_bubblewrap() -> str | None:
    """Return the path of ``bwrap``, None when it is not installed."""
    return shutil.which("bwrap")


def sandbox_command(
    command: Iterable[str],
    *,
    stage: Path,
    writable: Mapping[Path, str] | None = None,
    readable: Mapping[Path, str] | None = None,
) -> list[str]:
    """Return the command that runs `command` in the outer sandbox.

    Parameters
    ----------
    command
        Arguments of the Python interpreter inside.
    stage
        Folder of the host shown read-only as :data:`confine.STAGE`.
    writable, readable
        Folders of the host shown writable or read-only, by host path.

    Raises
    ------
    NoCage
        If bubblewrap is not installed.
    """
    bubblewrap = find_bubblewrap()
    if bubblewrap is None:
        raise NoCage(
            "bubblewrap is not installed: student code would run without a cage. "
            "Install it (Debian, Ubuntu: apt install bubblewrap), or pass --no-cage "
            "if you trust every hand-in."
        )
    arguments = [bubblewrap, "--die-with-parent", "--new-session", "--clearenv"]
    arguments += ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    arguments += ["--unshare-cgroup-try", "--cap-drop", "ALL", "--cap-add", "CAP_SYS_ADMIN"]
    if os.getuid() == 0:
        for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_CHOWN"):
            arguments += ["--cap-add", capability]
        arguments += ["--cap-add", "CAP_DAC_OVERRIDE", "--cap-add", "CAP_KILL"]
    else:
        # Uid 0 of its own user namespace: only so may the zygote set up its children's.
        arguments += ["--unshare-user", "--uid", "0", "--gid", "0"]
        arguments += ["--cap-add", "CAP_SETPCAP", "--cap-add", "CAP_SETFCAP"]
    arguments += ["--tmpfs", "/tmp"]
    for name, value in ENVIRONMENT.items():
        arguments += ["--setenv", name, value]
    arguments += ["--setenv", "PYTHONPATH", _PACKAGE_ROOT]
    for path in _parents([*_visible_paths(), Path("/etc/passwd"), Path(confine.SCRATCH)]):
        arguments += ["--perms", "0755", "--dir", str(path)]
    for path in _visible_paths():
        arguments += ["--ro-bind", str(path), str(path)]
    for link in ("bin", "lib", "lib64", "sbin"):
        target = Path("/", link)
        if target.is_symlink():
            arguments += ["--symlink", os.readlink(target), str(target)]
        elif target.is_dir():
            arguments += ["--ro-bind", str(target), str(target)]
    for file in ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/fonts"):
        arguments += ["--ro-bind-try", file, file]
    for installed in _installed_engines():
        arguments += ["--tmpfs", str(installed), "--remount-ro", str(installed)]
    arguments += ["--proc", "/proc", "--dev", "/dev"]
    arguments += ["--ro-bind", str(CAGED), f"{_PACKAGE_ROOT}/{CAGED.name}"]
    arguments += ["--dir", confine.SCRATCH, "--ro-bind", str(stage), confine.STAGE]
    for host, inside in (writable or {}).items():
        arguments += ["--bind", str(host), inside]
    for host, inside in (readable or {}).items():
        arguments += ["--ro-bind", str(host), inside]
    for name, entry in _ACCOUNTS.items():
        arguments += [
            "--perms",
            "0644",
            "--ro-bind-data",
            str(_data_descriptor(entry)),
            f"/etc/{name}",
        ]
    # Else a user who is root only in here could leave something for the next submission.
    arguments += ["--remount-ro", "/dev", "--remount-ro", "/"]
    return [*arguments, "--", sys.executable, "-P", *command]


_ACCOUNTS = {
    "passwd": f"student:x:{confine.STUDENT_UID}:{confine.STUDENT_UID}::{confine.SCRATCH}:/bin/sh\n",
    "group": f"student:x:{confine.STUDENT_UID}:\n",
    "hosts": "127.0.0.1 localhost\n",
}


def _data_descriptor(text: str) -> int:
    descriptor = os.memfd_create("karnameh")
    os.write(descriptor, text.encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.set_inheritable(descriptor, True)
    return descriptor


def inherited_descriptors(command: list[str]) -> list[int]:
    """Descriptors that a sandbox command needs to inherit (and that its starter then closes)."""
    return [
        int(command[place + 1]) for place, word in enumerate(command) if word == "--ro-bind-data"
    ]


def _visible_paths() -> list[Path]:
    """The system's and the environment's folders, without those that lie inside another."""
    wanted = {Path("/usr"), Path(sys.prefix), Path(sys.base_prefix)}
    wanted |= {Path(sys.executable).resolve().parents[1]}
    wanted |= {Path(p) for p in site.getsitepackages() if Path(p).is_dir()}
    wanted |= {Path(sysconfig.get_path("stdlib")).resolve()}
    ordered = sorted(wanted, key=lambda path: len(path.parts))
    kept: list[Path] = []
    for path in ordered:
        if not any(path.is_relative_to(other) for other in kept):
            kept.append(path)
    return kept


def _parents(paths: Iterable[Path]) -> list[Path]:
    """All folders above `paths`, outermost first: bubblewrap would make them for root alone."""
    above = {parent for path in paths for parent in path.parents if parent != Path("/")}
    return sorted(above, key=lambda path: len(path.parts))


def _installed_engines() -> list[Path]:
    """Copies of this engine in site-packages, to be covered."""
    found = (Path(p, "grader") for p in site.getsitepackages())
    return [path for path in found if path.is_dir()]


def end(sandbox: subprocess.Popen[bytes]) -> int:
    """End everything in a sandbox, wait until it is gone and return the exit status.

    bubblewrap's own process is left to end by itself, behind the processes
    inside: killed first, it would leave them to whoever adopts orphans.
    """
    processes.kill_descendants(sandbox.pid)
    try:
        return sandbox.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        sandbox.kill()
        return sandbox.wait()


def start(command: list[str], descriptors: Iterable[int], log: int) -> subprocess.Popen[bytes]:
    """Start a sandbox command with `descriptors` inherited and its noise in `log`."""
    data = inherited_descriptors(command)
    try:
        return subprocess.Popen(
            command,
            pass_fds=[*descriptors, *data],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={},
            cwd="/",
        )
    finally:
        for descriptor in data:
            os.close(descriptor)
