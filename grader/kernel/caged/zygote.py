"""The zygote: imports the heavy libraries once, then forks one child a submission.

It reads orders from the grader on one socket; with the order ``start`` comes
the notebook channel of the new child, which it alone keeps. The zygote runs
no student code and holds nothing that a student may not see.

Run as ``python -m caged zygote FD`` inside the outer cage.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import importlib
import os
import signal
import socket
import stat
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import msgspec

from . import agent, confine
from .frames import Closed, receive_frame, send_frame
from .installs import answer, answer_installs
from .libraries import import_libraries
from .outlines import blank_layers
from .settled import note_libraries
from .shell import (
    CapturedDescriptors,
    CellRunner,
    compute_alone,
    make_shell,
    seed_everything,
)
from .texts import quicken_texts
from .titles import quicken_titles

ORDER_BYTES = 1 << 20
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode
_HUGE_PAGE = 1 << 21
_FOR_THE_END = 2.0
"""Seconds that the grader has to end a process whose channel it saw close."""
_sleep = time.sleep
_MADV_COLLAPSE = 25


def warm_up(shell: Any) -> None:
    """Run one of everything, so that the children find it ready; leave no trace."""
    # No %%bash: its magic starts a thread, which no fork would have.
    _run_without_trace(shell, "1 + 1", "%time 1", "1 / 0", "def", "!true", "%%capture\nprint()")
    with contextlib.suppress(OSError):
        socket.getaddrinfo("localhost", 1)  # loads the idna codec
    with contextlib.suppress(ImportError):
        answer("pip install numpy", sys.executable)


def warm_networks(_: Any) -> None:
    """Make and trace a network: what that imports takes a second, once."""
    with contextlib.suppress(ImportError):
        import torch
        from torch import nn

        with blank_layers():
            model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.ReLU(), nn.ReLU6())
            model += nn.Sequential(nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            model += nn.Sequential(nn.Dropout(), nn.Linear(1, 1))
        question = {"target": "model", "inputs": [torch.ones(2, 1, 2, 2)], "operations": True}
        agent.Agent({"model": model}, ORDER_BYTES).trace(question)
        model(torch.ones(2, 1, 2, 2)).sum().backward()


def warm_optimisers(_: Any) -> None:
    """Make an optimiser: the first one sets up what every child would repeat."""
    with contextlib.suppress(ImportError):
        import torch

        torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1).zero_grad()


def warm_figures(shell: Any) -> None:
    """Draw a figure inline, with what most have: the first of each costs a while more."""
    with contextlib.suppress(ImportError):
        import matplotlib as mpl
        import matplotlib.pyplot

        mpl.pyplot.switch_backend("module://matplotlib_inline.backend_inline")
        quicken_texts()
        quicken_titles()
        _run_without_trace(
            shell,
            "%matplotlib inline\nimport matplotlib.pyplot as plt\n"
            "plt.plot([1, 2])\nplt.show()\nplt.close('all')",
            _FIGURE,
        )
        _let_go_of_fonts()


def _let_go_of_fonts() -> None:
    """Close the files of fonts: each child opens its own."""
    with contextlib.suppress(AttributeError, ImportError):  # another matplotlib
        importlib.import_module("matplotlib.mathtext").MathTextParser._parse_cached.cache_clear()
        importlib.import_module("matplotlib.font_manager")._get_font.cache_clear()


_FIGURE = """
import matplotlib.pyplot as plt
figure, (left, right) = plt.subplots(1, 2, figsize=(6.4, 3.2))
figure.colorbar(left.imshow([[0.0, 1.0], [2.5, 3.0]], cmap="gray"))
left.text(0, 0, "0", ha="center", va="center", color="w", fontsize=8)
left.set_title("title")
right.plot([1, 2], label="label")
right.bar([1, 2], [1, 2])
right.scatter([1, 2], [1, 2])
right.set(xlabel="x", ylabel="y", title="$x$")
right.legend()
right.grid()
right.legend(fontsize=8)
right.axis("off")
figure.suptitle("title")
plt.tight_layout()
plt.show()
plt.close("all")
"""


def warm_tables(_: Any) -> None:
    """Show a table of pandas."""
    # No thread of pyarrow's, which pandas imports: a fork would lose it.
    os.environ["JE_ARROW_MALLOC_CONF"] = "background_thread:false"
    with contextlib.suppress(ImportError):
        pd = importlib.import_module("pandas")
        pd.DataFrame({"x": [1.0], "y": ["z"]}).groupby("y").mean()._repr_html_()
    del os.environ["JE_ARROW_MALLOC_CONF"]


def warm_learning(shell: Any) -> None:
    """Import the better part of scikit-learn, which takes longer than most notebooks."""
    warm_tables(shell)  # it imports pandas where that is
    with contextlib.suppress(ImportError):
        for part in ("ensemble", "linear_model", "model_selection", "pipeline", "svm"):
            importlib.import_module(f"sklearn.{part}")


def warm_science(_: Any) -> None:
    """Import the parts of SciPy that coursework uses."""
    with contextlib.suppress(ImportError):
        for part in ("io", "ndimage", "optimize", "signal", "stats"):
            importlib.import_module(f"scipy.{part}")


def _run_without_trace(shell: Any, *cells: str) -> None:
    names = set(shell.user_ns)
    out = sys.stdout
    with open(os.devnull, "w") as sys.stdout:
        for cell in cells:
            shell.run_cell(cell)
    sys.stdout = out
    for name in set(shell.user_ns) - names:
        del shell.user_ns[name]
    shell.reset(new_session=True)
    shell.execution_count = 1


WARM_UPS = {
    "networks": warm_networks,
    "optimisers": warm_optimisers,
    "figures": warm_figures,
}
"""What is made ready when the first hand-in comes that may want it."""
TRIED = {"tables": warm_tables, "learning": warm_learning, "science": warm_science}
"""What is made ready when the second comes, if a trial shows that it leaves no thread running."""


def join_pages() -> None:
    """Join this process's memory into huge pages where the kernel can: forks copy fewer entries.

    Where the C library has asked for them, most are huge already; ``MADV_COLLAPSE`` (Linux 6.1)
    joins the rest. Together that halves the cost of a fork. An older kernel refuses, and nothing
    changes.
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
    warm
        Which of :data:`WARM_UPS` it may want.
    """

    limits: confine.Limits
    seed: int
    output_bytes: int
    message_bytes: int
    stage: str | None = None
    scratch: str | None = None
    warm: list[str] = []


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
        shell.user_ns["_dh"][:] = [home]  # what %cd takes for the folder before
        os.environ.update(HOME=home, PWD=home)
        sys.path.insert(0, "")
    except OSError as error:
        send_frame(sock, _encode({"failed": str(error)}))
        return
    send_frame(sock, _encode({"layers": layers}))
    if namespaces:
        answer_installs(shell, sys.executable)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    runner = CellRunner(shell, sock, job.output_bytes, captured)
    hidden = frozenset(shell.user_ns)
    seed_everything(job.seed)
    while True:
        try:
            payload, descriptors = receive_frame(sock, ORDER_BYTES << 6, fds=1)
        except Closed:
            return
        kind, *arguments = _decode(payload)
        if kind == "execute":
            confine.keep_files_back(True)
            runner.run(arguments[0])
            confine.keep_files_back(False)
        elif kind == "probe":
            _fork_probe(runner, descriptors, job, hidden)


def _fork_probe(
    runner: CellRunner, descriptors: list[int], job: Job, hidden: frozenset[str]
) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    if os.fork():
        for descriptor in descriptors:
            os.close(descriptor)
        return
    runner.close()
    gc.disable()
    compute_alone()
    shell = runner.shell
    with socket.socket(fileno=descriptors[0]) as channel:
        signal.pthread_sigmask(signal.SIG_SETMASK, runner.mask)
        cells = dict(shell.compile._filename_map)
        seed = functools.partial(seed_everything, job.seed)
        agent.serve(channel, shell.user_ns, job.message_bytes, hidden, cells, seed)
    os._exit(0)


class Zygote:
    """The warm process, and the children that it has forked and not yet reaped.

    Parameters
    ----------
    control
        Where the grader's orders come.
    namespaces
        Whether each child gets namespaces of its own.
    warm
        Which of :data:`WARM_UPS` to take before the first child.
    """

    def __init__(
        self, control: socket.socket, *, namespaces: bool, warm: Sequence[str] = ()
    ) -> None:
        self.control = control
        self.namespaces = namespaces
        self.children: set[int] = set()
        self.cold = dict(WARM_UPS)
        self.untried = dict(TRIED)
        self.wanted_before: set[str] = set()
        versions = import_libraries()
        self.shell = make_shell()
        self.warm_up(warm_up, *(self.cold.pop(name) for name in warm))
        self.pid_namespace = -1
        if namespaces:
            self.pid_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        send_frame(control, _encode({"versions": versions}))

    def serve(self) -> None:
        """Follow orders until the grader hangs up."""
        while True:
            try:
                payload, descriptors = receive_frame(self.control, ORDER_BYTES, fds=1)
            except Closed:
                self.end_children()
                return
            kind, argument = _decode(payload)
            if kind == "reap":
                _, status = os.waitpid(argument, 0)
                self.children.discard(argument)
                send_frame(self.control, _encode({"status": os.waitstatus_to_exitcode(status)}))
            elif kind == "answer":
                send_frame(self.control, _encode({}))
            else:
                self.start_child(msgspec.convert(argument, Job), descriptors[0])

    def warm_up(self, *steps: Callable[[Any], None]) -> None:
        """Take `steps` and come to rest: nothing for children to collect, nothing that runs."""
        for step in steps:
            step(self.shell)
        note_libraries()
        seed_everything(0)
        gc.collect()
        gc.freeze()
        join_pages()
        if len(os.listdir("/proc/self/task")) > 1:
            names = [thread.name for thread in threading.enumerate()]
            raise RuntimeError(f"a library runs threads, which a fork loses: {names}")

    def leaves_no_thread(self, step: Callable[[Any], None]) -> bool:
        """Tell whether a fork that takes `step` ends with one thread."""
        if self.namespaces:
            confine.next_child_in_own_pid_namespace(self.pid_namespace)
        trial = os.fork()
        if trial == 0:
            threads = 0
            try:
                step(self.shell)
                threads = len(os.listdir("/proc/self/task"))
            finally:
                os._exit(0 if threads == 1 else 1)
        return os.waitpid(trial, 0)[1] == 0

    def make_ready(self, job: Job) -> None:
        """Take the steps that `job` may want, once."""
        wanted = [self.cold.pop(name) for name in job.warm if name in self.cold]
        for name in job.warm:
            if name in self.untried and name in self.wanted_before:
                step = self.untried.pop(name)
                wanted += [step] if self.leaves_no_thread(step) else []
        self.wanted_before.update(job.warm)
        if wanted:
            self.warm_up(*wanted)

    def start_child(self, job: Job, channel: int) -> None:
        """Fork a child and tell the grader its number and its handle."""
        self.make_ready(job)
        try:
            if self.namespaces:
                confine.next_child_in_new_pid_namespace(self.pid_namespace)
            child = os.fork()
        except OSError as error:
            os.close(channel)
            send_frame(self.control, _encode({"failed": str(error)}))
            return
        if child == 0:
            self.be_child(job, channel)
        os.close(channel)
        self.children.add(child)
        handle = os.pidfd_open(child)
        send_frame(self.control, _encode({"child": child}), [handle])
        os.close(handle)

    def be_child(self, job: Job, channel: int) -> NoReturn:
        """Run one submission in this process, which was forked for it."""
        try:
            self.control.close()
            if self.namespaces:
                os.close(self.pid_namespace)
            keep_descriptors({0, 1, 2, channel})
            if not self.namespaces:
                os.setsid()
                confine.stay_with_parent()
            with socket.socket(fileno=channel) as sock:
                run_child(self.shell, sock, job, self.namespaces)
        except BaseException:
            with contextlib.suppress(BaseException):
                traceback.print_exc()
            # A cell that closed the channel has the grader end this process: not to be forestalled,
            # for by that it tells such a cell from one that ended the process itself.
            _sleep(_FOR_THE_END)
        finally:
            os._exit(0)

    def end_children(self) -> None:
        """End them and their sessions; in the cage they end with it."""
        for child in () if self.namespaces else self.children:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)


def main(arguments: list[str]) -> None:
    """Serve on the file descriptor named by the first argument; others say how."""
    with socket.socket(fileno=int(arguments[0])) as control:
        warm = [argument for argument in arguments[1:] if argument in WARM_UPS]
        Zygote(control, namespaces="--namespaces" in arguments, warm=warm).serve()
