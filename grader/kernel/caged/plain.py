"""The kernel's side of a plain run: a standard ipykernel, anywhere, that answers where it stands.

Where the machine can fork, a fork answers, so that no question disturbs the next; elsewhere the
kernel itself does, one question after another.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import socket
from typing import Any

from . import agent
from .frames import Closed, receive_frame, send_frame
from .libraries import import_libraries
from .shell import compute_alone, prepare, refuse_input, seed_everything
from .wire import unpack


class _State:
    """What an answer needs of the start."""

    hidden: frozenset[str] = frozenset()
    seed = 0
    message_bytes = 0


def start(shell: Any, seed: int, message_bytes: int) -> None:
    """Bring the kernel into the state in which the first cell finds it."""
    prepare(shell)
    shell.kernel.raw_input = shell.kernel.getpass = refuse_input
    import_libraries()
    _State.hidden = frozenset(shell.user_ns)
    _State.seed, _State.message_bytes = seed, message_bytes
    seed_everything(seed)


def answer(shell: Any, port: int, token: str) -> None:
    """Answer questions on a socket to this machine's `port`, having shown the `token`."""
    cells = dict(shell.compile._filename_map)
    forks = hasattr(os, "fork")
    if forks:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if os.fork():
            return
    try:
        with socket.create_connection(("127.0.0.1", port)) as channel:
            send_frame(channel, token.encode())
            if forks:
                gc.disable()
                compute_alone()
                agent.serve(
                    channel,
                    shell.user_ns,
                    _State.message_bytes,
                    _State.hidden,
                    cells,
                    lambda: seed_everything(_State.seed),
                )
            else:
                _serve_here(channel, shell, cells)
    finally:
        if forks:
            os._exit(0)


def _serve_here(channel: socket.socket, shell: Any, cells: dict[str, int]) -> None:
    answering = agent.Agent(
        dict(shell.user_ns),
        _State.message_bytes,
        _State.hidden,
        cells,
        lambda: seed_everything(_State.seed),
        agent.Line(channel, _State.message_bytes),
    )
    said = io.StringIO()  # what functions print is no answer
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        answering.begin({})
        while True:
            try:
                payload, _ = receive_frame(channel, agent.REQUEST_BYTES)
                question = unpack(payload, tensor=agent.torch_tensor)
                send_frame(channel, answering.answer(question))
            except Closed:
                return
