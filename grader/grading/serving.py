"""Workers that stay warm between commands: ``grader serve`` keeps them, ``grader grade`` finds them.

The server holds ordinary local workers and listens on a socket in a folder that only its user can
enter, for what passes there is pickled. Before each batch it looks whether what its workers hold
(checks, reference, texts, limits) is still what stands on the disk, and starts them
afresh if not; it refuses a command of another engine, or with other packages, than its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from functools import partial
from multiprocessing.connection import Client, Connection, Listener
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import msgspec

from grader.course.assignment import read_assignment
from grader.course.course import read_course
from grader.grading import worker
from grader.grading.executor import LocalWorkers
from grader.grading.material import engine_hash, environment_hash, material_of
from grader.grading.records import Made, Settings

P = ParamSpec("P")
T = TypeVar("T")
_LONGEST_ADDRESS = 100
_MOST_WAITING = 64
"""Commands that may knock at one time; a further one would be kept waiting by the kernel."""
_HANG_UP_SECONDS = 2.0
"""How long a command may take to be gone when the next one is there."""
_CALLS: dict[str, Callable[..., Made]] = {
    "grade_one": worker.grade_one,
    "regrade_one": worker.regrade_one,
    "give_up": worker.give_up,
}
"""What a command may have done."""


class NotServed(RuntimeError):
    """There is a server, and it cannot do this; the message says why."""


class NoPlace(RuntimeError):
    """There is no private folder for a socket."""


def address_of(settings: Settings) -> Path:
    """Return where the server of these settings listens: the same for the same course, slug and cage.

    Raises
    ------
    NoPlace
        If the folder belongs to somebody else or may be entered by others.
    """
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    folder /= f"karnameh-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise NoPlace(
            f"{folder} cannot be made ({error}): set XDG_RUNTIME_DIR or TMPDIR"
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise NoPlace(f"{folder} has to be a folder that only you can enter: chmod 700 {folder}")
    name = hashlib.sha256(repr(msgspec.structs.replace(settings, begun=None)).encode())
    address = folder / f"{name.hexdigest()[:16]}.sock"
    if len(os.fsencode(address)) > _LONGEST_ADDRESS:
        raise NoPlace(f"{address} is too long for a socket: set XDG_RUNTIME_DIR or TMPDIR")
    return address


def _identity() -> tuple[str, str, str]:
    """The engine, the installed packages and the interpreter, as they stand now.

    A server's own are those of its start, and no worker of it could hold any other.
    """
    engine_hash.cache_clear()
    environment_hash.cache_clear()
    return engine_hash(), environment_hash(), sys.executable


class Server:
    """Keeps workers for one assignment and serves one command after another.

    Parameters
    ----------
    workers
        How many processes.
    tell
        Called with a line for whoever watches.
    prepare
        As :class:`LocalWorkers` takes it.

    Raises
    ------
    NotServed
        If there is a server already.
    NoPlace, CourseError
        If there is no place for the socket, or the course cannot be read.
    """

    def __init__(
        self,
        settings: Settings,
        workers: int,
        tell: Callable[[str], None] = lambda line: None,
        prepare: Callable[[str], None] | None = None,
    ) -> None:
        self.settings = settings
        self.workers = workers
        self.tell = tell
        self.prepare = prepare
        self.address = address_of(settings)
        self._identity = _identity()
        self._turn = threading.Lock()
        self._closing = threading.Event()
        self._held = ""
        self._pool: LocalWorkers | None = None
        if _answers(self.address):
            raise NotServed(f"{settings.slug} is served already")
        self.address.unlink(missing_ok=True)
        self._listener = Listener(str(self.address), "AF_UNIX", backlog=_MOST_WAITING)
        self._scratch = tempfile.TemporaryDirectory(prefix="karnameh-served-")

    def renew(self) -> LocalWorkers:
        """Return workers that hold what stands on the disk now.

        Raises
        ------
        CourseError, BrokenChecks, BrokenReference, NoCage, ZygoteError
            If they cannot be made ready.
        """
        course = read_course(self.settings.root)
        assignment = read_assignment(course, self.settings.slug)
        material = material_of(course, assignment, self.settings).whole
        if self._pool is not None:
            if material == self._held:
                return self._pool
            self.tell(f"{self.settings.slug}: something has changed, workers start afresh")
            self._pool.shutdown(wait=True)
        self._held = ""
        self._pool = LocalWorkers(self.workers, Path(self._scratch.name), self.prepare)
        ready = [self._pool.submit(worker.make_ready, self.settings) for _ in range(self.workers)]
        for future in ready:
            future.result()
        self._held = material
        return self._pool

    def serve(self) -> None:
        """Serve until :meth:`close`."""
        while not self._closing.is_set():
            try:
                connection = self._listener.accept()
            except OSError:
                if self._closing.is_set():
                    return
                raise
            threading.Thread(target=self._serve_one, args=(connection,), daemon=True).start()

    def _serve_one(self, connection: Connection[Any, Any]) -> None:
        with connection, contextlib.suppress(EOFError, OSError):
            identity = connection.recv()
            if identity is None:  # somebody asks whether there is anybody
                return
            if identity != self._identity:
                connection.send("grader or packages are others than the server's: start it again")
                return
            if not self._turn.acquire(timeout=_HANG_UP_SECONDS):
                connection.send("the server is at work for another command")
                return
            try:
                self._follow(connection)
            finally:
                self._turn.release()

    def _follow(self, connection: Connection[Any, Any]) -> None:
        try:
            pool = self.renew()
        except Exception as error:  # noqa: BLE001 - the command's own workers say it where it is seen
            connection.send(f"the server's workers do not start ({error})")
            return
        connection.send(None)
        guard = threading.Lock()

        def answer(number: int, future: Future[Made]) -> None:
            if future.cancelled():
                return
            error = future.exception()
            said: tuple[int, bool, object] = (number, error is None, error or future.result())
            try:
                data = ForkingPickler.dumps(said)
            except Exception:  # noqa: BLE001 - an exception of somebody's own making
                data = ForkingPickler.dumps((number, False, RuntimeError(repr(error))))
            with guard, contextlib.suppress(OSError):
                connection.send_bytes(data)

        running = []
        with contextlib.suppress(EOFError):
            while (asked := connection.recv()) is not None:
                number, name, arguments = asked
                try:
                    future = pool.submit(_CALLS[name], *arguments)
                except RuntimeError:  # the server is being closed
                    break
                future.add_done_callback(partial(answer, number))
                running.append(future)
        for future in running:  # whoever asked is gone
            future.cancel()

    def close(self) -> None:
        """Stop listening, and end the workers."""
        self._closing.set()
        _answers(self.address)  # whoever waits for a command, waits no longer
        self._listener.close()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        self._scratch.cleanup()


def _answers(address: Path) -> bool:
    try:
        with Client(str(address), "AF_UNIX") as connection:
            connection.send(None)
    except OSError:
        return False
    return True


class ServedWorkers(Executor):
    """The workers of a server, as soon as they are ready; should it end, ordinary ones take over.

    Parameters
    ----------
    served
        The connection that :func:`find_server` made.
    workers, scratch
        Of the workers that take over: as :class:`LocalWorkers` takes them.

    Raises
    ------
    NotServed
        If the server cannot serve.
    """

    def __init__(self, served: Connection[Any, Any], workers: int, scratch: Path) -> None:
        _wait_for(served)
        self._connection = served
        self._has_ended = False
        self._instead: LocalWorkers | None = None
        self._own = (workers, scratch)
        self._guard = threading.Lock()
        self._futures: dict[int, Future[Any]] = {}
        self._number = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a worker of the server call `fn`, which is one of the worker's entries."""
        if kwargs or _CALLS.get(fn.__name__) is not fn:
            raise TypeError(f"a server does not call {fn}")
        with self._guard:
            if not self._has_ended:
                self._number += 1
                future: Future[T] = Future()
                future.set_running_or_notify_cancel()
                self._futures[self._number] = future
                try:
                    self._connection.send((self._number, fn.__name__, args))
                except OSError:
                    del self._futures[self._number]
                else:
                    return future
            if self._instead is None:
                self._instead = LocalWorkers(*self._own)
            return self._instead.submit(fn, *args, **kwargs)

    def _read(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                number, is_good, result = self._connection.recv()
                with self._guard:
                    future = self._futures.pop(number)
                (future.set_result if is_good else future.set_exception)(result)
        with self._guard:
            left, self._futures = self._futures, {}
            self._has_ended = True
        for future in left.values():
            future.set_exception(BrokenExecutor("the server has ended"))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Hang up; with `wait` when all that was asked is done."""
        with self._guard:
            running = list(self._futures.values())
        if wait and not cancel_futures:
            for future in running:
                with contextlib.suppress(Exception):
                    future.result()
        with contextlib.suppress(OSError):
            self._connection.send(None)
        self._reader.join(_HANG_UP_SECONDS)
        self._connection.close()
        if self._instead is not None:
            self._instead.shutdown(wait, cancel_futures=cancel_futures)


def find_server(settings: Settings) -> Connection[Any, Any] | None:
    """Return a connection to the server of these settings, None if there is none."""
    try:
        address = address_of(settings)
        if not address.exists():
            return None
        connection = Client(str(address), "AF_UNIX")
        connection.send(_identity())
    except (OSError, NoPlace):
        return None
    return connection


def _wait_for(served: Connection[Any, Any]) -> None:
    try:
        answer = served.recv()
    except (EOFError, OSError):
        answer = "the server has ended"
    if answer is not None:
        served.close()
        raise NotServed(str(answer))


@contextlib.contextmanager
def server(
    settings: Settings,
    workers: int,
    tell: Callable[[str], None] = lambda line: None,
    prepare: Callable[[str], None] | None = None,
) -> Iterator[Server]:
    """Return a server that is ready, and close it behind the block."""
    made = Server(settings, workers, tell, prepare)
    try:
        made.renew()
        yield made
    finally:
        made.close()
