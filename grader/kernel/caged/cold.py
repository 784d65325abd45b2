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
from .shell import prepare, seed_everything
from .wire import send_frame

CHANNEL = "/channel"
"""Folder of the connection file and the sockets, shared with the grader."""


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
    layers = confine.shut_in(
        limits, stage or None, namespaces=namespaces == "yes", writable=[channel]
    )
    with open(os.path.join(channel, "layers.json"), "wb") as file:
        file.write(msgspec.json.encode(layers))
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


def start(shell: Any, seed: int, message_bytes: int) -> None:
    """Bring the kernel into the state that a forked child begins with."""
    prepare(shell)
    with contextlib.suppress(ImportError):
        import torch

        torch.set_num_threads(1)
    _State.hidden = frozenset(shell.user_ns)
    _State.seed, _State.message_bytes = seed, message_bytes
    seed_everything(seed)


def fork_probe(shell: Any, path: str) -> None:
    """Fork; the child answers questions on the unix socket at `path`."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    if os.fork():
        return
    try:
        gc.disable()
        with socket.socket(socket.AF_UNIX) as channel:
            channel.connect(path)
            send_frame(channel, b"", [os.pidfd_open(os.getpid())])
            seed_everything(_State.seed)
            agent.serve(
                channel,
                shell.user_ns,
                _State.message_bytes,
                _State.hidden,
                dict(shell.compile._filename_map),
            )
    finally:
        os._exit(0)
