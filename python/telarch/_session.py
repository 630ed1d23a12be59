"""Sessions that wait for their answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from . import _settings, _telarch
from ._settings import Auth, Body, Path, Place
from ._telarch import Finished, Resource

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from ._settings import Settings, ShellSettings


class Session:
    """Operations on one service; nothing is sent before the first one.

    Threads may share a session: operations run at the same time, each over a connection of its own, and other
    threads of Python go on meanwhile. Ctrl and C gives an operation up and raises ``KeyboardInterrupt``.

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
        """Nothing is left open by a session itself; its connections close when nobody has it any more."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} with {self.host}>"

    @property
    def host(self) -> str:
        """The host as it was addressed."""
        return self._client.host

    @property
    def operation_timeout(self) -> float:
        """Within how many seconds the service is to answer one request."""
        return self._client.timeout

    @operation_timeout.setter
    def operation_timeout(self, seconds: float) -> None:
        self._client.timeout = seconds

    @property
    def batch_items(self) -> int | None:
        """How many items of an enumeration one answer may bring; None means as many as fit."""
        return self._client.batch_items

    @batch_items.setter
    def batch_items(self, items: int | None) -> None:
        self._client.batch_items = items

    def identify(self) -> Resource:
        """Ask the service who it is."""
        return self._client.identify().wait()

    def get(self, locator: Place) -> Resource:
        """Read an instance."""
        return self._client.get(locator).wait()

    def put(self, locator: Place, body: Body) -> Resource | None:
        """Replace an instance; returns what it is then."""
        return self._client.put(locator, body).wait()

    def create(self, locator: Place, body: Body) -> Resource:
        """Make an instance; ``.reference`` of what returns says where it is."""
        return self._client.create(locator, body).wait()

    def delete(self, locator: Place) -> None:
        """Remove an instance."""
        self._client.delete(locator).wait()

    def invoke(self, action: str, locator: Place, body: Body | None = None) -> Resource | None:
        """Call a method; returns its output."""
        return self._client.invoke(action, locator, body).wait()

    def enumerate(
        self, locator: Place, filter: str | None = None, *, dialect: str | None = None, flags: int = 0
    ) -> Items:
        """List instances as they come.

        ``filter`` is WQL, or what ``dialect`` says; ``flags`` are those of ``EnumerationFlag``.
        """
        return Items(self._client.enumerate(locator, filter, dialect, flags).wait())

    def subscribe(self, filter: str, locator: Place = "wmicimv2/*", *, dialect: str | None = None) -> Events:
        """Hear of events as they happen, beginning now; use it in a ``with`` statement.

        ``filter`` is a query of events in WQL, or what ``dialect`` says.
        """
        return Events(self._client.subscribe(locator, filter, dialect).wait())

    def run(
        self, command: str, arguments: Iterable[str] = (), **settings: Unpack[ShellSettings]
    ) -> Finished:
        """Run a command in a shell of its own and gather its output.

        Arguments are joined by spaces, not quoted: the shell of the other machine reads them.
        """
        return self._client.run(command, list(arguments), **settings).wait()

    def run_ps(self, script: str, **settings: Unpack[ShellSettings]) -> Finished:
        """Run a script in the PowerShell of the other machine and gather its output."""
        return self._client.run_ps(script, **settings).wait()

    def shell(self, **settings: Unpack[ShellSettings]) -> Shell:
        """Open a shell, in which several commands run; use it in a ``with`` statement."""
        return Shell(self._client.shell(**settings).wait())

    def copy(self, local: Path, remote: str) -> str:
        """Copy a file of this machine to the other one; returns its whole path there."""
        return self._client.copy(local, remote).wait()

    def fetch(self, remote: str, local: Path) -> None:
        """Fetch a file of the other machine to this one."""
        self._client.fetch(remote, local).wait()

    def post(self, envelope: str) -> tuple[int, bytes]:
        """Send a whole envelope as it is; returns the status and the body that come back."""
        return self._client.post(envelope).wait()


class Items(Iterator[Resource]):
    """The items of an enumeration."""

    def __init__(self, items: _telarch.Enumerator) -> None:
        self._items = items

    def __next__(self) -> Resource:
        item = self._items.next().wait()
        if item is None:
            raise StopIteration
        return item

    def close(self) -> None:
        """Tell the service that no further items are wanted; done at the end, and when it is forgotten, anyway."""
        self._items.release().wait()


class Events(Iterator[Resource]):
    """The events of a subscription, one after the other; each step waits for as long as it takes.

    >>> query = "SELECT * FROM Win32_ProcessStartTrace"
    >>> with session.subscribe(query) as events:  # doctest: +SKIP
    ...     for event in events:
    ...         print(event["ProcessName"])
    """

    def __init__(self, events: _telarch.Subscription) -> None:
        self._events = events
        #: How many events the service has given up so far, because they were taken too slowly.
        self.dropped = 0

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
        """Wait for the next event, so many seconds at most; None once there are no more.

        The end of the time raises the ``TimeoutError`` of Python, and loses no event.
        """
        event = self._events.next().wait(timeout)
        while isinstance(event, int):
            self.dropped += event
            event = self._events.next().wait(timeout)
        return event

    def close(self) -> None:
        """Tell the service that no further events are wanted; whoever waits for one hears of the end."""
        self._events.end().wait()


class Shell:
    """A shell on the service, in which commands run."""

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
        """The identifier the service gave it."""
        return self._shell.id

    def run(self, command: str, arguments: Iterable[str] = ()) -> Finished:
        """Run a command and gather its output."""
        return self._shell.run(command, list(arguments)).wait()

    def start(
        self, command: str, arguments: Iterable[str] = (), *, console: bool = False, skip_shell: bool = False
    ) -> Command:
        """Start a command; use it in a ``with`` statement.

        ``console`` makes its input a console, so that Ctrl and C reaches it; with ``skip_shell`` the program is
        started itself, without the shell that reads its line.
        """
        started = self._shell.start(command, list(arguments), console=console, skip_shell=skip_shell)
        return Command(started.wait())

    def close(self) -> None:
        """End the shell and all of its commands."""
        self._shell.close().wait()


class Command(Iterator[tuple[str, bytes]]):
    """A running command, and its output piece by piece: ``("stdout", octets)``.

    >>> with shell.start("tail -f /var/log/syslog") as command:  # doctest: +SKIP
    ...     for stream, octets in command:
    ...         print(stream, octets)
    """

    def __init__(self, command: _telarch.Command) -> None:
        self._command = command
        #: What it returned, once it has ended.
        self.exit_code: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def id(self) -> str:
        """The identifier the service gave it."""
        return self._command.id

    def __next__(self) -> tuple[str, bytes]:
        output = self._command.next_output().wait()
        if isinstance(output, int):
            self.exit_code = output
            raise StopIteration
        return output

    def write(self, data: bytes | str, *, end: bool = False) -> None:
        """Give the command input; ``end`` says that there is no further one."""
        octets = data.encode() if isinstance(data, str) else bytes(data)
        if octets:
            self._command.write(octets).wait()
        if end:
            self._command.close_input().wait()

    def signal(self, name: str = "ctrl_c") -> None:
        """Send a signal: ``ctrl_c``, ``ctrl_break`` or ``terminate``."""
        self._command.signal(name).wait()

    def wait(self) -> tuple[bytes, bytes, int]:
        """Gather what is left of output and error output, and the exit code."""
        pieces: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
        for stream, octets in self:
            pieces.setdefault(stream, []).append(octets)
        assert self.exit_code is not None
        return b"".join(pieces["stdout"]), b"".join(pieces["stderr"]), self.exit_code

    def close(self) -> None:
        """Let go of the command, ending it if it still runs."""
        self._command.finish().wait()
