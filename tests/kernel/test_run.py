"""Notebooks as students write them, and what they do to themselves, in a real forked kernel."""

from __future__ import annotations

import base64
import os
import re
import signal
import threading
import time
from pathlib import PurePosixPath

import pytest
from nbformat import v4

from grader.kernel import processes, run
from grader.kernel.caged.confine import Limits
from grader.kernel.forked import ForkedKernel
from grader.kernel.probe import Died
from grader.kernel.run import CellRun, process_limits
from grader.kernel.zygotes import Child, Zygote
from tests.kernel.notebooks import (
    GENEROUS,
    Execute,
    notebook_of,
    printed,
    statuses,
    text_of,
)

# -- cells that end -------------------------------------------------------------------


def test_cells_run_in_order_and_share_their_names(execute: Execute) -> None:
    run = execute("x = 20", "def f(y):\n    return x + y", "print(f(1))\nf(2)")
    assert statuses(run) == ["ok"] * 3
    assert [cell.count for cell in run.cells] == [1, 2, 3]
    stream, result = run.notebook.cells[2].outputs
    assert stream.text == "21\n"
    assert result.data == {"text/plain": "22"}
    assert result.execution_count == 3


def test_an_exception_is_that_cells_error_and_the_next_cell_runs(execute: Execute) -> None:
    run = execute("def half(x):\n    return x / 0", "half(1)", "print('next')", "def broken(:")
    assert statuses(run) == ["ok", "error", "ok", "error"]
    assert run.cells[1].error == "ZeroDivisionError: division by zero"
    output = run.notebook.cells[1].outputs[-1]
    assert (output.output_type, output.ename) == ("error", "ZeroDivisionError")
    assert "half" in "\n".join(output.traceback)
    assert "\x1b" not in "\n".join(output.traceback)
    assert printed(run, 2) == "next\n"
    assert (run.cells[3].error or "").startswith("SyntaxError")


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import sys; sys.exit()", "SystemExit: "),
        ("raise KeyboardInterrupt", "KeyboardInterrupt: "),
        ("class Odd(BaseException): pass\nraise Odd('so')", "Odd: so"),
        ("class E(Exception):\n    def __str__(self): raise E\nraise E", "E: "),
        ("raise ValueError('\\ud800')", "ValueError: ?"),
        ("import signal, os; os.kill(os.getpid(), signal.SIGINT)", "KeyboardInterrupt: "),
        ("breakpoint()", "StdinNotImplementedError: "),
        ("def f(): return f()\nf()", "RecursionError: "),
    ],
)
def test_whatever_a_cell_raises_is_its_error(execute: Execute, source: str, error: str) -> None:
    run = execute(source, "print('on')")
    assert statuses(run) == ["error", "ok"]
    assert (run.cells[0].error or "").startswith(error)
    assert printed(run) == "on\n"


def test_magics_displays_shell_commands_and_await_work(execute: Execute) -> None:
    run = execute(
        "%time sum(range(10))",
        "%%time\nx = 5",
        "%timeit -n1 -r1 pass",
        "%%writefile note.txt\nsalaam",
        "!cat note.txt",
        "found = !ls\nprint(list(found))",
        "%%bash\necho from bash\nexit 0",
        "%%capture held\nprint('held')",
        "print(held.stdout)",
        "import asyncio\nasync def g():\n    await asyncio.sleep(0)\n    return 'awaited'",
        "await g()",
        "from IPython.display import HTML, Markdown, display\ndisplay(HTML('<b>x</b>'))\nMarkdown('*m*')",
        "%%bash\nexit 3",
        "%no_such_magic",
    )
    assert statuses(run) == ["ok"] * 12 + ["error"] * 2
    cells = run.notebook.cells
    assert "Wall time" in text_of(cells[1])
    assert "loop" in text_of(cells[2])
    assert text_of(cells[4]) == "salaam\n"
    assert text_of(cells[5]) == "['note.txt']\n"
    assert text_of(cells[6]) == "from bash\n"
    assert text_of(cells[8]) == "held\n\n"
    assert cells[10].outputs[0].data["text/plain"] == "'awaited'"
    assert cells[11].outputs[0].data["text/html"] == "<b>x</b>"
    assert cells[11].outputs[1].data["text/markdown"] == "*m*"
    assert "CalledProcessError" in (run.cells[12].error or "")
    assert "UsageError" in text_of(cells[13]) or "UsageError" in (run.cells[13].error or "")


def test_a_shell_command_waits_for_no_program_that_has_ended(execute: Execute) -> None:
    run = execute(
        "import time\nslept, usual = [], time.sleep\n"
        "def sleep(seconds):\n    slept.append(seconds)\n    usual(seconds)\n"
        "time.sleep = sleep",
        "!echo here; exit 3",
        "print(_exit_code, max(slept) < 0.1)",
    )
    assert [cell.outputs[0].text for cell in run.notebook.cells[1:]] == ["here\n", "3 True\n"]


def test_figures_arrive_as_pictures(execute: Execute) -> None:
    run = execute(
        "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])",
        "%matplotlib inline\nfig, ax = plt.subplots()\nax.set_title('عنوان')\nplt.show()\nprint('behind')",
    )
    assert statuses(run) == ["ok", "ok"]
    for cell in run.notebook.cells:
        pictures = [o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", {})]
        assert len(pictures) == 1
        assert base64.b64decode(pictures[0]).startswith(b"\x89PNG")


@pytest.mark.parametrize("source", ["input('n? ')", "import getpass\ngetpass.getpass()"])
def test_input_is_an_error_that_says_so(execute: Execute, source: str) -> None:
    run = execute(source)
    assert statuses(run) == ["error"]
    assert "nobody is there to answer" in (run.cells[0].error or "")


def test_a_display_is_updated_from_a_later_cell(execute: Execute) -> None:
    run = execute(
        "print('a')\nh = display('old', display_id=True)\nprint('b')\nprint('c')",
        "h.update('new')",
        "from IPython.display import clear_output\nprint('gone')\nclear_output(wait=True)\nprint('kept')",
    )
    assert statuses(run) == ["ok"] * 3
    stream, shown = run.notebook.cells[0].outputs
    assert stream.text == "a\nb\nc\n"
    assert shown.data["text/plain"] == "'new'"
    assert printed(run, 2) == "kept\n"


def test_what_other_processes_and_c_code_write_is_kept(execute: Execute) -> None:
    run = execute(
        "import ctypes, os, sys, subprocess\n"
        "os.write(1, b'one\\n')\n"
        "subprocess.run(['sh', '-c', 'echo two; echo three >&2'])\n"
        "libc = ctypes.CDLL(None); libc.puts(b'four'); libc.fflush(None)\n",
        "import multiprocessing as mp\n"
        "p = mp.get_context('fork').Process(target=print, args=('five',)); p.start(); p.join()",
    )
    assert printed(run, 0).split() == ["one", "two", "four", "three"]
    assert printed(run, 1) == "five\n"


def test_a_progress_bar_leaves_its_last_line(execute: Execute) -> None:
    run = execute(
        "import sys\nfor i in range(5000):\n    print(f'\\r{i} of 5000', end='', flush=True)\nprint()",
        "print('x' * 300_000)",
    )
    assert printed(run, 0) == "4999 of 5000\n"
    assert printed(run, 1) == "x" * 300_000 + "\n"
    assert not run.cells[0].truncated


def test_texts_that_are_no_unicode_are_shown_as_far_as_they_can_be(execute: Execute) -> None:
    run = execute("print('\\ud83d', 'سلام')", "'\\udc80'", "{'n': 1 << 100}")
    assert statuses(run) == ["ok"] * 3
    assert "سلام" in printed(run, 0)


def test_cells_that_are_empty_or_tagged_for_others_are_no_trouble(execute: Execute) -> None:
    tagged = v4.new_code_cell("y = 7", metadata={"tags": ["skip-execution", "raises-exception"]})
    run = execute("", "  \n", "x = 1", tagged, "# a comment", "print(y)")
    assert statuses(run) == ["ok"] * 6
    assert [cell.count for cell in run.cells] == [None, None, 1, 2, 3, 4]
    assert printed(run) == "7\n"


def test_recorded_cells_keep_their_outputs_and_do_not_run(execute: Execute) -> None:
    saved = v4.new_output("stream", name="stdout", text="epoch 1\repoch 9: 0.98\n")
    train = v4.new_code_cell(
        "trained = True", metadata={"tags": ["recorded"]}, outputs=[saved], execution_count=42
    )
    stale = v4.new_code_cell("print('new')", outputs=[saved])
    run = execute(train, stale, "print('trained' in dir())")
    assert statuses(run) == ["recorded", "ok", "ok"]
    assert run.notebook.cells[0].outputs == [saved]
    assert run.notebook.cells[0].execution_count == 42
    assert printed(run, 1) == "new\n"
    assert printed(run, 2) == "False\n"


def test_the_same_seed_gives_the_same_numbers(execute: Execute) -> None:
    draw = "import random, numpy as np, torch\nprint(random.random(), np.random.rand(), torch.rand(1).item())"
    first, again, other = (printed(execute(draw, seed=seed)) for seed in (5, 5, 6))
    assert first == again
    assert all(a != b for a, b in zip(first.split(), other.split(), strict=True))


def test_files_handed_in_are_there_and_the_scratch_folder_is_writable(execute: Execute) -> None:
    files = {PurePosixPath("data/points.csv"): b"1,2\n3,4\n", PurePosixPath("نام.txt"): b"x"}
    run = execute(
        "import numpy as np, os, tempfile, pathlib\n"
        "print(np.loadtxt('data/points.csv', delimiter=',').sum(), sorted(os.listdir()))",
        "np.save('data/out.npy', np.ones(3)); os.mkdir('new')\n"
        "with open('data/points.csv', 'a') as f: f.write('5,6')\n"
        "tempfile.NamedTemporaryFile().write(b'x'); (pathlib.Path.home() / 'h').touch()\n"
        "print(np.load('data/out.npy').sum(), pathlib.Path.home() == pathlib.Path.cwd())",
        files=files,
    )
    assert printed(run, 0) == "10.0 ['data', 'نام.txt']\n"
    assert printed(run, 1) == "3.0 True\n"


def test_a_file_with_a_name_that_leads_out_is_refused(zygote: Zygote) -> None:
    for name in ("../up.txt", "/etc/abs.txt"):
        with pytest.raises(ValueError, match="outside"):
            zygote.start_child(Limits(512, 8, 8, 32), files={PurePosixPath(name): b""})


# -- cells that do not end, or end everything -----------------------------------------

LOOPS = {
    "an endless loop": "while True: pass",
    "one that will not be interrupted": (
        "import signal, time\n"
        "for s in (signal.SIGINT, signal.SIGTERM): signal.signal(s, signal.SIG_IGN)\n"
        "while True:\n"
        "    try:\n"
        "        while True: time.sleep(0.01)\n"
        "    except BaseException: pass"
    ),
    "sleep": "import time; time.sleep(10_000)",
    "a child that does not end": "!sleep 10000",
    "await": "import asyncio\nawait asyncio.sleep(10_000)",
}


@pytest.mark.parametrize("source", LOOPS.values(), ids=LOOPS)
def test_a_cell_that_does_not_end_costs_its_own_names(execute: Execute, source: str) -> None:
    run = execute("x = 1", f"print('before')\ny = 2\n{source}\nz = 3", "w = x + 1", cell_seconds=1)
    assert statuses(run) == ["ok", "timeout", "ok"]
    assert run.cells[1].reason == "cell-timeout"
    assert printed(run, 1) == "before\n"
    assert run.replays == 1
    assert [cell.count for cell in run.cells] == [1, None, 2]
    with run.probe() as probe:
        assert probe.variables() == {"x": 1, "w": 2}


DEATHS = {
    "os._exit": ("import os; os._exit(3)", "exit", 3),
    "os._exit(0)": ("import os; os._exit(0)", "exit", 0),
    "segmentation fault": ("import ctypes; ctypes.string_at(0)", "signal", 11),
    "stack of C": ("import ctypes; ctypes.CDLL(None).abort()", "signal", None),
    "closed descriptors": ("import os; os.closerange(0, 100)\nwhile True: pass", "signal", None),
}


@pytest.mark.parametrize(("source", "reason", "detail"), DEATHS.values(), ids=DEATHS)
def test_a_cell_that_kills_its_process_costs_its_own_names(
    execute: Execute, source: str, reason: str, detail: int | None
) -> None:
    run = execute("x = [1]", f"x.append(2); y = 2\n{source}", "print(x)", "raise ValueError(1)")
    assert statuses(run) == ["ok", "died", "ok", "error"]
    died = run.cells[1]
    assert died.reason == reason
    assert died.detail == detail or detail is None
    assert printed(run, 2) == "[1]\n"
    assert run.cell_of_count(2) == 2
    with run.probe() as probe:
        assert probe.variables() == {"x": [1]}


def test_cells_that_died_before_stay_left_out(execute: Execute) -> None:
    run = execute(
        "a = 1", "import os; os._exit(1)", "b = a + 1", "os._exit(1)", "1 / 0", "c = b + 1"
    )
    assert statuses(run) == ["ok", "died", "ok", "error", "error", "ok"]
    run = execute("a = 1", "import os\nos._exit(1)", "import os\nb = 2", "os._exit(2)", "c = a + b")
    assert statuses(run) == ["ok", "died", "ok", "died", "ok"]
    assert run.replays == 2
    with run.probe() as probe:
        assert probe.variables() == {"a": 1, "b": 2, "c": 3}


def test_a_cell_that_dies_only_when_it_is_run_again_is_left_out_too(execute: Execute) -> None:
    # A replay runs in another process: the first cell sees that by the clock it left... in a name.
    moody = "import os, time\nif time.monotonic() - START > 1.5: os._exit(7)\nm = 1"
    start = f"START = {time.monotonic()!r}"
    run = execute(start, "s = 5", moody, "import time\ntime.sleep(100)", "t = s", cell_seconds=3)
    assert statuses(run) == ["ok", "ok", "died", "timeout", "ok"]
    assert run.cells[2].detail == 7
    assert run.replays == 2
    with run.probe() as probe:
        assert {"s": 5, "t": 5}.items() <= probe.variables().items()


BUSY = (
    "import time\nstarted = time.process_time()\nwhile time.process_time() - started < {}: pass\n"
)


@pytest.mark.parametrize("endless", ["while True: pass", "time.sleep(100)"])
def test_when_the_time_of_the_submission_is_over_the_rest_is_skipped(
    execute: Execute, endless: str
) -> None:
    run = execute(
        BUSY.format(0.3) + "x = 1",
        "y = 2",
        BUSY.format(0.3) + endless,
        "z = 3",
        "w = 4",
        submission_seconds=0.9,
    )
    assert statuses(run) == ["ok", "ok", "timeout", "skipped", "skipped"]
    assert [cell.reason for cell in run.cells[2:]] == ["submission-timeout"] * 3
    with run.probe() as probe:  # what was right before keeps its points
        assert {"x": 1, "y": 2}.items() <= probe.variables().items()


def test_when_the_time_for_replays_is_over_their_cells_are_left_out(execute: Execute) -> None:
    slow, die = BUSY.format(0.5), "import os\nos._exit(1)"
    run = execute(slow + "a = 1", die, slow + "b = 1", die, "c = 1", submission_seconds=1.2)
    assert statuses(run)[0] == "timeout"
    assert statuses(run)[2] in ("timeout", "skipped")
    assert {run.cells[0].reason, run.cells[2].reason} == {"submission-timeout"}


def test_a_cell_is_charged_for_what_it_computes_not_for_what_it_waits(execute: Execute) -> None:
    waits = "import time\ntime.sleep(1.2)\nx = 1"
    computes = "while True: pass"
    many = (
        "import multiprocessing as mp\ndef burn():\n    while True: pass\n"
        "ps = [mp.Process(target=burn) for _ in range(3)]\n[p.start() for p in ps]\n[p.join() for p in ps]"
    )
    run = execute(waits, computes, many, "y = x", cell_seconds=0.6)
    assert statuses(run) == ["ok", "timeout", "timeout", "ok"]
    assert run.cells[0].seconds > 1.2
    assert [cell.reason for cell in run.cells[1:3]] == ["cell-timeout"] * 2


def reason_of(run_cell: CellRun) -> tuple[str, str | None]:
    return run_cell.status, run_cell.reason


HOGS = {
    "one process": "blocks = []\nwhile True: blocks.append(bytearray(b'x') * (10 << 20))",
    "numpy": "import numpy as np\nnp.ones((60_000, 60_000))",
    "torch": "import torch\ntorch.ones(60_000, 60_000)",
}


@pytest.mark.parametrize("source", HOGS.values(), ids=HOGS)
def test_one_process_that_wants_too_much_memory_gets_an_error(
    execute: Execute, source: str
) -> None:
    run = execute("x = 1", source, "print(x)", memory_mb=512)
    assert statuses(run) == ["ok", "error", "ok"]
    assert re.match("MemoryError|.*MemoryError|RuntimeError", run.cells[1].error or "")


MANY = """
import os, time, mmap
for _ in range(4):
    if os.fork() == 0:
        held = {hold}
        time.sleep(1000)
time.sleep(1000)
"""


@pytest.mark.parametrize(
    "hold",
    ["b'x' * (200 << 20)", "mmap.mmap(-1, 200 << 20); held.write(b'x' * (200 << 20))"],
    ids=["private", "shared"],
)
def test_processes_that_want_too_much_memory_together_are_ended(
    execute: Execute, hold: str
) -> None:
    run = execute("x = 1", MANY.format(hold=hold), "print(x)", memory_mb=512)
    assert [reason_of(cell) for cell in run.cells] == [
        ("ok", None),
        ("died", "memory"),
        ("ok", None),
    ]


@pytest.mark.parametrize(("kills_since_boot", "reason"), [([3, 4], "memory"), ([3, 3], "signal")])
def test_a_process_that_the_machine_ended_for_want_of_memory_says_so(
    zygote: Zygote,
    monkeypatch: pytest.MonkeyPatch,
    kills_since_boot: list[int],
    reason: str,
) -> None:
    """Nothing in a notebook can send SIGKILL to its own process: the kernel of the machine does."""
    children: list[Child] = []

    def start() -> ForkedKernel:
        children.append(zygote.start_child(process_limits(GENEROUS)))
        return ForkedKernel(children[-1], 1 << 20)

    def kill() -> None:
        while not (children and processes.descendants(children[0].pid)):  # the cell has begun
            time.sleep(0.01)
        os.kill(children[0].pid, signal.SIGKILL)

    counts = iter(kills_since_boot)
    monkeypatch.setattr(run, "out_of_memory_kills", lambda: next(counts))
    killer = threading.Thread(target=kill)
    killer.start()
    cell = notebook_of("import subprocess\nsubprocess.run(['sleep', '1000'])")
    with run.run_notebook(cell, start, GENEROUS) as done:
        assert [reason_of(cell) for cell in done.cells] == [("died", reason)]
        assert done.cells[0].detail is None
    killer.join()


def test_pages_that_forks_share_are_counted_once(execute: Execute) -> None:
    """Each of nine workers maps all that the libraries hold: none of them holds it."""
    run = execute(
        "import multiprocessing as mp, time\nx = b'x' * (100 << 20)\n"
        "with mp.get_context('fork').Pool(8) as pool:\n"
        "    print(pool.map(abs, range(8)), flush=True)\n    time.sleep(1)",
        memory_mb=512,
    )
    assert statuses(run) == ["ok"]
    assert printed(run) == "[0, 1, 2, 3, 4, 5, 6, 7]\n"


def test_memory_that_belongs_to_no_process_cannot_be_had(execute: Execute) -> None:
    run = execute(
        "import os\nos.memfd_create('x')",
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "print(libc.shmget(0, 1 << 20, 0o1600), ctypes.get_errno())",
        "with open('/dev/shm/x', 'wb') as f:\n    while True: f.write(bytes(1 << 20))",
        "import shutil, os\nfor n in range(100): shutil.copy('/dev/shm/x', f'/dev/shm/{n}')",
        file_mb=16,
    )
    assert (run.cells[0].error or "").startswith("PermissionError")
    assert printed(run, 1) == "-1 1\n"
    assert "File too large" in (run.cells[2].error or "")
    assert "No space left" in (run.cells[3].error or "")


FLOODS = {
    "prints": "while True: print('x' * 1000)",
    "displays": "from IPython.display import display\nwhile True: display('x' * 1000)",
    "frames on the channel": (
        "import socket, os\n"
        "ours = [s for s in map(int, os.listdir('/proc/self/fd')) if s > 2\n"
        "        and os.path.exists(f'/proc/self/fd/{s}') and 'socket' in os.readlink(f'/proc/self/fd/{s}')]\n"
        "for s in ours:\n"
        "    try:\n"
        "        sock = socket.socket(fileno=os.dup(s)); sock.setblocking(True)\n"
        "        while True: sock.sendall(b'\\0' * 7 + b'\\1x' * 1000)\n"
        "    except OSError: pass\n"
    ),
}


def test_output_past_the_budget_is_cut_and_said(execute: Execute) -> None:
    run = execute(
        "for i in range(100_000): print('x' * 100)\nprint('last')\n1 / 0",
        "print('next')",
        "from IPython.display import display\nfor i in range(20_000): display(i)",
        output_kb=64,
    )
    assert statuses(run) == ["error", "ok", "ok"]
    assert [cell.truncated for cell in run.cells] == [True, False, True]
    assert run.cells[0].error == "ZeroDivisionError: division by zero"
    text, error = run.notebook.cells[0].outputs
    assert 60_000 < len(text.text) <= 64 << 10
    assert error.ename == "ZeroDivisionError"
    assert printed(run, 1) == "next\n"
    assert len(run.notebook.cells[2].outputs) <= 257


UPDATE = "from IPython.display import update_display\nupdate_display('z', display_id='d')"


def test_output_of_very_many_cells_is_cut_too(execute: Execute) -> None:
    cells = ["print('x' * 60_000)\ndisplay('y' * 5000, display_id='d')"] * 40
    run = execute(*cells, UPDATE, "1 / 0", output_kb=64)
    assert statuses(run) == ["ok"] * 41 + ["error"]
    assert not run.cells[20].truncated
    assert run.cells[39].truncated
    kept = sum(len(text_of(cell)) for cell in run.notebook.cells)
    assert kept <= 32 << 16
    assert run.notebook.cells[41].outputs[0].ename == "ZeroDivisionError"


@pytest.mark.parametrize("source", FLOODS.values(), ids=FLOODS)
def test_an_endless_flood_ends(execute: Execute, source: str) -> None:
    run = execute("x = 1", source, "print(x)", output_kb=64, cell_seconds=3)
    assert statuses(run)[0::2] == ["ok", "ok"]
    assert reason_of(run.cells[1]) in [("timeout", "cell-timeout"), ("died", "flood")]
    assert sum(len(str(output)) for output in run.notebook.cells[1].outputs) < 4 << 20
    assert printed(run) == "1\n"


FORGED = """
import msgspec, os, socket
enc = msgspec.msgpack.encode
def send(*parts):
    frame = enc(list(parts))
    sock.sendall(len(frame).to_bytes(8, "big") + frame)
for s in map(int, os.listdir('/proc/self/fd')):
    try: found = socket.socket(fileno=os.dup(s))
    except OSError: continue
    if found.family == socket.AF_UNIX and found.getpeername() == "":
        try: found.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        except OSError: continue
        sock = found
        try:
            {messages}
        except OSError: pass
"""
MESSAGES = [
    "'publish', 'stream', {'name': 'x', 'text': 'a'}",
    "'publish', 'stream', {'name': 'stdout', 'text': 5}",
    "'publish', 'execute_result', {'data': 3}",
    "'publish', 'display_data', {'data': {'text/plain': msgspec.msgpack.Ext(5, b'x')}}",
    "'publish', 'display_data', {'data': {'text/plain': 'a'}, 'transient': None}",
    "'publish', 'display_data', {'data': {'text/plain': 'a'}, 'transient': {'display_id': []}}",
    "'publish', 'display_data', {'data': {'application/json': {1: 2}}}",
    "'publish', 'update_display_data', {'data': {'text/plain': 'a'}, 'transient': {'display_id': 'q'}}",
    "'publish', 'error', {'ename': 'E', 'evalue': 'v', 'traceback': 'none'}",
    "'publish', 'execute_reply', {'status': 'ok', 'execution_count': 1}",
    "'publish', 'status', {'execution_state': 'idle'}",
    "'publish', 'comm_open', {'comm_id': 'x', 'target_name': 'jupyter.widget', 'data': {}}",
    "'reply', 'stream', {'name': 'stdout', 'text': 'a'}",
    "'reply', 'execute_reply', {'status': 'odd', 'execution_count': 'x'}",
    "1, 2, 3",
    "'publish'",
]


def test_messages_that_are_none_are_dropped(execute: Execute) -> None:
    sends = "\n            ".join(f"send({message})" for message in MESSAGES)
    run = execute(FORGED.replace("{messages}", sends), "print('on')")
    assert statuses(run) == ["ok", "ok"]
    assert printed(run) == "on\n"


def test_a_process_left_running_disturbs_nobody(execute: Execute) -> None:
    run = execute(
        "import os, time\nif os.fork() == 0:\n    while True: time.sleep(0.05); print('noise')",
        "if os.fork() == 0:\n    raise SystemExit\nprint('parent')",
        "if os.fork() == 0:\n    x = 'child'\nelse:\n    x = 'parent'",
        "print(x, os.getpid())",
    )
    assert statuses(run) == ["ok"] * 4
    assert "parent 1\n" in printed(run)
    with run.probe() as probe:
        assert probe.variables()["x"] == "parent"


def test_threads_that_print_do_not_garble_the_channel(execute: Execute) -> None:
    run = execute(
        "import threading\n"
        "def work(n):\n    for _ in range(300): print(str(n) * 500)\n"
        "ts = [threading.Thread(target=work, args=(n,)) for n in range(8)]\n"
        "[t.start() for t in ts]; [t.join() for t in ts]",
        "print('done')",
        output_kb=4096,
    )
    assert statuses(run) == ["ok", "ok"]
    assert printed(run) == "done\n"
    assert len(printed(run, 0)) > 1_200_000


def test_honest_tools_work(execute: Execute) -> None:
    run = execute(
        "import torch\nfrom torch.utils.data import DataLoader, TensorDataset\n"
        "data = TensorDataset(torch.arange(20.0))\n"
        "print(sum(float(b[0].sum()) for b in DataLoader(data, batch_size=4, num_workers=2)))",
        "from concurrent.futures import ThreadPoolExecutor\n"
        "print(list(ThreadPoolExecutor(2).map(abs, [-1, -2])))",
        "import ctypes\nT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)\nprint(T(lambda x: x + 1)(3))",
        "m = torch.nn.Linear(2, 1); torch.save(m.state_dict(), 'm.pt')\n"
        "m.load_state_dict(torch.load('m.pt')); loss = m(torch.ones(1, 2)).sum(); loss.backward()\n"
        "print(m.weight.grad.tolist())",
        "import socket; print(socket.gethostname() != '', socket.getaddrinfo('localhost', 80) != [])",
    )
    assert statuses(run) == ["ok"] * 5, [cell.error for cell in run.cells]
    assert [printed(run, n) for n in range(4)] == ["190.0\n", "[1, 2]\n", "4\n", "[[1.0, 1.0]]\n"]


def test_a_run_that_was_closed_answers_no_more(execute: Execute) -> None:
    run = execute("x = 1")
    run.close()
    run.close()
    with pytest.raises(Died):
        run.probe()
