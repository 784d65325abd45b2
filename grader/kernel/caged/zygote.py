"""The zygote: imports the heavy libraries once, then forks one child a submission.

It reads orders from the grader on one socket; with the order ``start`` comes
the notebook channel of the new child, which it alone keeps. The zygote runs
no student code and holds nothing that a student may not see.

Run as ``python -m caged zygote FD`` inside the outer cage.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import socket
import stat
import sys
import threading
import traceback
from typing import Any

import msgspec

from . import agent, confine
from .frames import Closed, receive_frame, send_frame
from .shell import CapturedDescriptors, CellRunner, make_shell, seed_everything

ORDER_BYTES = 1 << 20
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode
_HUGE_PAGE = 1 << 21
_MADV_COLLAPSE = 25


def import_libraries() -> dict[str, str]:
    """Import what notebooks of this field use, on one thread; return their versions."""
    import IPython
    import numpy

    versions = {
        "python": sys.version.split()[0],
        "ipython": IPython.__version__,
        "numpy": numpy.__version__,
    }
    with contextlib.suppress(ImportError):
        import torch

        torch.set_num_threads(1)
        with contextlib.suppress(RuntimeError):
            torch.set_num_interop_threads(1)
        # The first backward pass and the first trace set up much that every child would repeat.
        model = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.BatchNorm2d(1))
        model(torch.ones(2, 1, 2, 2)).sum().backward()
        question = {"target": "model", "inputs": [torch.ones(2, 1, 2, 2)]}
        agent.Agent({"model": model}, ORDER_BYTES).trace(question)
        versions["torch"] = str(torch.__version__)
    return versions


def warm_up(shell: Any) -> None:
    """Run one of everything, so that the children find it ready; leave no trace."""
    names = set(shell.user_ns)
    # No %%bash: its magic starts a thread, which no fork would have.
    cells = ["1 + 1", "%time 1", "1 / 0", "def", "!true", "%%capture\nprint()"]
    with contextlib.suppress(ImportError):
        import matplotlib as mpl
        import matplotlib.pyplot

        mpl.pyplot.switch_backend("module://matplotlib_inline.backend_inline")
        cells.append(
            "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nplt.close('all')"
        )
    out = sys.stdout
    with open(os.devnull, "w") as sys.stdout:
        for cell in cells:
            shell.run_cell(cell)
    sys.stdout = out
    with contextlib.suppress(OSError):
        socket.getaddrinfo("localhost", 1)  # loads the idna codec
    for name in set(shell.user_ns) - names:
        del shell.user_ns[name]
    shell.reset(new_session=True)
    shell.execution_count = 1


def join_pages() -> None:
    """Join this process's memory into huge pages where the kernel can: forks copy fewer entries.

    ``MADV_COLLAPSE`` (Linux 6.1) halves the cost of a fork here; elsewhere it is refused and
    nothing changes.
    """
    libc = ctypes.CDLL(None)
    with open("/proc/self/maps") as maps:
        for line in maps.read().splitlines():
            span, permissions, *_, name = [*line.split(), ""][:6]
            if not permissions.startswith("rw") or name not in ("", "[heap]", "0"):
                continue
            start, end = (int(part, 16) for part in span.split("-"))
            start = -(-start // _HUGE_PAGE) * _HUGE_PAGE
            for address in range(start, end - _HUGE_PAGE + 1, _HUGE_PAGE):
                libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(_HUGE_PAGE), _MADV_COLLAPSE)


class Job(msgspec.Struct, frozen=True):
    """One submission to run.

    Attributes
    ----------
    limits
        What its processes may use.
    seed
        Seed of Python, numpy and torch before the first cell.
    output_bytes
        Most bytes of output a cell may publish.
    message_bytes
        Largest answer to a question.
    stage
        Folder with data files, as the cage sees it; None when there are none.
    scratch
        Working folder when there are no namespaces.
    """

    limits: confine.Limits
    seed: int
    output_bytes: int
    message_bytes: int
    stage: str | None = None
    scratch: str | None = None


def keep_descriptors(meant: set[int]) -> None:
    """Share no descriptor but those in `meant` with the zygote and its other children.

    An open file of a library gets a position of its own; what is no file (a
    pipe, a socket) would be a way from one submission to the next.
    """
    for name in os.listdir("/proc/self/fd"):
        descriptor = int(name)
        if descriptor in meant:
            continue
        with contextlib.suppress(OSError):  # the listing's own is closed by now
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                continue
            place = os.lseek(descriptor, 0, os.SEEK_CUR)
            own = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
            os.lseek(own, place, os.SEEK_SET)
            os.dup2(own, descriptor, inheritable=False)
            os.close(own)


def run_child(shell: Any, sock: socket.socket, job: Job, namespaces: bool) -> None:
    """Be one student's process: confine, then run cells and fork for questions until the end."""
    captured = CapturedDescriptors()
    try:
        layers = confine.shut_in(job.limits, job.stage, namespaces=namespaces)
        home = job.scratch if job.scratch is not None else confine.SCRATCH
        os.chdir(home)
        os.environ.update(HOME=home, PWD=home)
        sys.path.insert(0, "")
    except OSError as error:
        send_frame(sock, _encode({"failed": str(error)}))
        return
    send_frame(sock, _encode({"layers": layers}))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    runner = CellRunner(shell, sock, job.output_bytes, captured)
    hidden = frozenset(shell.user_ns)
    seed_everything(job.seed)
    own_mask = _mask_signals()
    while True:
        try:
            payload, descriptors = receive_frame(sock, ORDER_BYTES << 6, fds=1)
        except Closed:
            return
        kind, *arguments = _decode(payload)
        # Between cells nothing that a notebook or a probe left behind may interrupt this loop.
        signal.pthread_sigmask(signal.SIG_SETMASK, own_mask)
        if kind == "execute":
            runner.run(arguments[0])
        elif kind == "probe":
            _fork_probe(shell, sock, descriptors, job, hidden)
        own_mask = _mask_signals()


def _mask_signals() -> set[signal.Signals]:
    """Hold every signal back and return which were held back before."""
    mask: set[Any] = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    return mask


def _fork_probe(
    shell: Any, sock: socket.socket, descriptors: list[int], job: Job, hidden: frozenset[str]
) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    if os.fork():
        for descriptor in descriptors:
            os.close(descriptor)
        return
    sock.close()
    gc.disable()
    with socket.socket(fileno=descriptors[0]) as channel:
        seed_everything(job.seed)
        cells = dict(shell.compile._filename_map)
        agent.serve(channel, shell.user_ns, job.message_bytes, hidden, cells)
    os._exit(0)


def serve(control: socket.socket, *, namespaces: bool) -> None:
    """Fork a child for each order until the grader hangs up."""
    versions = import_libraries()
    shell = make_shell()
    warm_up(shell)
    gc.collect()
    join_pages()
    gc.freeze()
    threads = [thread.name for thread in threading.enumerate()]
    if len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError(f"a library runs threads, which a fork loses: {threads}")
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC) if namespaces else -1
    send_frame(control, _encode({"versions": versions}))
    while True:
        try:
            payload, descriptors = receive_frame(control, ORDER_BYTES, fds=1)
        except Closed:
            return
        kind, argument = _decode(payload)
        if kind == "reap":
            _, status = os.waitpid(argument, 0)
            send_frame(control, _encode({"status": os.waitstatus_to_exitcode(status)}))
            continue
        job = msgspec.convert(argument, Job)
        try:
            if namespaces:
                confine.next_child_in_new_pid_namespace(own)
            child = os.fork()
        except OSError as error:
            send_frame(control, _encode({"failed": str(error)}))
            continue
        if child == 0:
            try:
                control.close()
                if own >= 0:
                    os.close(own)
                keep_descriptors({0, 1, 2, *descriptors})
                if not namespaces:
                    os.setsid()
                    confine.stay_with_parent()
                with socket.socket(fileno=descriptors[0]) as sock:
                    run_child(shell, sock, job, namespaces)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)
        handle = os.pidfd_open(child)
        send_frame(control, _encode({"child": child}), [handle])
        os.close(handle)


def main(arguments: list[str]) -> None:
    """Serve on the file descriptor named by the first argument."""
    with socket.socket(fileno=int(arguments[0])) as control:
        serve(control, namespaces="--namespaces" in arguments)
