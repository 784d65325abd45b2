"""Run a notebook from top to bottom and survive whatever it does.

Each cell runs under its own limit and all together under theirs. A cell that
kills its process or does not end is left out: a fresh process replays the
cells before it, so that they keep what they earned, and the run goes on
behind it. What remains is an executed notebook with evidence for each cell,
and a live process that answers questions.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

import msgspec
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from grader.course.assignment import Limits
from grader.kernel.allowance import Allowance
from grader.kernel.messages import OutputFlood
from grader.kernel.outputs import empty, joined, size_of
from grader.kernel.probe import Died, Probe, TimedOut, Turn
from grader.kernel.processes import cpu_seconds, descendants, out_of_memory_kills

if TYPE_CHECKING:
    from grader.kernel.caged.confine import Limits as ProcessLimits

RECORDED = "recorded"
"""Tag of cells whose saved outputs are kept instead of running them."""
_NO_TAG = "no cell has this tag, so nbclient leaves none out"
_WATCH_SECONDS = 0.25
_ALL_CELLS = 32
"""All cells together may publish as much as so many of them, whatever their number."""

Status = Literal["ok", "error", "timeout", "died", "skipped", "recorded"]
Reason = Literal["cell-timeout", "submission-timeout", "memory", "flood", "signal", "exit"]


class CellRun(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one cell.

    Attributes
    ----------
    index
        Place among all cells of the notebook, from 0.
    count
        Execution count in the process that lives on; None when it is not part of that.
    error
        Type and message of what it raised.
    reason
        Why it timed out, died or was skipped; ``detail`` is the signal's or exit's number.
    """

    index: int
    status: Status
    seconds: float = 0.0
    count: int | None = None
    error: str | None = None
    reason: Reason | None = None
    detail: int | None = None
    truncated: bool = False


class Kernel(Protocol):
    """A process that runs cells and can be asked questions."""

    layers: list[str]
    client: Any

    @property
    def pid(self) -> int: ...
    @property
    def truncated(self) -> bool: ...
    @property
    def count(self) -> int | None: ...
    @property
    def error(self) -> str | None: ...
    async def attach(self, loop: asyncio.AbstractEventLoop) -> None: ...
    def detach(self) -> None: ...
    def resident_bytes(self, allowed: int = 0) -> int: ...
    def open_probe(self) -> socket.socket: ...
    def kill(self) -> None: ...
    def end(self) -> int | None: ...


def process_limits(limits: Limits) -> ProcessLimits:
    """The part of an assignment's limits that the kernel of the machine holds."""
    from grader.kernel.caged.confine import Limits as ProcessLimits  # Linux alone has it

    return ProcessLimits(
        memory_mb=limits.memory_mb,
        processes=limits.processes,
        file_mb=limits.file_mb,
        scratch_mb=4 * limits.file_mb,
    )


class Run:
    """An executed notebook and its live process; close it when the questions are asked.

    Attributes
    ----------
    notebook
        With the outputs of this run (recorded cells: the saved ones).
    cells
        One :class:`CellRun` for each code cell, in order.
    replays
        How often a fresh process had to take over.
    memory_bytes
        Most memory that its processes may hold together, with all that the libraries held already.
    judging
        Time that is left for questions to it.
    turns
        Begins to keep what a fork is asked and answers; None: nothing is kept.
    """

    def __init__(self, notebook: NotebookNode, kernel: Kernel, limits: Limits) -> None:
        self.notebook = notebook
        self.kernel = kernel
        self.limits = limits
        self.cells: list[CellRun] = []
        self.replays = 0
        self.memory_bytes = sys.maxsize
        self.judging = Allowance(limits.judging_seconds)
        self.turns: Callable[[bool], Turn] | None = None
        self.seconds = 0.0

    @property
    def layers(self) -> list[str]:
        """Layers of the cage that held."""
        return self.kernel.layers

    def cell_of_count(self, count: int) -> int | None:
        """Index of the cell that ran as ``In[count]`` in the live process."""
        return next((cell.index for cell in self.cells if cell.count == count), None)

    def probe(self) -> Probe:
        """Fork the executed notebook for one check.

        Raises
        ------
        Died
            If the process is gone.
        TimedOut
            If the time for judging is over.
        """
        if self.judging.spent:
            raise TimedOut(whole=True)
        before = frozenset(descendants(self.kernel.pid))
        try:
            sock = self.kernel.open_probe()
        except OSError as error:
            raise Died(str(error)) from error
        return Probe(
            sock,
            seconds=self.limits.probe_seconds,
            judging=self.judging,
            message_bytes=self.limits.message_mb << 20,
            memory_bytes=self.memory_bytes,
            held=self.kernel.resident_bytes,
            notebook=self.kernel.pid,
            before=before,
            turns=self.turns,
        )

    def close(self) -> None:
        """End the process."""
        self.kernel.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        place: TracebackType | None,
    ) -> None:
        self.close()


_log = logging.getLogger("grader.nbclient")
_log.addHandler(logging.NullHandler())
_log.propagate = False


class _Runner:
    def __init__(self, notebook: NotebookNode, start: Callable[[], Kernel], limits: Limits) -> None:
        self.start = start
        self.limits = limits
        self.run = Run(notebook, start(), limits)
        self.output_left = _ALL_CELLS * (limits.output_kb << 10)
        self.time = Allowance(limits.submission_seconds)
        # Replays have as much time again, all together: what was right before keeps its points.
        self.replay_time = Allowance(limits.submission_seconds)

    async def all_cells(self) -> None:
        await self._attach()
        try:
            for index, cell in enumerate(self.run.notebook.cells):
                if cell.cell_type == "code":
                    outcome = await self._outcome(cell, index)
                    self.run.cells.append(outcome)
                    if outcome.status in ("timeout", "died"):
                        await self._replay()
        finally:
            self.run.kernel.detach()
        for outcome in self.run.cells:
            if outcome.status != "recorded":
                cell = self.run.notebook.cells[outcome.index]
                cell.outputs = joined(cell.outputs)

    async def _outcome(self, cell: NotebookNode, index: int) -> CellRun:
        if RECORDED in cell.metadata.get("tags", []):
            return CellRun(index=index, status="recorded")
        cell.outputs = []
        if not cell.source.strip():
            return CellRun(index=index, status="ok")
        if self.time.spent:
            return CellRun(index=index, status="skipped", reason="submission-timeout")
        return await self._cell(index, self.time)

    async def _attach(self) -> None:
        await self.run.kernel.attach(asyncio.get_running_loop())
        libraries = self.run.kernel.resident_bytes(sys.maxsize)
        self.run.memory_bytes = libraries + (self.limits.memory_mb << 20)
        self.driver = NotebookClient(
            self.run.notebook,
            allow_errors=True,
            record_timing=False,
            skip_cells_with_tag=_NO_TAG,
            log=_log,
        )
        self.driver.kc = self.run.kernel.client

    async def _cell(self, index: int, left: Allowance) -> CellRun:
        """Run one cell in what is `left`, and charge it; whatever it does comes back as a record."""
        cell = self.run.notebook.cells[index]
        kernel = self.run.kernel
        self.output_left += size_of(cell.outputs)  # of a run before, which this one replaces
        whole = Allowance(self.limits.cell_seconds)
        allowed = whole.at_most(left)
        # Not `timeout`: that takes whole seconds only.
        self.driver.timeout_func = lambda _: max(allowed.wall, 0.1)  # type: ignore[assignment]
        killed_before = out_of_memory_kills()
        watch = _Watch(kernel, self.run.memory_bytes, allowed.cpu)
        watching = asyncio.ensure_future(watch.until_it_kills())
        started = time.monotonic()
        status: Status = "ok"
        reason: Reason | None = None
        detail = error = count = None
        try:
            await self.driver.async_execute_cell(cell, index)
            count, error = kernel.count, kernel.error
            if error is not None:
                status = "error"
        except CellTimeoutError:
            status = "timeout"
        except OutputFlood:
            status, reason = "died", "flood"
        except DeadKernelError:
            if _is_cancelled():
                raise asyncio.CancelledError from None
            status = "died"
        finally:
            watching.cancel()
            await _cancel_others()
        if watch.killed_for is not None:  # even when its reply came just before
            status = "timeout" if watch.killed_for == "time" else "died"
            count = error = None
        seconds = time.monotonic() - started
        if status == "timeout":
            shorter = allowed.cpu < whole.cpu or allowed.wall < whole.wall
            reason = "submission-timeout" if shorter else "cell-timeout"
            # As much for all: how many can does not depend on how they waste it.
            left.charge(cpu=allowed.cpu, wall=allowed.wall)
        else:
            left.charge(cpu=watch.used(), wall=seconds)
        self.output_left -= size_of(cell.outputs)
        if self.output_left < 0:
            empty(cell.outputs)
        if status == "died" and reason is None:
            kernel.detach()
            ended = kernel.end()
            if watch.killed_for == "memory" or out_of_memory_kills() > killed_before:
                reason = "memory"
            else:
                reason, detail = _how_it_ended(ended)
        return CellRun(
            index=index,
            status=status,
            seconds=seconds,
            count=count,
            error=error,
            reason=reason,
            detail=detail,
            truncated=kernel.truncated or self.output_left < 0,
        )

    async def _replay(self) -> None:
        """Start afresh and run again every cell that ended by itself.

        Their outputs are those of the process that lives on and answers the
        questions. A cell that does not end this time loses its place, and
        what runs out of the time for replays, too.
        """
        complete = False
        while not complete:
            self.run.replays += 1
            complete = await self._all_over_again()

    async def _all_over_again(self) -> bool:
        self.run.kernel.detach()
        self.run.kernel.end()
        self.run.kernel = self.start()
        await self._attach()
        for place, earlier in enumerate(self.run.cells):
            if earlier.count is None:
                continue
            if self.replay_time.spent:
                self.run.cells[place] = msgspec.structs.replace(
                    earlier, status="timeout", reason="submission-timeout", count=None
                )
                continue
            again = await self._cell(earlier.index, self.replay_time)
            self.run.cells[place] = again
            if again.status in ("timeout", "died"):
                return False
        return True


class _Watch:
    """Kills the kernel when its processes hold more memory, or use more CPU time, than they may.

    Parameters
    ----------
    kernel
        What to watch, from now on.
    memory_bytes
        Most memory of all its processes together.
    cpu
        Most CPU time of all its processes together.
    """

    def __init__(self, kernel: Kernel, memory_bytes: int, cpu: float) -> None:
        self.kernel = kernel
        self.memory_bytes = memory_bytes
        self.cpu = cpu
        self.killed_for: Literal["memory", "time"] | None = None
        self._most = 0.0
        self._before = self._total()

    async def until_it_kills(self) -> None:
        while self.killed_for is None:
            await asyncio.sleep(_WATCH_SECONDS)
            if self.kernel.resident_bytes(self.memory_bytes) > self.memory_bytes:
                self.killed_for = "memory"
            elif self.used() > self.cpu:
                self.killed_for = "time"
        self.kernel.kill()

    def used(self) -> float:
        """CPU time since the watch began, as of the last time when it could be told."""
        self._most = max(self._most, self._total() - self._before)
        return self._most

    def _total(self) -> float:
        return cpu_seconds([self.kernel.pid, *descendants(self.kernel.pid)])


def _how_it_ended(status: int | None) -> tuple[Reason, int | None]:
    """Read an exit status, that is negative after a signal and None when it is not known."""
    if status is None or status >= 0:
        return "exit", status
    # SIGKILL was ours: the process lived on, but had closed its channel.
    return "signal", None if -status == getattr(signal, "SIGKILL", 9) else -status


def _is_cancelled() -> bool:
    """Whether somebody ends this very task, as Ctrl-C does; nbclient takes it for a dead kernel."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _cancel_others() -> None:
    """End the tasks that nbclient leaves behind when a kernel dies under it."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others)


def run_notebook(notebook: NotebookNode, start: Callable[[], Kernel], limits: Limits) -> Run:
    """Execute a copy of `notebook` and return it with its live process.

    Parameters
    ----------
    notebook
        As read; cells tagged ``recorded`` keep their saved outputs.
    start
        Starts a fresh kernel; called again after a cell that died or hung.
    limits
        Of the assignment.

    Raises
    ------
    zygotes.ZygoteError
        If no kernel comes up: the environment's fault.
    """
    started = time.monotonic()
    runner = _Runner(deepcopy(notebook), start, limits)
    try:
        asyncio.run(runner.all_cells())
    except BaseException:
        runner.run.close()
        raise
    runner.run.seconds = time.monotonic() - started
    return runner.run
