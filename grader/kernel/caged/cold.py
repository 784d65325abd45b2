"""A standard ipykernel in the cage: started afresh for one submission.

The slow kernel, for other environments and to prove that the fast one gives
equal results. Cells run as in any Jupyter server; for a question the grader
has the kernel fork, and the fork answers on a socket of its own.
"""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import sys
from typing import Any

import msgspec

from . import agent, confine
from .budget import OUTPUTS, Budget
from .libraries import import_libraries
from .shell import compute_alone, prepare, refuse_input, seed_everything
from .zygote import warm_networks

CHANNEL = "/channel"
"""Folder of the connection file and the kernel's sockets, shared with the grader."""
QUESTIONS = "/questions"
"""Folder of the sockets on which the grader waits for a fork to answer it."""


class _State:
    """What a fork needs of the kernel that it came from."""

    hidden: frozenset[str] = frozenset()
    seed = 0
    message_bytes = 0


def main(arguments: list[str]) -> None:
    """Confine this process and be an ipykernel: CONNECTION_FILE LIMITS STAGE NAMESPACES."""
    connection_file, limits_text, stage, namespaces = arguments
    limits = msgspec.json.decode(limits_text, type=confine.Limits)
    channel = os.path.dirname(connection_file)
    report = os.open(os.path.join(channel, "layers.json"), os.O_WRONLY | os.O_CREAT, 0o644)
    layers = confine.shut_in(limits, stage or None, namespaces=namespaces == "yes", channel=channel)
    os.write(report, msgspec.json.encode(layers))
    os.close(report)
    if namespaces == "yes":
        os.chdir(confine.SCRATCH)
    sys.path.insert(0, "")
    from ipykernel.kernelapp import launch_new_instance

    launch_new_instance(
        [
            f"--IPKernelApp.connection_file={connection_file}",
            "--HistoryManager.enabled=False",
            "--InteractiveShell.colors=nocolor",
            "--IPKernelApp.parent_handle=0",
        ]
    )


def start(shell: Any, seed: int, message_bytes: int, output_bytes: int) -> None:
    """Bring the kernel into the state that a forked child begins with."""
    prepare(shell)
    # ipykernel puts these in the place of `input` and `getpass` for each cell.
    shell.kernel.raw_input = shell.kernel.getpass = refuse_input
    _limit_outputs(shell.kernel.session, Budget(output_bytes))
    import_libraries()
    warm_networks(shell)
    _State.hidden = frozenset(shell.user_ns)
    _State.seed, _State.message_bytes = seed, message_bytes
    seed_everything(seed)


def _limit_outputs(session: Any, budget: Budget) -> None:
    """Have what a cell publishes pass through its budget."""
    send = session.send

    def send_admitted(
        stream: Any, msg_or_type: Any, content: Any = None, *rest: Any, **options: Any
    ) -> Any:
        made = isinstance(msg_or_type, dict)
        kind = msg_or_type["msg_type"] if made else msg_or_type
        if kind == "execute_input":
            budget.start_cell()
        if kind not in OUTPUTS:
            return send(stream, msg_or_type, content, *rest, **options)
        admitted = budget.admit(kind, (msg_or_type["content"] if made else content) or {})
        if budget.just_spent():
            send(stream, "truncated", {}, *rest, **options)
        if admitted is None:
            return None
        if made:
            return send(stream, {**msg_or_type, "content": admitted}, *rest, **options)
        return send(stream, kind, admitted, *rest, **options)

    session.send = send_admitted


def fork_probe(shell: Any, path: str) -> None:
    """Fork; the child answers questions on the unix socket at `path`."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    if os.fork():
        return
    try:
        gc.disable()
        compute_alone()
        with socket.socket(socket.AF_UNIX) as channel:
            channel.connect(path)
            agent.serve(
                channel,
                shell.user_ns,
                _State.message_bytes,
                _State.hidden,
                dict(shell.compile._filename_map),
                lambda: seed_everything(_State.seed),
            )
    finally:
        os._exit(0)
