"""The cage of one student: namespaces, private folders, Landlock, seccomp, limits.

:func:`next_child_in_new_pid_namespace` is called before and :func:`shut_in` after
the fork from the zygote; each layer that holds is reported by name, and one that the
machine lacks is left out of the list: the grader decides what it demands.
Everything goes through :mod:`ctypes`, for neither numpy nor IPython needs a
compiled helper here.

Sources: namespaces(7), landlock(7), seccomp(2), capabilities(7), getrlimit(2).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import platform
import resource
import shutil
import signal
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

SCRATCH: Final = "/home/student"
"""Home and working folder of student code, a tmpfs of its own."""
PRIVATE_FOLDERS: Final = (SCRATCH, "/tmp", "/dev/shm")
"""Where student code may write."""
STAGE: Final = "/stage"
"""Where the grader lays the data files handed in with a notebook."""
FILES, FILES_KEPT = 1000, 24
"""Open files of each process, and those that only the processes which answer may add to them."""
NOBODY: Final = 65534
STUDENT_UID: Final = 1000

NEWNS, NEWUTS, NEWIPC = 0x0002_0000, 0x0400_0000, 0x0800_0000
NEWUSER, NEWPID, NEWNET = 0x1000_0000, 0x2000_0000, 0x4000_0000
NEWCGROUP, NEWTIME = 0x0200_0000, 0x80
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 0x1000, 0x4000, 1 << 18
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 4, 22, 24, 38

_libc = ctypes.CDLL(None, use_errno=True)


class Limits(msgspec.Struct, frozen=True):
    """What one submission may use; sizes in MiB."""

    memory_mb: int
    processes: int
    file_mb: int
    scratch_mb: int


class CageError(OSError):
    """A layer of the cage could not be put up."""


def _call(name: str, *arguments: object) -> int:
    result: int = getattr(_libc, name)(*arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise CageError(error, f"{name}: {os.strerror(error)}")
    return result


def _check_environment() -> None:
    """Student code imports modules, too: as another user, where the grader is root."""
    for file in (os.__file__, str(msgspec.__file__)):
        if not os.access(file, os.R_OK):
            raise CageError(
                errno.EACCES,
                f"the Python environment cannot be read by ordinary users ({file}): "
                f"chmod -R go+rX {sys.prefix}",
            )


def _write(path: str, text: str) -> None:
    try:
        Path(path).write_text(text)
    except OSError as error:
        raise CageError(error.errno, f"{path}: {error.strerror}") from error


def _mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    _call(
        "mount",
        source.encode(),
        target.encode(),
        kind.encode(),
        ctypes.c_ulong(flags),
        data.encode() or None,
    )


def unshare(flags: int) -> None:
    """Enter new namespaces of these kinds (``NEWUSER``, ...)."""
    _call("unshare", flags)


def next_child_in_new_pid_namespace(own: int) -> None:
    """Let the next fork of this process be process 1 of a new pid namespace.

    Parameters
    ----------
    own
        An open file descriptor of this process's own pid namespace: without
        going back to it first, a second ``unshare`` is refused.
    """
    next_child_in_own_pid_namespace(own)
    unshare(NEWPID)


def next_child_in_own_pid_namespace(own: int) -> None:
    """Let the next fork be an ordinary one again; `own` as above."""
    _call("setns", own, NEWPID)


def stay_with_parent() -> None:
    """End when the parent process ends, and be the parent of descendants whose own has ended."""
    _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _call("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def shut_in(
    limits: Limits, stage: str | None, *, namespaces: bool, channel: str | None = None
) -> list[str]:
    """Confine this process for good and return the names of the layers that hold.

    Parameters
    ----------
    limits
        What the student's processes may use.
    stage
        Folder with the data files handed in, copied into the scratch folder.
    namespaces
        Whether this process was forked into a new pid namespace by a zygote
        that may mount: then it gets its own mounts, network, ipc and user too.
    channel
        A folder in which unix sockets may be made, besides the private ones.

    Raises
    ------
    CageError
        If `namespaces` was promised and one of them is refused: student code
        must not run then.
    """
    layers: list[str] = []
    # When the machine runs out of memory, this process goes first.
    _write("/proc/self/oom_score_adj", "1000")
    if namespaces:
        _own_namespaces(limits, stage)
        layers += ["pid", "mount", "network", "ipc", "private scratch"]
        if _own_user():
            layers.append("user")
        _check_environment()
    limit_resources(limits, count_processes=namespaces)
    layers.append("rlimits")
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if namespaces:
        _drop_capabilities()
        layers.append("no new privileges")
        rights = dict.fromkeys(PRIVATE_FOLDERS, _FS_ALL)
        # Nothing in /proc: a process could undo that it goes first when memory runs out.
        rights["/dev"] = _FS_DEVICES
        if channel is not None:
            rights[channel] = _FS_MAKE_SOCK | _FS_REMOVE_FILE
        with contextlib.suppress(CageError):
            abi = restrict_by_landlock(rights)
            layers.append(f"landlock (ABI {abi})")
        with contextlib.suppress(CageError):
            filter_system_calls()
            layers.append("seccomp")
    return layers


def _own_namespaces(limits: Limits, stage: str | None) -> None:
    unshare(NEWNS | NEWIPC | NEWNET | NEWUTS)
    _mount("", "/", "", _MS_REC | _MS_PRIVATE)
    _mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV)
    owner = NOBODY if _is_real_root() else 0
    handed_in = Path(stage).rglob("*") if stage is not None else ()
    room = limits.scratch_mb + (sum(path.lstat().st_size for path in handed_in) >> 20) + 1
    kept = {path: os.open(path, _O_PATH | os.O_CLOEXEC) for path in _mounts_to_keep()}
    for folder in PRIVATE_FOLDERS:
        _mount(
            "tmpfs",
            folder,
            "tmpfs",
            _MS_NOSUID | _MS_NODEV,
            f"size={room}m,nr_inodes=65536,mode=0700,uid={owner},gid={owner}",
        )
    for path, descriptor in kept.items():
        os.makedirs(path, 0o755, exist_ok=True)
        _mount(f"/proc/self/fd/{descriptor}", path, "", _MS_BIND)
        os.close(descriptor)
    if stage is not None:
        _copy_stage(Path(stage), owner)
    _mount("tmpfs", STAGE, "tmpfs", _MS_NOSUID | _MS_NODEV, "size=4k,mode=0000")


@functools.cache
def _mounts_to_keep() -> list[str]:
    """Mounts below the private folders: a Python environment under ``/tmp``, for one."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4].encode().decode("unicode_escape") for line in mounts]
    return [
        point
        for point in points
        if any(point.startswith(f"{folder}/") for folder in PRIVATE_FOLDERS)
    ]


def _is_real_root() -> bool:
    """Tell root of the machine from a user who is uid 0 only in a namespace of their own."""
    first = Path("/proc/self/uid_map").read_text().split()
    return os.getuid() == 0 and first[2] == "4294967295"


def _copy_stage(stage: Path, owner: int) -> None:
    for source in sorted(stage.rglob("*")):
        target = Path(SCRATCH, source.relative_to(stage))
        if source.is_symlink():
            continue
        if source.is_dir():
            target.mkdir(exist_ok=True)
        else:
            shutil.copyfile(source, target)
        os.chown(target, owner, owner)


def _own_user() -> bool:
    """Enter a user namespace as an ordinary user; as real root become nobody first."""
    if _is_real_root():
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        # Dumpable again, or /proc/self/uid_map would still belong to root.
        _call("prctl", _PR_SET_DUMPABLE, 1, 0, 0, 0)
    uid, gid = os.getuid(), os.getgid()
    try:
        unshare(NEWUSER)
    except CageError:
        return False
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{STUDENT_UID} {uid} 1")
    _write("/proc/self/gid_map", f"{STUDENT_UID} {gid} 1")
    return True


def _drop_capabilities() -> None:
    for capability in range(64):
        if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break
    header = struct.pack("Ii", 0x2008_0522, 0)
    _call("capset", header, bytes(24))


def limit_resources(limits: Limits, *, count_processes: bool) -> None:
    """Set the rlimits; memory is counted on top of what the libraries hold already.

    Processes are counted where they have a user namespace of their own: elsewhere
    all that the user runs would count.
    """
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_AS: mapped + (limits.memory_mb << 20),
        resource.RLIMIT_FSIZE: limits.file_mb << 20,
        resource.RLIMIT_NOFILE: FILES + FILES_KEPT,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    if count_processes:
        wanted[resource.RLIMIT_NPROC] = limits.processes
    for kind, value in wanted.items():
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def keep_files_back(kept: bool) -> None:
    """Keep some descriptors back from student code, so that questions can be taken at the limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(1, most - FILES_KEPT) if kept else most, most))


# -- Landlock ---------------------------------------------------------------------

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_FS_EXECUTE, _FS_WRITE_FILE, _FS_READ_FILE, _FS_READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_FS_REMOVE_FILE, _FS_MAKE_SOCK, _FS_TRUNCATE, _FS_IOCTL_DEV = 1 << 5, 1 << 9, 1 << 14, 1 << 15
_FS_ALL = (1 << 16) - 1
_FS_DEVICES = _FS_WRITE_FILE | _FS_TRUNCATE | _FS_IOCTL_DEV
_FS_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_O_PATH = 0o10000000


def landlock_abi() -> int:
    """Return the version of Landlock that this kernel has, 0 for none."""
    abi: int = _libc.syscall(_CREATE_RULESET, None, 0, 1)
    return max(0, abi)


def restrict_by_landlock(rights: Mapping[str, int]) -> int:
    """Allow reading everywhere (the mounts decide what exists), and more in some folders only.

    Signals and abstract sockets are scoped to this process and its descendants
    (ABI 6).

    Parameters
    ----------
    rights
        Access rights (``LANDLOCK_ACCESS_FS_*``) by folder.

    Returns
    -------
    int
        The ABI of the kernel.
    """
    syscall = _libc.syscall
    abi = landlock_abi()
    if not abi:
        raise CageError(_ENOSYS, "this kernel has no Landlock")
    handled = _FS_BY_ABI[max(known for known in _FS_BY_ABI if known <= abi)]
    # TCP needs no rule against it: the network namespace holds nothing to reach.
    attributes = struct.pack("QQQ", handled, 0, 3 if abi >= 6 else 0)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    ruleset = _call("syscall", _CREATE_RULESET, attributes, ctypes.c_size_t(size), 0)
    reading = _FS_EXECUTE | _FS_READ_FILE | _FS_READ_DIR
    for path, access in [("/", reading), *rights.items()]:
        folder = os.open(path, _O_PATH | os.O_CLOEXEC)
        rule = struct.pack("=Qi", access & handled, folder)
        if syscall(_ADD_RULE, ruleset, 1, rule, 0) < 0:
            raise CageError(ctypes.get_errno(), f"landlock rule for {path}")
        os.close(folder)
    _call("syscall", _RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    return abi


# -- seccomp ----------------------------------------------------------------------

# Refused with EPERM. Numbers on x86_64 and aarch64, None where there is no such call.
_REFUSED: Final[dict[str, tuple[int, int | None]]] = {
    # mounting and namespaces
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "quotactl": (179, 60),
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    # memory that belongs to no process, and that none of the limits sees
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "splice": (275, 76),
    "vmsplice": (278, 75),
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "fanotify_init": (300, 262),
    # the kernel itself
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "syslog": (103, 116),
    "acct": (163, 89),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    # keys, handles, clocks, names
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "name_to_handle_at": (303, None),
    "open_by_handle_at": (304, None),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "vhangup": (153, 58),
}
MACHINES: Final = ("x86_64", "aarch64")
_AUDIT_ARCH = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
_CLONE = {"x86_64": 56, "aarch64": 220}
_SOCKET = {"x86_64": 41, "aarch64": 198}
_IOCTL = {"x86_64": 16, "aarch64": 29}
_SETSOCKOPT = {"x86_64": 54, "aarch64": 208}
_SOL_SOCKET, _SO_SNDBUF, _SO_RCVBUF = 1, 7, 8
_CLONE3 = 435
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_FAMILIES = (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK

_ALLOW, _ERRNO, _KILL = 0x7FFF_0000, 0x0005_0000, 0x8000_0000
_EPERM, _ENOSYS, _EAFNOSUPPORT = errno.EPERM, errno.ENOSYS, errno.EAFNOSUPPORT
_LOAD, _EQUAL, _GREATER_EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06


def seccomp_program(machine: str) -> bytes:
    """Assemble the BPF program for `machine` (``x86_64`` or ``aarch64``)."""

    def step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("HBBI", code, if_true, if_false, value)

    def answer(action: int, error: int = 0) -> bytes:
        return step(_RETURN, action | error)

    program = [
        step(_LOAD, 4),
        step(_EQUAL, _AUDIT_ARCH[machine], 1, 0),
        answer(_KILL),
        step(_LOAD, 0),
        step(_GREATER_EQUAL, 0x4000_0000, 0, 1),
        answer(_ERRNO, _EPERM),
    ]
    column = MACHINES.index(machine)
    for number in filter(None, (numbers[column] for numbers in _REFUSED.values())):
        program += [step(_EQUAL, number, 0, 1), answer(_ERRNO, _EPERM)]
    # glibc falls back from clone3, whose flags a filter cannot see, to clone.
    program += [step(_EQUAL, _CLONE3, 0, 1), answer(_ERRNO, _ENOSYS)]
    spaces = NEWNS | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET | NEWCGROUP | NEWTIME
    # CLONE_NEWTIME shares its bit with the exit signal of clone(2), where it means nothing.
    spaces &= ~NEWTIME
    program += [
        step(_EQUAL, _CLONE[machine], 0, 4),
        step(_LOAD, 16),
        step(_ANY_BIT, spaces, 0, 1),
        answer(_ERRNO, _EPERM),
        answer(_ALLOW),
        step(_EQUAL, _IOCTL[machine], 0, 5),
        step(_LOAD, 24),
        step(_EQUAL, _TIOCSTI, 1, 0),
        step(_EQUAL, _TIOCLINUX, 0, 1),
        answer(_ERRNO, _EPERM),
        answer(_ALLOW),
        # Larger buffers are not to be had. The kernel says yes to what it cuts short; so does this.
        step(_EQUAL, _SETSOCKOPT[machine], 0, 7),
        step(_LOAD, 24),
        step(_EQUAL, _SOL_SOCKET, 0, 4),
        step(_LOAD, 32),
        step(_EQUAL, _SO_SNDBUF, 1, 0),
        step(_EQUAL, _SO_RCVBUF, 0, 1),
        answer(_ERRNO),
        answer(_ALLOW),
        step(_EQUAL, _SOCKET[machine], 0, len(_FAMILIES) + 2),
        step(_LOAD, 16),
    ]
    for place, family in enumerate(_FAMILIES):
        program.append(step(_EQUAL, family, len(_FAMILIES) - place, 0))
    program += [answer(_ERRNO, _EAFNOSUPPORT), answer(_ALLOW)]
    return b"".join(program)


def filter_system_calls() -> None:
    """Install the seccomp filter for this process and all it starts."""
    machine = platform.machine()
    if machine not in MACHINES:
        raise CageError(_ENOSYS, f"no system call table for {machine}")
    program = seccomp_program(machine)
    buffer = ctypes.create_string_buffer(program, len(program))
    filter_ = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
    _call("prctl", _PR_SET_SECCOMP, 2, filter_, 0, 0)
