"""What a notebook tries from inside the cage, and what it finds there."""

from __future__ import annotations

import os
import pwd
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from grader.kernel import processes
from grader.kernel.zygotes import Zygote
from tests.kernel.notebooks import SECRET, Execute, printed, statuses

ROOT = Path(__file__).parents[2]
HOME = pwd.getpwuid(os.getuid()).pw_dir


@pytest.fixture(scope="module")
def outside() -> Iterator[str]:
    """What this machine has to be reached, as assignments at the head of a cell."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        Path(folder).chmod(0o777)
        Path(folder, "secret.txt").write_text("a secret")
        Path(folder, "secret.txt").chmod(0o666)
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        everywhere = stack.enter_context(socket.create_server(("", 0)))
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        for name in (f"{folder}/socket", f"\0karnameh-cage-{os.getpid()}"):
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(name)
            listener.listen()
        Path(folder, "socket").chmod(0o777)
        known = {
            "FOLDER": folder,
            "TCP": tcp.getsockname()[1],
            "EVERYWHERE": everywhere.getsockname()[1],
            "UDP": udp.getsockname()[1],
            "ABSTRACT": f"\0karnameh-cage-{os.getpid()}",
            "PID": os.getpid(),
            "ROOT": str(ROOT),
            "HOME": HOME,
            "SECRET": SECRET,
        }
        yield "".join(f"{name} = {value!r}\n" for name, value in known.items()) + HEAD


HEAD = """
import ctypes, os, resource, signal, socket, struct, subprocess, sys
from pathlib import Path
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    result = libc.syscall(ctypes.c_long(number), *args)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def reach(family, address, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as sock:
        sock.settimeout(5)
        sock.connect(address)
        sock.send(b'in')
"""

PLACES = (
    "/ /etc /usr /dev /home /karnameh /stage /proc {ROOT} {HOME} {FOLDER} {sys.prefix} "
    "{sys.base_prefix} {os.path.dirname(os.__file__)}"
).split()
REFUSED = {
    # reading
    "the reference": "open(f'{ROOT}/reference/hw4_convnets.py')",
    "the checks": "os.listdir(f'{ROOT}/assignments')",
    "another submission": "os.listdir(f'{ROOT}/submissions')",
    "the engine": "os.listdir(f'{ROOT}/grader')",
    "git history": "os.listdir(f'{ROOT}/.git')",
    "the engine as a module": "import grader.report",
    "the engine behind its stand-in": "importlib = __import__('importlib'); importlib.reload(__import__('grader'))",
    "the engine in another process": (
        "subprocess.run([sys.executable, '-c', 'import grader'], check=True, capture_output=True)"
    ),
    "the engine by its path": "os.listdir('/karnameh/caged/..') and open('/karnameh/cage.py')",
    "password hashes": "open('/etc/shadow')",
    "the machine's name": "open('/etc/hostname')",
    "a file that all may read": "open(f'{FOLDER}/secret.txt')",
    "a link to it": "os.symlink(f'{FOLDER}/secret.txt', 'link'); open('link')",
    "the root of process 1": "open(f'/proc/1/root{FOLDER}/secret.txt')",
    "raw memory": "open('/dev/mem')",
    "the kernel's memory": "open('/proc/kcore', 'rb').read(1)",
    "the kernel's log": "print(open('/proc/kmsg').read(1))",
    "a disk": "os.mknod('/tmp/disk', 0o60666, os.makedev(8, 0))",
    "a disk that is there": "[open(f'/dev/{n}', 'rb') for n in ('vda', 'sda', 'nvme0n1')]",
    # the network
    "a port on this machine": "reach(socket.AF_INET, ('127.0.0.1', TCP))",
    "a port on all addresses": "reach(socket.AF_INET, ('127.0.0.2', EVERYWHERE))",
    "a port by IPv6": "reach(socket.AF_INET6, ('::1', EVERYWHERE))",
    "a datagram": "reach(socket.AF_INET, ('127.0.0.1', UDP), socket.SOCK_DGRAM)",
    "the world": "reach(socket.AF_INET, ('192.0.2.1', 80))",
    "a name on the network": "socket.getaddrinfo('example.org', 80)",
    "a socket in a folder": "reach(socket.AF_UNIX, f'{FOLDER}/socket')",
    "a socket without a folder": "reach(socket.AF_UNIX, ABSTRACT)",
    "raw packets": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "ICMP": "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
    "the hypervisor": "socket.socket(40, socket.SOCK_STREAM)",
    "kernel crypto": "socket.socket(38, socket.SOCK_SEQPACKET)",
    # other processes
    "the grader's process": "open(f'/proc/{PID}/environ')",
    "a signal to the grader": "os.kill(PID, 0)",
    "tracing the grader": "call(101, 16, PID, 0, 0)",
    "tracing itself": "call(101, 0, 0, 0, 0)",
    "memory of a process": "call(310, 1, 0, 0, 0, 0, 0)",
    "descriptors of a process": "call(438, os.pidfd_open(1), 0, 0)",
    "its namespaces": "call(308, os.open('/proc/1/ns/mnt', os.O_RDONLY), 0)",
    # writing
    **{f"writing to {path}": f"open(f'{path}/karnameh-test', 'w')" for path in PLACES},
    "the code of the cage": "open('/karnameh/caged/agent.py', 'a')",
    "the environment's code": "open(os.__file__, 'a')",
    "a hard link to a program": "os.link(os.path.realpath(sys.executable), 'program')",
    "settings of the kernel": "open('/proc/sys/kernel/core_pattern', 'w').write('x')",
    "the power switch": "open('/proc/sysrq-trigger', 'w').write('c')",
    # privileges
    "another user": "os.setuid(0)",
    "another group": "os.setgroups([0])",
    "a user namespace": "call(272, 0x10000000)",
    "a mount namespace": "call(272, 0x20000)",
    "a namespace by clone": "call(56, 0x10000000 | 17, 0, 0, 0, 0)",
    "a namespace by clone3": "call(435, struct.pack('QQQQQQQQ', 0x10000000, *[0] * 3, 17, 0, 0, 0), 64)",
    "a mount": "call(165, b'none', b'/tmp', b'tmpfs', 0, 0)",
    "an unmount": "call(166, b'/tmp', 0)",
    "a new root": "os.chroot('/tmp')",
    "the machine's name to set": "socket.sethostname('x')",
    "its clock": "call(227, 0, struct.pack('QQ', 0, 0))",
    "BPF": "call(321, 0, bytes(128), 128)",
    "io_uring": "call(425, 1, bytes(120))",
    "performance counters": "call(298, bytes(128), 0, -1, -1, 0)",
    "keys": "call(250, 0, 0, 0)",
    "semaphores that outlive their maker": "call(64, 0, 1, 0o600)",
    "file handles": "call(304, -100, bytes(16), 0)",
    "typing into a terminal": (
        "import fcntl, pty\nmaster, slave = pty.openpty()\nfcntl.ioctl(slave, 0x5412, b'x')"
    ),
    "more memory": "resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
    "more processes": "resource.setrlimit(resource.RLIMIT_NPROC, (-1, -1))",
    "calls of another architecture": "call(0x40000000 + 39)",
}


@pytest.mark.parametrize("attempt", REFUSED.values(), ids=REFUSED)
def test_it_is_refused(execute: Execute, outside: str, attempt: str) -> None:
    run = execute(outside, f"{attempt}\nprint('it worked')")
    assert statuses(run) == ["ok", "error"]
    error = (run.cells[1].error or "").partition(":")[0]
    assert error in {
        "FileNotFoundError", "PermissionError", "OSError", "ConnectionRefusedError", "gaierror",
        "ProcessLookupError", "ModuleNotFoundError", "CalledProcessError", "ValueError",
        "UnsupportedOperation",
    }, run.cells[1].error  # fmt: skip
    assert "it worked" not in printed(run)


HOLDS = {
    "no variable of the grader": (
        "assert SECRET not in os.environ\n"
        "for process in Path('/proc').glob('[0-9]*/environ'):\n"
        "    assert SECRET.encode() not in process.read_bytes()"
    ),
    "no process but its own": (
        "assert [p.name for p in Path('/proc').glob('[0-9]*')] == ['1']\nassert os.getpid() == 1"
    ),
    "an ordinary user without capabilities": (
        "status = dict(l.split(':\\t') for l in open('/proc/self/status').read().splitlines() if ':\\t' in l)\n"
        "assert os.getuid() == os.geteuid() == os.getgid() == 1000 and os.getgroups() in ([], [1000])\n"
        "assert {status[c] for c in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb')} == {'0' * 16}\n"
        "assert status['NoNewPrivs'] == '1' and status['Seccomp'] == '2'"
    ),
    "no descriptor but its own": (
        "links = [(n, os.readlink(f'/proc/self/fd/{n}')) for n in os.listdir('/proc/self/fd')\n"
        "         if os.path.lexists(f'/proc/self/fd/{n}')]\n"
        "kinds = sorted(link.split(':')[0].split(' ')[0] for _, link in links)\n"
        "assert kinds == ['/dev/null', 'anon_inode'] + ['/memfd'] * 4 + ['socket'] * 3 or (\n"
        "    sorted(set(kinds)) == ['/dev/null', '/memfd', 'anon_inode', 'socket'] and len(kinds) == 9), links"
    ),
    "an empty scratch folder": (
        # An environment that lies below /tmp is shown there, and nothing beside it.
        "above = [p.name for p in Path(sys.prefix).parents if p.parent == Path('/tmp')]\n"
        "assert os.listdir() == os.listdir('/dev/shm') == []\n"
        "assert os.listdir('/tmp') == above\n"
        "assert Path.cwd() == Path.home() == Path('/home/student')"
    ),
    "of the repository nothing but the environment": (
        "assert not Path(ROOT).exists() or all(sys.prefix.startswith(f'{ROOT}/{n}') for n in os.listdir(ROOT))"
    ),
    "no network device that is up": (
        "lines = open('/proc/net/dev').read().splitlines()[2:]\n"
        "assert [l.split(':')[0].strip() for l in lines] == ['lo']\n"
        "assert open('/proc/net/route').read().count('\\n') <= 1"
    ),
    "modules of the cage only": (
        "mine = {m.partition('.')[2] for m in sys.modules if m.partition('.')[0] in ('grader', 'caged')}\n"
        "assert mine == {'', 'agent', 'budget', 'compiler', 'confine', 'figures', 'frames', 'installs', 'libraries', 'networks', 'outlines', 'settled', 'shell', 'texts', 'titles', 'wire', 'zygote'}, mine"
    ),
    "no way to the process that holds the other end": (
        "sock = next(s for n in range(3, 64) if (s := held(n)) is not None)\n"
        "try: peer = struct.unpack('i', sock.getsockopt(1, 77, 4))[0]\n"
        "except OSError: peer = None\n"
        "if peer is not None:\n"
        "    try: signal.pidfd_send_signal(peer, 0)\n"
        "    except OSError: pass\n"
        "    else: raise AssertionError('it can be signalled')\n"
        "pid, uid, gid = struct.unpack('3i', sock.getsockopt(1, 17, 12))\n"
        "assert pid == 0"
    ),
    "sockets whose buffers cannot be enlarged": (
        "one, other = socket.socketpair()\n"
        "before = one.getsockopt(1, 7), one.getsockopt(1, 8)\n"
        "for option in (7, 8): one.setsockopt(1, option, 1 << 30)\n"
        "assert (one.getsockopt(1, 7), one.getsockopt(1, 8)) == before\n"
        "one.setsockopt(1, socket.SO_KEEPALIVE, 1)\n"
        "assert one.getsockopt(1, socket.SO_KEEPALIVE) == 1"
    ),
    "programs with the set-user bit do not have it": (
        "found = subprocess.run(['sh', '-c', 'su -c id root </dev/null; mount'], capture_output=True, text=True)\n"
        "assert 'uid=0' not in found.stdout"
    ),
}
HELD = """
def held(number):
    try: sock = socket.socket(fileno=os.dup(number))
    except OSError: return None
    return sock if sock.family == socket.AF_UNIX and sock.type == socket.SOCK_STREAM else None
"""


@pytest.mark.parametrize("condition", HOLDS.values(), ids=HOLDS)
def test_it_finds(execute: Execute, outside: str, condition: str) -> None:
    run = execute(f"{outside}{HELD}\n{condition}")
    assert statuses(run) == ["ok"], run.notebook.cells[-1].outputs


def test_all_layers_are_named(execute: Execute) -> None:
    names = [layer.partition(" (")[0] for layer in execute("x = 1").layers]
    assert names == [
        "bubblewrap", "pid", "mount", "network", "ipc", "private scratch", "user", "rlimits",
        "no new privileges", "landlock", "seccomp",
    ]  # fmt: skip


LEAVE = """
import ctypes, os, socket, subprocess, sys, time
import numpy as np, builtins, torch, matplotlib
for folder in ('/tmp', '/dev/shm', '.'):
    open(f'{folder}/left', 'w').write('by the first')
os.environ['LEFT'] = '1'
np.left = builtins.left = 1
torch.set_default_dtype(torch.float64)
matplotlib.rcParams['lines.linewidth'] = 77
sock = socket.socket(socket.AF_UNIX); sock.bind('\\0left'); sock.listen()
port = socket.create_server(('127.0.0.1', 12345))
subprocess.Popen(['sleep', '1000'], start_new_session=True)
"""
LOOK = """
import builtins, os, pathlib, socket
import numpy as np, torch, matplotlib
import sys
above = [p.name for p in pathlib.Path(sys.prefix).parents if p.parent == pathlib.Path('/tmp')]
assert os.listdir('/dev/shm') == os.listdir('.') == []
assert os.listdir('/tmp') == above
assert 'LEFT' not in os.environ and not hasattr(np, 'left') and not hasattr(builtins, 'left')
assert torch.get_default_dtype() == torch.float32 and matplotlib.rcParams['lines.linewidth'] != 77
assert [p.name for p in pathlib.Path('/proc').glob('[0-9]*')] == ['1']
for family, address in ((socket.AF_UNIX, '\\0left'), (socket.AF_INET, ('127.0.0.1', 12345))):
    try: socket.socket(family).connect(address)
    except OSError: pass
    else: raise AssertionError(address)
"""


def test_the_next_submission_sees_nothing_of_the_one_before(execute: Execute) -> None:
    first = execute(LEAVE)
    assert statuses(first) == ["ok"]  # and its process is alive still
    second = execute(LOOK)
    assert statuses(second) == ["ok"], second.notebook.cells[0].outputs
    first.close()
    assert statuses(execute(LOOK)) == ["ok"]


def mounts() -> list[str]:
    return [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]


def names(folder: str | Path) -> set[str]:
    return {path.name for path in Path(folder).iterdir()}


def test_nothing_is_left_behind(execute: Execute, zygote: Zygote) -> None:
    def state() -> list[object]:
        return [
            {p for p in processes.descendants(os.getpid()) if processes.is_running(p)},
            "left" in names(tempfile.gettempdir()) | names("/dev/shm"),
            names(zygote._folder) | names(zygote._stage),
            len(names("/proc/self/fd")),
            mounts(),
        ]

    before = state()
    run = execute(LEAVE, "import os\nos._exit(1)", "while True: pass", cell_seconds=0.5)
    with run.probe() as probe:
        probe.variables()
    run.close()
    for _ in range(10_000):  # the kernel takes a moment to end what was killed
        if state() == before:
            break
        os.sched_yield()
    assert state() == before
