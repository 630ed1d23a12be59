"""One operation on many machines, for asyncio and synchronous."""

from __future__ import annotations

import asyncio
import builtins
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Union

from ._asyncio import AsyncSession
from ._errors import ConnectError, FleetStopped
from ._remoting import PipelineResult
from ._settings import Auth, Body, Path, Place
from ._telarch import Finished, Resource

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from ._settings import SessionSettings, ShellSettings

_T = TypeVar("_T")
_R = TypeVar("_R")
#: A machine: a target of ``Session``, or a target with settings of its own.
Target = Union[str, tuple[str, "SessionSettings"]]

_HOST_TIME = "stopped: the time limit of the host expired"
_TOTAL_TIME = "stopped: the total time limit expired"
_FAILURES = "stopped: too many hosts failed"
#: The longest pause between two attempts, in seconds.
_LONGEST_PAUSE = 30.0


@dataclass(frozen=True)
class HostResult(Generic[_T]):
    """The result of one machine."""

    #: The target as it was given.
    host: str
    #: The result of the operation; None after an error.
    value: _T | None
    #: The exception that ended the operation. ``FleetStopped`` if a limit did.
    error: Exception | None
    #: Seconds from the start of the first attempt.
    seconds: float
    #: Number of attempts.
    attempts: int

    @property
    def ok(self) -> bool:
        """Whether the operation has a result."""
        return self.error is None

    def check(self) -> _T:
        """Return the result, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]


@dataclass
class FleetSummary:
    """Numbers of machines."""

    started: int = 0
    succeeded: int = 0
    failed: int = 0
    #: Machines that were not started because the operation was stopped before.
    not_started: int = 0
    #: Why the operation was stopped early.
    stop: str | None = None


@dataclass
class _Attempts:
    """The attempts on one machine."""

    begun: float = field(default_factory=time.monotonic)
    count: int = 0


class _Base:
    """The machines and limits of a fleet."""

    def __init__(
        self,
        targets: Iterable[Target],
        *,
        parallel: int = 32,
        host_time: float | None = None,
        total_time: float | None = None,
        max_failures: int | None = None,
        retries: int = 0,
        retry_delay: float = 1.0,
        **settings: Unpack[SessionSettings],
    ) -> None:
        if parallel < 1:
            raise ValueError(f"parallel is {parallel}; it must be at least 1")
        if max_failures is not None and max_failures < 1:
            raise ValueError(f"max_failures is {max_failures}; it must be at least 1, or None for no limit")
        if retries < 0:
            raise ValueError(f"retries is {retries}; it must not be negative")
        self._targets = targets
        self._parallel = parallel
        self._host_time = host_time
        self._total_time = total_time
        self._max_failures = max_failures
        self._retries = retries
        self._retry_delay = retry_delay
        self._settings = settings

    def _results(self, operation: Callable[[AsyncSession], Awaitable[_R]]) -> AsyncFleetResults[_R]:
        return AsyncFleetResults(self, operation)

    def _run(self, command: str, arguments: Iterable[str], settings: ShellSettings) -> AsyncFleetResults[Finished]:
        words = list(arguments)
        return self._results(lambda session: session.run(command, words, **settings))

    def _run_ps(self, script: str, settings: ShellSettings) -> AsyncFleetResults[Finished]:
        return self._results(lambda session: session.run_ps(script, **settings))

    def _powershell(
        self, script: str, configuration: str | None, arguments: tuple[Any, ...], parameters: dict[str, Any]
    ) -> AsyncFleetResults[PipelineResult]:
        async def operation(session: AsyncSession) -> PipelineResult:
            async with await session.runspace_pool(configuration=configuration) as pool:
                return await pool.run(script, *arguments, **parameters)

        return self._results(operation)

    def _enumerate(
        self, locator: Place, filter: str | None, dialect: str | None
    ) -> AsyncFleetResults[list[Resource]]:
        async def operation(session: AsyncSession) -> list[Resource]:
            return [item async for item in session.enumerate(locator, filter, dialect=dialect)]

        return self._results(operation)


class AsyncFleet(_Base):
    """One operation on many machines, a limited number at the same time, for asyncio.

    >>> fleet = AsyncFleet(["web1", "web2"], parallel=50, host_time=60)  # doctest: +SKIP
    >>> async with fleet.run("uname", ["-r"]) as results:  # doctest: +SKIP
    ...     async for result in results:
    ...         print(result.host, result.value.text if result.ok else result.error)

    ``targets`` may be a generator: it is read as machines start. ``host_time`` and ``total_time`` are limits in seconds.
    After ``max_failures`` failed machines no other is started, and running operations are cancelled. ``retries`` is the
    number of further attempts after a failed connection, with pauses from ``retry_delay`` seconds that double. Other
    settings are those of ``AsyncSession``.
    """

    def map(self, operation: Callable[[AsyncSession], Awaitable[_R]]) -> AsyncFleetResults[_R]:
        """Call an asynchronous function with the session of each machine."""
        return self._results(operation)

    def run(
        self, command: str, arguments: Iterable[str] = (), **settings: Unpack[ShellSettings]
    ) -> AsyncFleetResults[Finished]:
        """Run a command."""
        return self._run(command, arguments, settings)

    def run_ps(self, script: str, **settings: Unpack[ShellSettings]) -> AsyncFleetResults[Finished]:
        """Run a script in the PowerShell of the machine, as a command."""
        return self._run_ps(script, settings)

    def powershell(
        self, script: str, *arguments: Any, configuration: str | None = None, **parameters: Any
    ) -> AsyncFleetResults[PipelineResult]:
        """Run a script with PowerShell remoting."""
        return self._powershell(script, configuration, arguments, parameters)

    def get(self, locator: Place) -> AsyncFleetResults[Resource]:
        """Read an instance."""
        return self._results(lambda session: session.get(locator))

    def enumerate(
        self, locator: Place, filter: str | None = None, *, dialect: str | None = None
    ) -> AsyncFleetResults[list[Resource]]:
        """Enumerate instances."""
        return self._enumerate(locator, filter, dialect)

    def invoke(self, action: str, locator: Place, body: Body | None = None) -> AsyncFleetResults[Resource | None]:
        """Invoke a method."""
        return self._results(lambda session: session.invoke(action, locator, body))

    def copy(self, local: Path, remote: str) -> AsyncFleetResults[str]:
        """Copy a local file to the machines."""
        return self._results(lambda session: session.copy(local, remote))


class AsyncFleetResults(AsyncIterator[HostResult[_R]]):
    """The results of the machines, each as soon as it is available; use it in an ``async with`` statement.

    Machines start with the first step. At most ``parallel`` results wait for the reader; then no other machine starts.
    """

    def __init__(self, fleet: _Base, operation: Callable[[AsyncSession], Awaitable[_R]]) -> None:
        self._fleet = fleet
        self._operation = operation
        #: Numbers of machines so far.
        self.summary = FleetSummary()
        self._targets = iter(fleet._targets)
        self._queue: asyncio.Queue[HostResult[_R] | BaseException | None] = asyncio.Queue(fleet._parallel)
        self._driver: asyncio.Task[None] | None = None
        self._running: set[asyncio.Task[None]] = set()
        #: Results that wait for the reader; their machines count as running.
        self._reports: set[asyncio.Task[None]] = set()
        #: Running operations, each with the reason why it was cancelled.
        self._operations: dict[asyncio.Task[_R], str | None] = {}
        self._is_over = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def __anext__(self) -> HostResult[_R]:
        if self._is_over:
            raise StopAsyncIteration
        if self._driver is None:
            self._driver = asyncio.ensure_future(self._drive())
        result = await self._queue.get()
        if isinstance(result, BaseException):
            self._is_over = True
            raise result
        if result is None:
            self._is_over = True
            raise StopAsyncIteration
        return result

    async def close(self) -> None:
        """Cancel running operations. Machines that have not started stay untouched."""
        self._is_over = True
        if self._driver is not None:
            self._driver.cancel()
            await asyncio.gather(self._driver, return_exceptions=True)

    async def _drive(self) -> None:
        """Start machines until all have ended."""
        deadline = None
        if self._fleet._total_time is not None:
            loop = asyncio.get_running_loop()
            deadline = loop.call_later(self._fleet._total_time, self._stop, _TOTAL_TIME)
        try:
            end = await self._start_all()
            await self._wait_for(0)
            await self._queue.put(end)
        finally:
            if deadline is not None:
                deadline.cancel()
            tasks = self._running | self._reports
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _start_all(self) -> Exception | None:
        """Start every machine; return the exception of a generator of targets that fails."""
        try:
            for target in self._targets:
                if self.summary.stop is not None:
                    self.summary.not_started = 1 + sum(1 for _ in self._targets)
                    break
                self.summary.started += 1
                host = asyncio.ensure_future(self._host(target))
                self._running.add(host)
                host.add_done_callback(self._running.discard)
                await self._wait_for(self._fleet._parallel - 1)
        except Exception as error:
            self._stop(f"stopped: {error}")
            return error
        return None

    async def _wait_for(self, count: int) -> None:
        """Wait until at most this number of machines runs or has a result that waits for the reader."""
        while len(self._running) + len(self._reports) > count:
            await asyncio.wait(self._running | self._reports, return_when=asyncio.FIRST_COMPLETED)

    def _stop(self, reason: str) -> None:
        """Stop all machines."""
        if self.summary.stop is None:
            self.summary.stop = reason
            for operation in list(self._operations):
                self._stop_one(operation, reason)

    def _stop_one(self, operation: asyncio.Task[_R], reason: str) -> None:
        self._operations[operation] = reason
        operation.cancel()

    async def _host(self, target: Target) -> None:
        """Run the operation on one machine and report its result."""
        host, own = (target, {}) if isinstance(target, str) else target
        attempts = _Attempts()
        value: _R | None = None
        error: Exception | None = None
        if self.summary.stop is not None:
            error = FleetStopped(self.summary.stop)
        else:
            operation = asyncio.ensure_future(self._attempt(host, {**self._fleet._settings, **own}, attempts))
            self._operations[operation] = None
            deadline = None
            if self._fleet._host_time is not None:
                loop = asyncio.get_running_loop()
                deadline = loop.call_later(self._fleet._host_time, self._stop_one, operation, _HOST_TIME)
            try:
                value = await operation
            except asyncio.CancelledError:
                reason = self._operations[operation]
                if reason is None:
                    raise
                error = FleetStopped(reason)
            except Exception as failure:
                error = failure
            finally:
                # A limit that expires from now on no longer concerns this machine.
                del self._operations[operation]
                if deadline is not None:
                    deadline.cancel()
        self._count(error)
        result = HostResult(host, value, error, time.monotonic() - attempts.begun, attempts.count)
        report = asyncio.ensure_future(self._queue.put(result))
        self._reports.add(report)
        report.add_done_callback(self._reports.discard)

    async def _attempt(self, host: str, settings: SessionSettings, attempts: _Attempts) -> _R:
        """Run the operation, again after a failed connection."""
        while True:
            attempts.count += 1
            try:
                return await self._operation(AsyncSession(host, **settings))
            except ConnectError:
                if attempts.count > self._fleet._retries:
                    raise
            await asyncio.sleep(min(self._fleet._retry_delay * 2 ** (attempts.count - 1), _LONGEST_PAUSE))

    def _count(self, error: Exception | None) -> None:
        if error is None:
            self.summary.succeeded += 1
            return
        self.summary.failed += 1
        if self._fleet._max_failures is not None and self.summary.failed >= self._fleet._max_failures:
            self._stop(_FAILURES)


class Fleet(_Base):
    """One operation on many machines, a limited number at the same time; see ``AsyncFleet`` for the settings.

    >>> fleet = Fleet(["web1", "web2"], username="ann", password="a secret", parallel=50)  # doctest: +SKIP
    >>> with fleet.run("uname", ["-r"]) as results:  # doctest: +SKIP
    ...     for result in results:
    ...         print(result.host, result.value.text if result.ok else result.error)
    """

    def map(self, operation: Callable[[AsyncSession], Awaitable[_R]]) -> FleetResults[_R]:
        """Call an asynchronous function with the session of each machine."""
        return FleetResults(lambda: self._results(operation))

    def run(
        self, command: str, arguments: Iterable[str] = (), **settings: Unpack[ShellSettings]
    ) -> FleetResults[Finished]:
        """Run a command."""
        return FleetResults(lambda: self._run(command, arguments, settings))

    def run_ps(self, script: str, **settings: Unpack[ShellSettings]) -> FleetResults[Finished]:
        """Run a script in the PowerShell of the machine, as a command."""
        return FleetResults(lambda: self._run_ps(script, settings))

    def powershell(
        self, script: str, *arguments: Any, configuration: str | None = None, **parameters: Any
    ) -> FleetResults[PipelineResult]:
        """Run a script with PowerShell remoting."""
        return FleetResults(lambda: self._powershell(script, configuration, arguments, parameters))

    def get(self, locator: Place) -> FleetResults[Resource]:
        """Read an instance."""
        return FleetResults(lambda: self._results(lambda session: session.get(locator)))

    def enumerate(
        self, locator: Place, filter: str | None = None, *, dialect: str | None = None
    ) -> FleetResults[list[Resource]]:
        """Enumerate instances."""
        return FleetResults(lambda: self._enumerate(locator, filter, dialect))

    def invoke(self, action: str, locator: Place, body: Body | None = None) -> FleetResults[Resource | None]:
        """Invoke a method."""
        return FleetResults(lambda: self._results(lambda session: session.invoke(action, locator, body)))

    def copy(self, local: Path, remote: str) -> FleetResults[str]:
        """Copy a local file to the machines."""
        return FleetResults(lambda: self._results(lambda session: session.copy(local, remote)))


class FleetResults(Iterator[HostResult[_R]]):
    """The results of the machines, each as soon as it is available; use it in a ``with`` statement.

    The machines run in a thread of their own. Ctrl-C cancels them and raises ``KeyboardInterrupt``.
    """

    def __init__(self, create: Callable[[], AsyncFleetResults[_R]]) -> None:
        self._create = create
        self._results: AsyncFleetResults[_R] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        #: Numbers of machines so far.
        self.summary = FleetSummary()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __next__(self) -> HostResult[_R]:
        if self._create is None:
            raise StopIteration
        try:
            return self._call(self._step())
        except StopAsyncIteration:
            self.close()
            raise StopIteration from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Cancel running operations. Machines that have not started stay untouched."""
        self._create = None  # type: ignore[assignment]
        loop, self._loop = self._loop, None
        if loop is None:
            return
        if self._results is not None:
            asyncio.run_coroutine_threadsafe(self._results.close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        if self._thread is not None:
            self._thread.join()
        loop.close()

    async def _step(self) -> HostResult[_R]:
        if self._results is None:
            self._results = self._create()
            self.summary = self._results.summary
        try:
            return await self._results.__anext__()
        except StopAsyncIteration as end:
            # A future cannot carry it.
            raise _End from end

    def _call(self, step: Coroutine[Any, Any, HostResult[_R]]) -> HostResult[_R]:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="telarch-fleet", daemon=True)
            self._thread.start()
        waiting = asyncio.run_coroutine_threadsafe(step, self._loop)
        while True:
            try:
                # Waits in pieces, because Python handles signals between them.
                return waiting.result(timeout=0.2)
            except _End:
                raise StopAsyncIteration from None
            except builtins.TimeoutError:
                if waiting.done():
                    return waiting.result()
            except BaseException:
                waiting.cancel()
                raise


class _End(Exception):
    """The end of the results."""
