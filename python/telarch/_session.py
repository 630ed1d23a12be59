"""Synchronous sessions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from . import _settings, _telarch
from ._remoting import DisconnectedPool, RunspacePool
from ._settings import Auth, Body, Path, Place
from ._telarch import Finished, Resource

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from ._settings import PoolSettings, Settings, ShellSettings


class Session:
    """Operations on one service; the first operation connects.

    Threads may share a session: their operations run concurrently, each over its own connection, and other Python
    threads continue to run. Ctrl-C cancels an operation and raises ``KeyboardInterrupt``.

    >>> from telarch import Session
    >>> with Session("https://node7:5986", username="ann", password="a secret") as session:  # doctest: +SKIP
    ...     print(session.run("uname", ["-a"]).text)
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
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

    def identify(self) -> Resource:
        """Identify the service."""
        return self._client.identify().wait()

    def get(self, locator: Place) -> Resource:
        """Read an instance."""
        return self._client.get(locator).wait()

    def put(self, locator: Place, body: Body) -> Resource | None:
        """Replace an instance; returns the new instance."""
        return self._client.put(locator, body).wait()

    def create(self, locator: Place, body: Body) -> Resource:
        """Create an instance; ``.reference`` of the result is its locator."""
        return self._client.create(locator, body).wait()

    def delete(self, locator: Place) -> None:
        """Delete an instance."""
        self._client.delete(locator).wait()

    def invoke(self, action: str, locator: Place, body: Body | None = None) -> Resource | None:
        """Invoke a method; returns its output."""
        return self._client.invoke(action, locator, body).wait()

    def enumerate(
        self, locator: Place, filter: str | None = None, *, dialect: str | None = None, flags: int = 0
    ) -> Items:
        """Enumerate instances, in batches.

        ``filter`` is WQL, or a query in ``dialect``; ``flags`` are those of ``EnumerationFlag``.
        """
        return Items(self._client.enumerate(locator, filter, dialect, flags).wait())

    def subscribe(self, filter: str, locator: Place = "wmicimv2/*", *, dialect: str | None = None) -> Events:
        """Subscribe to events, beginning now; use it in a ``with`` statement.

        ``filter`` is an event query in WQL, or a filter in ``dialect``.
        """
        return Events(self._client.subscribe(locator, filter, dialect).wait())

    def run(
        self, command: str, arguments: Iterable[str] = (), **settings: Unpack[ShellSettings]
    ) -> Finished:
        """Run a command in its own shell and return its output.

        Arguments are joined by spaces, not quoted: the shell of the remote machine parses them.
        """
        return self._client.run(command, list(arguments), **settings).wait()

    def run_ps(self, script: str, **settings: Unpack[ShellSettings]) -> Finished:
        """Run a script in the PowerShell of the remote machine and return its output."""
        return self._client.run_ps(script, **settings).wait()

    def shell(self, **settings: Unpack[ShellSettings]) -> Shell:
        """Open a shell for several commands; use it in a ``with`` statement."""
        return Shell(self._client.shell(**settings).wait())

    def runspace_pool(self, **settings: Unpack[PoolSettings]) -> RunspacePool:
        """Open a runspace pool for PowerShell remoting; use it in a ``with`` statement."""
        return RunspacePool(self._client.runspace_pool(**settings).wait())

    def connect_runspace_pool(self, id: str, **settings: Unpack[PoolSettings]) -> RunspacePool:
        """Connect to a runspace pool that its client has disconnected from; ``configuration`` is its endpoint."""
        return RunspacePool(self._client.connect_runspace_pool(id, **settings).wait())

    def disconnected_pools(self) -> list[DisconnectedPool]:
        """List the runspace pools without a client."""
        return [DisconnectedPool(*pool) for pool in self._client.disconnected_pools().wait()]

    def pipelines_of(self, pool: str) -> list[str]:
        """List the identifiers of the pipelines of a disconnected pool."""
        return self._client.pipelines_of(pool).wait()

    def copy(self, local: Path, remote: str) -> str:
        """Copy a local file to the remote machine; returns its full path there."""
        return self._client.copy(local, remote).wait()

    def fetch(self, remote: str, local: Path) -> None:
        """Copy a file of the remote machine to this machine."""
        self._client.fetch(remote, local).wait()

    def post(self, envelope: str) -> tuple[int, bytes]:
        """Send a complete envelope unchanged; returns the HTTP status and the body of the response."""
        return self._client.post(envelope).wait()


class Items(Iterator[Resource]):
    """The items of an enumeration."""

    def __init__(self, items: _telarch.Enumerator) -> None:
        self._items = items
        #: Classes that are missing because their source is not available on the service, with the reason. Complete at
        #: the end.
        self.partial_results: list[tuple[str, str]] = []

    def __next__(self) -> Resource:
        item = self._items.next().wait()
        if item is None:
            self.partial_results = self._items.omissions().wait()
            raise StopIteration
        return item

    def close(self) -> None:
        """Release the enumeration on the service; this also happens at its end, and when it is no longer referenced."""
        self._items.release().wait()


class Events(Iterator[Resource]):
    """The events of a subscription; each step waits for the next event without a time limit.

    >>> query = "SELECT * FROM Win32_ProcessStartTrace"
    >>> with session.subscribe(query) as events:  # doctest: +SKIP
    ...     for event in events:
    ...         print(event["ProcessName"])
    """

    def __init__(self, events: _telarch.Subscription) -> None:
        self._events = events
        #: Number of events that the service has dropped because they were read too slowly.
        self.dropped = 0
        #: Classes whose events are missing because their source is not available on the service, with the reason.
        self.partial_results: list[tuple[str, str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __next__(self) -> Resource:
        event = self.wait()
        if event is None:
            raise StopIteration
        return event

    def wait(self, timeout: float | None = None) -> Resource | None:
        """Wait for the next event, up to ``timeout`` seconds; None at the end of the subscription.

        A timeout raises the ``TimeoutError`` of Python and loses no event.
        """
        event = self._events.next().wait(timeout)
        while isinstance(event, int):
            self.dropped += event
            event = self._events.next().wait(timeout)
        self.partial_results = self._events.omissions().wait()
        return event

    def close(self) -> None:
        """End the subscription; a pending wait for an event returns."""
        self._events.end().wait()


class Shell:
    """A shell on the service."""

    def __init__(self, shell: _telarch.Shell) -> None:
        self._shell = shell

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def id(self) -> str:
        """The identifier from the service."""
        return self._shell.id

    def run(self, command: str, arguments: Iterable[str] = ()) -> Finished:
        """Run a command and return its output."""
        return self._shell.run(command, list(arguments)).wait()

    def start(
        self, command: str, arguments: Iterable[str] = (), *, console: bool = False, skip_shell: bool = False
    ) -> Command:
        """Start a command; use it in a ``with`` statement.

        ``console`` makes its input a console, which delivers Ctrl-C; ``skip_shell`` starts the program directly, without
        a shell that parses the command line.
        """
        started = self._shell.start(command, list(arguments), console=console, skip_shell=skip_shell)
        return Command(started.wait())

    def close(self) -> None:
        """End the shell and all of its commands."""
        self._shell.close().wait()


class Command(Iterator[tuple[str, bytes]]):
    """A running command and its output in pieces: ``("stdout", data)``.

    >>> with shell.start("tail -f /var/log/syslog") as command:  # doctest: +SKIP
    ...     for stream, data in command:
    ...         print(stream, data)
    """

    def __init__(self, command: _telarch.Command) -> None:
        self._command = command
        #: The exit code, after the command has ended.
        self.exit_code: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def id(self) -> str:
        """The identifier from the service."""
        return self._command.id

    def __next__(self) -> tuple[str, bytes]:
        output = self._command.next_output().wait()
        if isinstance(output, int):
            self.exit_code = output
            raise StopIteration
        return output

    def write(self, data: bytes | str, *, end: bool = False) -> None:
        """Write input for the command; ``end`` closes the input."""
        octets = data.encode() if isinstance(data, str) else bytes(data)
        if octets:
            self._command.write(octets).wait()
        if end:
            self._command.close_input().wait()

    def signal(self, name: str = "ctrl_c") -> None:
        """Send a signal: ``ctrl_c``, ``ctrl_break`` or ``terminate``."""
        self._command.signal(name).wait()

    def wait(self) -> tuple[bytes, bytes, int]:
        """Wait for the end and return the remaining output and error output, and the exit code."""
        pieces: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
        for stream, octets in self:
            pieces.setdefault(stream, []).append(octets)
        assert self.exit_code is not None
        return b"".join(pieces["stdout"]), b"".join(pieces["stderr"]), self.exit_code

    def close(self) -> None:
        """Release the command; a running command is ended."""
        self._command.finish().wait()
