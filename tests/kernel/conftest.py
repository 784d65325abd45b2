"""One real zygote for all tests of this folder, and a short way to run cells in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import PurePosixPath

import msgspec
import pytest
from nbformat import NotebookNode

from grader.kernel.forked import ForkedKernel
from grader.kernel.run import Run, process_limits, run_notebook
from grader.kernel.zygotes import Zygote
from tests.kernel.notebooks import GENEROUS, SECRET, Execute, notebook_of


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    os.environ[SECRET] = f"{SECRET} of the grader"
    with Zygote() as zygote:
        yield zygote
    del os.environ[SECRET]


@pytest.fixture
def execute(zygote: Zygote) -> Iterator[Execute]:
    """Run cells in a child of the zygote; the runs are closed behind the test."""
    runs: list[Run] = []

    def execute(
        *sources: str | NotebookNode,
        files: dict[PurePosixPath, bytes] | None = None,
        seed: int = 0,
        **limits: float,
    ) -> Run:
        allowed = msgspec.structs.replace(GENEROUS, **limits)

        def start() -> ForkedKernel:
            child = zygote.start_child(
                process_limits(allowed),
                files=files,
                seed=seed,
                output_bytes=allowed.output_kb << 10,
                message_bytes=allowed.message_mb << 20,
            )
            return ForkedKernel(child, allowed.output_kb << 10)

        runs.append(run_notebook(notebook_of(*sources), start, allowed))
        return runs[-1]

    yield execute
    for run in runs:
        run.close()
