"""Sessions for asyncio. Cancelling a call also cancels it on the service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import TYPE_CHECKING

from . import _settings, _telarch
from ._remoting import DisconnectedPool
from ._remoting_asyncio import AsyncRunspacePool
from ._settings import Auth, Body, Path, Place
from ._telarch import Finished, Resource

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from ._settings import PoolSettings, Settings, ShellSettings


class AsyncSession:
    """Operations on one service, for asyncio; see ``Session`` for their descriptions.

    >>> async with AsyncSession("https://node7:5986", username="ann", password="a secret") as session:  # doctest: +SKIP
    ...     async for listener in session.enumerate("winrm/config/listener"):
    ...         print(listener["Port"])
    """

    def __init__(
        self,
        target: str = "",
        *,
        auth: Auth = "auto",
        ssl: bool = False,
        port: int | None = None,
        path: str | None = None,
        verify: bool = True,
        unencrypted: bool = False,
        **settings: Unpack[Settings],
    ) -> None:
        self._client = _settings.client(target, auth, ssl, port, path, verify, unencrypted, settings)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Does nothing: the connections close when the session is no longer referenced."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} with {self.host}>"

    @property
    def host(self) -> str:
        """The host of the target."""
        return self._client.host

    @property
    def scheme(self) -> str | None:
        """The authentication scheme; with ``auth="auto"``, the one that the service accepted last."""
        return self._client.scheme

    @property
    def operation_timeout(self) -> float:
        """Time for the response to one request, in seconds."""
        return self._client.timeout

    @operation_timeout.setter
    def operation_timeout(self, seconds: float) -> None:
        self._client.timeout = seconds

    @property
    def batch_items(self) -> int | None:
        """Maximum number of enumeration items in one response; None means as many as fit."""
        return self._client.batch_items

    @batch_items.setter
    def batch_items(self, items: int | None) -> None:
        self._client.batch_items = items

    async def identify(self) -> Resource:
        """Identify the service."""
        return await self._client.identify().start()

    async def get(self, locator: Place) -> Resource:
        """Read an instance."""
        return await self._client.get(locator).start()

    async def put(self, locator: Place, body: Body) -> Resource | None:
        """Replace an instance; returns the new instance."""
        return await self._client.put(locator, body).start()

    async def create(self, locator: Place, body: Body) -> Resource:
        """Create an instance; ``.reference`` of the result is its locator."""
        return await self._client.create(locator, body).start()

    async def delete(self, locator: Place) -> None:
        """Delete an instance."""
        await self._client.delete(locator).start()

    async def invoke(self, action: str, locator: Place, body: Body | None = None) -> Resource | None:
        """Invoke a method; returns its output."""
        return await self._client.invoke(action, locator, body).start()

    def enumerate(
        self, locator: Place, filter: str | None = None, *, dialect: str | None = None, flags: int = 0
    ) -> AsyncItems:
        """Enumerate instances with ``async for``; the first request is sent at the first step."""
        return AsyncItems(self._client.enumerate(locator, filter, dialect, flags))

    def subscribe(
        self, filter: str, locator: Place = "wmicimv2/*", *, dialect: str | None = None
    ) -> AsyncEvents:
        """Subscribe to events: ``async with session.subscribe("SELECT …") as events``.

        The subscription begins with the ``async with``, or without it at the first step.
        """
        return AsyncEvents(self._client.subscribe(locator, filter, dialect))

    async def run(
        self, command: str, arguments: Iterable[str] = (), **settings: Unpack[ShellSettings]
    ) -> Finished:
        """Run a command in its own shell and return its output."""
        return await self._client.run(command, list(arguments), **settings).start()

    async def run_ps(self, script: str, **settings: Unpack[ShellSettings]) -> Finished:
        """Run a script in the PowerShell of the remote machine and return its output."""
        return await self._client.run_ps(script, **settings).start()

    async def shell(self, **settings: Unpack[ShellSettings]) -> AsyncShell:
        """Open a shell for several commands: ``async with await session.shell() as shell``."""
        return AsyncShell(await self._client.shell(**settings).start())

    async def runspace_pool(self, **settings: Unpack[PoolSettings]) -> AsyncRunspacePool:
        """Open a runspace pool for PowerShell remoting: ``async with await session.runspace_pool() as pool``."""
        return AsyncRunspacePool(await self._client.runspace_pool(**settings).start())

    async def connect_runspace_pool(self, id: str, **settings: Unpack[PoolSettings]) -> AsyncRunspacePool:
        """Connect to a runspace pool that its client has disconnected from; ``configuration`` is its endpoint."""
        return AsyncRunspacePool(await self._client.connect_runspace_pool(id, **settings).start())

    async def disconnected_pools(self) -> list[DisconnectedPool]:
        """List the runspace pools without a client."""
        return [DisconnectedPool(*pool) for pool in await self._client.disconnected_pools().start()]

    async def pipelines_of(self, pool: str) -> list[str]:
        """List the identifiers of the pipelines of a disconnected pool."""
        return await self._client.pipelines_of(pool).start()

    async def copy(self, local: Path, remote: str) -> str:
        """Copy a local file to the remote machine; returns its full path there."""
        return await self._client.copy(local, remote).start()

    async def fetch(self, remote: str, local: Path) -> None:
        """Copy a file of the remote machine to this machine."""
        await self._client.fetch(remote, local).start()

    async def post(self, envelope: str) -> tuple[int, bytes]:
        """Send a complete envelope unchanged; returns the HTTP status and the body of the response."""
        return await self._client.post(envelope).start()


class AsyncItems(AsyncIterator[Resource]):
    """The items of an enumeration."""

    def __init__(self, begun: _telarch.Operation[_telarch.Enumerator]) -> None:
        self._begun: _telarch.Operation[_telarch.Enumerator] | None = begun
        self._items: _telarch.Enumerator | None = None
        #: Classes that are missing because their source is not available on the service, with the reason. Complete at
        #: the end.
        self.partial_results: list[tuple[str, str]] = []

    async def __anext__(self) -> Resource:
        if self._begun is not None:
            begun, self._begun = self._begun, None
            self._items = await begun.start()
        item = await self._items.next().start() if self._items else None
        if item is None:
            if self._items:
                self.partial_results = await self._items.omissions().start()
            raise StopAsyncIteration
        return item

    async def close(self) -> None:
        """Release the enumeration on the service; this also happens at its end, and when it is no longer referenced."""
        self._begun = None
        if self._items is not None:
            await self._items.release().start()


class AsyncEvents(AsyncIterator[Resource]):
    """The events of a subscription."""

    def __init__(self, begun: _telarch.Operation[_telarch.Subscription]) -> None:
        self._begun: _telarch.Operation[_telarch.Subscription] | None = begun
        self._events: _telarch.Subscription | None = None
        #: Number of events that the service has dropped because they were read too slowly.
        self.dropped = 0
        #: Classes whose events are missing because their source is not available on the service, with the reason.
        self.partial_results: list[tuple[str, str]] = []

    async def _begin(self) -> None:
        if self._begun is not None:
            begun, self._begun = self._begun, None
            self._events = await begun.start()

    async def __aenter__(self) -> Self:
        await self._begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def __anext__(self) -> Resource:
        await self._begin()
        event = await self._events.next().start() if self._events else None
        while isinstance(event, int):
            self.dropped += event
            event = await self._events.next().start() if self._events else None
        if self._events:
            self.partial_results = await self._events.omissions().start()
        if event is None:
            raise StopAsyncIteration
        return event

    async def close(self) -> None:
        """End the subscription; a pending wait for an event returns."""
        self._begun = None
        if self._events is not None:
            await self._events.end().start()


class AsyncShell:
    """A shell on the service."""

    def __init__(self, shell: _telarch.Shell) -> None:
        self._shell = shell

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def id(self) -> str:
        """The identifier from the service."""
        return self._shell.id

    async def run(self, command: str, arguments: Iterable[str] = ()) -> Finished:
        """Run a command and return its output."""
        return await self._shell.run(command, list(arguments)).start()

    async def start(
        self, command: str, arguments: Iterable[str] = (), *, console: bool = False, skip_shell: bool = False
    ) -> AsyncCommand:
        """Start a command: ``async with await shell.start("…") as command``."""
        started = self._shell.start(command, list(arguments), console=console, skip_shell=skip_shell)
        return AsyncCommand(await started.start())

    async def close(self) -> None:
        """End the shell and all of its commands."""
        await self._shell.close().start()


class AsyncCommand(AsyncIterator[tuple[str, bytes]]):
    """A running command and its output in pieces: ``("stdout", data)``."""

    def __init__(self, command: _telarch.Command) -> None:
        self._command = command
        #: The exit code, after the command has ended.
        self.exit_code: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def id(self) -> str:
        """The identifier from the service."""
        return self._command.id

    async def __anext__(self) -> tuple[str, bytes]:
        output = await self._command.next_output().start()
        if isinstance(output, int):
            self.exit_code = output
            raise StopAsyncIteration
        return output

    async def write(self, data: bytes | str, *, end: bool = False) -> None:
        """Write input for the command; ``end`` closes the input."""
        octets = data.encode() if isinstance(data, str) else bytes(data)
        if octets:
            await self._command.write(octets).start()
        if end:
            await self._command.close_input().start()

    async def signal(self, name: str = "ctrl_c") -> None:
        """Send a signal: ``ctrl_c``, ``ctrl_break`` or ``terminate``."""
        await self._command.signal(name).start()

    async def wait(self) -> tuple[bytes, bytes, int]:
        """Wait for the end and return the remaining output and error output, and the exit code."""
        pieces: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
        async for stream, octets in self:
            pieces.setdefault(stream, []).append(octets)
        assert self.exit_code is not None
        return b"".join(pieces["stdout"]), b"".join(pieces["stderr"]), self.exit_code

    async def close(self) -> None:
        """Release the command; a running command is ended."""
        await self._command.finish().start()
