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
import time
from collections.abc import Callable
from copy import deepcopy
from types import TracebackType
from typing import Any, Literal, Protocol, Self

import msgspec
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from grader.course.assignment import Limits
from grader.kernel.caged.confine import Limits as ProcessLimits
from grader.kernel.forked import OutputFlood
from grader.kernel.probe import Died, Probe

RECORDED = "recorded"
"""Tag of cells whose saved outputs are kept instead of running them."""

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
    def truncated(self) -> bool: ...
    @property
    def count(self) -> int | None: ...
    def attach(self, loop: asyncio.AbstractEventLoop) -> None: ...
    def detach(self) -> None: ...
    def resident_bytes(self) -> int: ...
    def open_probe(self) -> socket.socket: ...
    def kill(self) -> None: ...
    def end(self) -> int | None: ...


def process_limits(limits: Limits) -> ProcessLimits:
    """The part of an assignment's limits that the kernel of the machine holds."""
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
    """

    def __init__(self, notebook: NotebookNode, kernel: Kernel, limits: Limits) -> None:
        self.notebook = notebook
        self.kernel = kernel
        self.limits = limits
        self.cells: list[CellRun] = []
        self.replays = 0
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
        """
        try:
            sock = self.kernel.open_probe()
        except OSError as error:
            raise Died(str(error)) from error
        return Probe(
            sock,
            seconds=self.limits.probe_seconds,
            message_bytes=self.limits.message_mb << 20,
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
    def __init__(
        self, notebook: NotebookNode, start: Callable[[], Kernel], limits: Limits
    ) -> None:
        self.start = start
        self.limits = limits
        self.run = Run(notebook, start(), limits)
        self.deadline = time.monotonic() + limits.submission_seconds

    async def all_cells(self) -> None:
        self._attach()
        for index, cell in enumerate(self.run.notebook.cells):
            if cell.cell_type != "code":
                continue
            if RECORDED in cell.metadata.get("tags", []):
                self.run.cells.append(CellRun(index=index, status="recorded"))
                continue
            if not cell.source.strip():
                self.run.cells.append(CellRun(index=index, status="ok"))
                continue
            if time.monotonic() >= self.deadline:
                cell.outputs = []
                self.run.cells.append(
                    CellRun(index=index, status="skipped", reason="submission-timeout")
                )
                continue
            outcome = await self._cell(cell, index)
            self.run.cells.append(outcome)
            if outcome.status in ("timeout", "died"):
                await self._replay()
        self.run.kernel.detach()

    def _attach(self) -> None:
        self.run.kernel.attach(asyncio.get_running_loop())
        self.driver = NotebookClient(
            self.run.notebook, allow_errors=True, coalesce_streams=True, log=_log
        )
        self.driver.kc = self.run.kernel.client

    async def _cell(self, cell: NotebookNode, index: int) -> CellRun:
        """Run one cell; whatever it does comes back as a record."""
        started = time.monotonic()
        allowed = min(self.limits.cell_seconds, self.deadline - started)
        self.driver.timeout = max(allowed, 0.1)  # type: ignore[assignment]
        watch = asyncio.ensure_future(self._watch_memory())
        status: Status = "ok"
        reason: Reason | None = None
        detail = error = count = None
        try:
            await self.driver.async_execute_cell(cell, index)
            count = self.run.kernel.count
            error = _error_of(cell)
            if error is not None:
                status = "error"
        except CellTimeoutError:
            status = "timeout"
            whole = allowed < self.limits.cell_seconds
            reason = "submission-timeout" if whole else "cell-timeout"
        except OutputFlood:
            status, reason = "died", "flood"
        except DeadKernelError:
            status = "died"
        finally:
            watch.cancel()
            await _cancel_others()
        seconds = time.monotonic() - started
        truncated = self.run.kernel.truncated
        if status == "died" and reason is None:
            self.run.kernel.detach()
            ended = self.run.kernel.end()
            if watch.done() and not watch.cancelled() and watch.result():
                reason = "memory"
            elif ended is not None and ended < 0:
                reason, detail = "signal", -ended
                if detail == signal.SIGKILL:
                    detail = None
            else:
                reason, detail = "exit", ended
        return CellRun(
            index=index,
            status=status,
            seconds=seconds,
            count=count,
            error=error,
            reason=reason,
            detail=detail,
            truncated=truncated,
        )

    async def _watch_memory(self) -> bool:
        """Kill the kernel when all its processes hold more than they may."""
        allowed = self.limits.memory_mb << 20
        kernel = self.run.kernel
        while True:
            await asyncio.sleep(0.25)
            if kernel.resident_bytes() > allowed:
                kernel.kill()
                return True

    async def _replay(self) -> None:
        """Start afresh and run again, out of sight, every cell that ended by itself."""
        while True:
            self.run.kernel.detach()
            self.run.kernel.end()
            self.run.replays += 1
            self.run.kernel = self.start()
            self._attach()
            for place, earlier in enumerate(self.run.cells):
                if earlier.count is None:
                    continue
                shadow = deepcopy(self.run.notebook.cells[earlier.index])
                again = await self._cell(shadow, earlier.index)
                if again.status in ("timeout", "died"):
                    self.run.cells[place] = again
                    break
                self.run.cells[place] = msgspec.structs.replace(earlier, count=again.count)
            else:
                return


async def _cancel_others() -> None:
    """End the tasks that nbclient leaves behind when a kernel dies under it."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others)


def _error_of(cell: NotebookNode) -> str | None:
    for output in cell.outputs:
        if output.output_type == "error":
            return f"{output.ename}: {output.evalue}"[:500]
    return None


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


