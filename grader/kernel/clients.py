"""jupyter_client's client for nbclient, over a kernel that is not trusted: what it sends is checked."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from jupyter_client.asynchronous.client import AsyncKernelClient

from grader.kernel.messages import OutputFlood, checked_content, flood_limits

_size = msgspec.msgpack.Encoder(enc_hook=repr).encode


class WatchedKernel(Protocol):
    """What a client tells of its kernel, and does to it."""

    truncated: bool
    reply: Mapping[str, Any]
    output_bytes: int

    def kill(self) -> None: ...


class WatchedClient(AsyncKernelClient):
    """jupyter_client's own client, for a process that it did not start."""

    process: subprocess.Popen[bytes]

    async def is_alive(self) -> bool:
        return self.process.poll() is None


class CheckedClient:
    """jupyter_client's client for nbclient, with what the kernel sends checked."""

    def __init__(self, client: WatchedClient, kernel: WatchedKernel) -> None:
        self._client = client
        self._kernel = kernel
        self.allow_stdin = False
        self.shell_channel = _Replies(client.shell_channel, kernel)
        self.iopub_channel = _Publications(client.iopub_channel, kernel)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def execute(self, code: str, **options: Any) -> str:
        self._kernel.truncated = False
        self._kernel.reply = {}
        self.iopub_channel.start_cell()
        request: str = self._client.execute(code, **options)
        return request


class _Replies:
    def __init__(self, channel: Any, kernel: WatchedKernel) -> None:
        self._channel = channel
        self._kernel = kernel

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
        message: dict[str, Any] = await self._channel.get_msg(timeout=timeout)
        with contextlib.suppress(ValueError):
            message["content"] = checked_content("execute_reply", message["content"])
            self._kernel.reply = message["content"]
        return message


class _Publications:
    def __init__(self, channel: Any, kernel: WatchedKernel) -> None:
        self._channel = channel
        self._kernel = kernel
        self.start_cell()

    def start_cell(self) -> None:
        self._bytes, self._messages = flood_limits(self._kernel.output_bytes)

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
        while True:
            message: dict[str, Any] = await self._channel.get_msg(timeout=timeout)
            kind, content = message["msg_type"], message["content"]
            if kind == "status":
                return message
            if kind == "truncated":
                self._kernel.truncated = True
                continue
            self._bytes -= len(_size(content))
            self._messages -= 1
            if self._bytes < 0 or self._messages < 0:
                self._kernel.kill()
                raise OutputFlood("the cell wrote more than it may")
            with contextlib.suppress(ValueError):
                message["content"] = checked_content(kind, content)
                return message
