"""Synchronous PowerShell remoting, and what it shares with asyncio."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from . import _telarch
from ._errors import Error, PipelineError
from ._telarch import SecureString
from ._values import ErrorRecord, InformationalRecord, InformationRecord, ProgressRecord

if TYPE_CHECKING:
    from typing_extensions import Self

#: A stream of a pipeline.
Stream = Literal["output", "error", "warning", "verbose", "debug", "information", "progress"]
#: State of a pipeline that has ended.
State = Literal["completed", "stopped", "failed"]

_ENDS = ("completed", "stopped", "failed")
#: Number of input objects of a list that are sent together.
_BATCH = 100
#: Length of strings after which they are sent, although there are fewer: their copies are in memory at the same time.
_BATCH_LENGTH = 300_000


@dataclass
class PipelineCommand:
    """A command or script in a pipeline, for the native part."""

    text: str
    is_script: bool = False
    #: Whether it begins a statement instead of receiving the output of the command before it.
    is_statement: bool = False
    use_local_scope: bool | None = None
    arguments: list[tuple[str | None, Any]] = field(default_factory=list)
    merges: dict[str, str] = field(default_factory=dict)


@dataclass
class PipelineResult:
    """The streams of a pipeline that has ended. A list has one element for each object or record."""

    output: list[Any] = field(default_factory=list)
    #: Errors; the last one ended the pipeline if its state is ``failed``.
    error: list[ErrorRecord] = field(default_factory=list)
    warning: list[InformationalRecord] = field(default_factory=list)
    verbose: list[InformationalRecord] = field(default_factory=list)
    debug: list[InformationalRecord] = field(default_factory=list)
    information: list[InformationRecord] = field(default_factory=list)
    progress: list[ProgressRecord] = field(default_factory=list)
    state: State = "completed"

    @property
    def had_errors(self) -> bool:
        """Whether the pipeline has written an error or was ended by one."""
        return bool(self.error) or self.state == "failed"

    def check(self) -> PipelineResult:
        """Return the result itself, or raise ``PipelineError`` if the pipeline had errors or was stopped."""
        if self.had_errors or self.state == "stopped":
            reason = str(self.error[-1]) if self.error else f"the state is {self.state}"
            error = PipelineError(f"the pipeline failed: {reason}")
            error.result = self
            raise error
        return self

    def add(self, stream: str, record: Any) -> None:
        """Append a record to a stream, or apply the state at the end."""
        if stream in _ENDS:
            self.state = stream  # type: ignore[assignment]
            stream = "error"
        if record is not None or stream == "output":
            getattr(self, stream).append(record)


@dataclass(frozen=True)
class DisconnectedPool:
    """A runspace pool on a service that has no client."""

    id: str
    #: The display name, if its client has set one.
    name: str | None
    #: The endpoint.
    configuration: str
    #: The account that opened it.
    owner: str


class Commands:
    """The commands of a pipeline that has not started."""

    def __init__(self, pool: _telarch.Runspaces, first: PipelineCommand) -> None:
        self._pool = pool
        self._commands = [first]

    def __repr__(self) -> str:
        text = ""
        for command in self._commands:
            separator = "; " if command.is_statement else " | " if text else ""
            text += separator + command.text
        return f"<{type(self).__name__} {text}>"

    def argument(self, *values: Any) -> Self:
        """Add arguments to the last command."""
        self._commands[-1].arguments.extend((None, value) for value in values)
        return self

    def parameter(self, name: str, value: Any = None) -> Self:
        """Add a named parameter to the last command; None is the value of a switch."""
        self._commands[-1].arguments.append((name, value))
        return self

    def pipe(self, command: str, *arguments: Any, **parameters: Any) -> Self:
        """Add a command that receives the output of the last one."""
        return self._add(PipelineCommand(command), arguments, parameters)

    def pipe_script(self, script: str, *arguments: Any, **parameters: Any) -> Self:
        """Add a script that receives the output of the last command."""
        return self._add(PipelineCommand(script, is_script=True), arguments, parameters)

    def statement(self, command: str, *arguments: Any, **parameters: Any) -> Self:
        """Add a command that begins another statement; statements run one after the other."""
        return self._add(PipelineCommand(command, is_statement=True), arguments, parameters)

    def merge(self, stream: str, target: Literal["none", "output", "null"] = "output") -> Self:
        """Redirect a stream of the last command to its output, or discard it."""
        self._commands[-1].merges[stream] = target
        return self

    def _add(self, command: PipelineCommand, arguments: Iterable[Any], parameters: dict[str, Any]) -> Self:
        self._commands.append(command)
        self._commands[-1].arguments += call(arguments, parameters)
        return self


def call(arguments: Iterable[Any], parameters: dict[str, Any]) -> list[tuple[str | None, Any]]:
    """Return positional and named arguments in one list."""
    return [(None, value) for value in arguments] + list(parameters.items())


def batches(values: Iterable[Any]) -> Iterator[list[Any]]:
    """Split a sequence into pieces that are sent together; other iterables may be slow, so their items go one by one."""
    if isinstance(values, Sequence):
        for start in range(0, len(values), _BATCH):
            yield from _pieces(values[start : start + _BATCH])
    else:
        for value in values:
            yield [value]


def _pieces(values: Sequence[Any]) -> Iterator[list[Any]]:
    """Split a batch where the strings in it become long."""
    piece: list[Any] = []
    length = 0
    for value in values:
        piece.append(value)
        length += len(value) if isinstance(value, (str, bytes)) else 0
        if length >= _BATCH_LENGTH:
            yield piece
            piece, length = [], 0
    if piece:
        yield piece


class RunspacePool:
    """Runspaces on a service, in which scripts of PowerShell run; use it in a ``with`` statement.

    >>> with session.runspace_pool() as pool:  # doctest: +SKIP
    ...     for process in pool.command("Get-Process", Name="pwsh").run().output:
    ...         print(process["Id"], process["CPU"])
    """

    def __init__(self, pool: _telarch.Runspaces) -> None:
        self._pool = pool
        self._is_left = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def id(self) -> str:
        """The identifier of the pool."""
        return self._pool.id

    def script(self, text: str, *arguments: Any, **parameters: Any) -> Script:
        """Prepare a script with arguments."""
        command = PipelineCommand(text, is_script=True, arguments=call(arguments, parameters))
        return Script(self._pool, command)

    def command(self, name: str, *arguments: Any, **parameters: Any) -> Script:
        """Prepare a command such as ``Get-Process`` with arguments; None is the value of a switch."""
        return Script(self._pool, PipelineCommand(name, arguments=call(arguments, parameters)))

    def run(self, script: str, *arguments: Any, **parameters: Any) -> PipelineResult:
        """Run a script to its end and return its streams."""
        return self.script(script, *arguments, **parameters).run()

    def protect(self, text: str) -> SecureString:
        """Encrypt text for an argument of the type ``SecureString``; the first call exchanges keys with the service."""
        return self._pool.protect(text).wait()

    def private_data(self) -> Any:
        """Return the data with which the service describes itself, such as ``PSVersionTable``."""
        return self._pool.private_data().wait()

    def available_runspaces(self) -> int:
        """Return the number of pipelines that can start at once."""
        return int(self._pool.available().wait())

    def disconnect(self, idle_timeout: float | None = None) -> None:
        """Disconnect; pipelines continue, and the service keeps the pool for ``idle_timeout`` seconds."""
        self._pool.disconnect(idle_timeout).wait()

    def reconnect(self) -> None:
        """Reconnect after ``disconnect``."""
        self._pool.reconnect().wait()

    def leave(self, idle_timeout: float | None = None) -> None:
        """Disconnect and leave the pool to another client, which connects with ``Session.connect_runspace_pool``.

        The service keeps the pool and its pipelines for ``idle_timeout`` seconds.
        """
        self._pool.disconnect(idle_timeout).wait()
        self._pool.leave().wait()
        self._is_left = True

    def connect_pipeline(self, id: str) -> Pipeline:
        """Connect to a pipeline that another client has started; see ``Session.pipelines_of``."""
        return Pipeline(self._pool.connect_pipeline(id).wait())

    def close(self) -> None:
        """Close the pool and end its pipelines; a pool that was left to another client stays."""
        if not self._is_left:
            self._pool.close().wait()


class Script(Commands):
    """A pipeline that has not started."""

    def start(self, *, with_input: bool = False) -> Pipeline:
        """Start the pipeline; use it in a ``with`` statement. With input, call ``end_input`` after the last ``send``."""
        return Pipeline(self._pool.start(self._commands, with_input).wait())

    def run(self, input: Iterable[Any] | None = None) -> PipelineResult:
        """Run the pipeline to its end and return its streams.

        ``input`` is read in another thread while the pipeline runs. An exception that it raises stops the pipeline.
        """
        with self.start(with_input=input is not None) as pipeline:
            if input is None:
                return pipeline.wait()
            feeder = Feeder(pipeline, input)
            feeder.start()
            result = pipeline.wait()
            feeder.check(result.state)
            return result


class Feeder(threading.Thread):
    """Sends the input of a pipeline while another thread reads its output."""

    def __init__(self, pipeline: Pipeline, values: Iterable[Any]) -> None:
        super().__init__(name="telarch-input", daemon=True)
        self._pipeline = pipeline
        self._values = values
        self._failure: BaseException | None = None

    def run(self) -> None:
        try:
            for batch in batches(self._values):
                self._pipeline.send(*batch)
            self._pipeline.end_input()
        except BaseException as error:
            # A pipeline may end before it has read all of its input.
            if self._pipeline.state is None:
                self._failure = error
                self._pipeline.try_stop()

    def check(self, state: State | None) -> None:
        """Raise the exception that ended the input, if it also ended the pipeline."""
        raise_failure(self._failure, state)


def raise_failure(failure: BaseException | None, state: State | None) -> None:
    """Raise the exception that ended the input of a pipeline.

    A request that failed because the pipeline no longer reads its input is no failure.
    """
    if failure is not None and (state == "stopped" or not isinstance(failure, Error)):
        raise failure


class Steps:
    """Events of a pipeline that have arrived and were not returned, and its result behind them."""

    def __init__(self) -> None:
        self._steps: deque[tuple[str, Any]] = deque()
        #: Append steps of the native part.
        self.extend = self._steps.extend

    def next(self) -> tuple[str, Any] | None:
        """Return the next step, if one has arrived, or raise the error of its conversion."""
        try:
            step = self._steps.popleft()
        except IndexError:
            return None
        if step[0] == "raise":
            raise step[1]
        return step

    def next_event(self) -> tuple[str, Any] | None:
        """Return the next step, if it is an event that has arrived."""
        if not self._steps or self._steps[0][0] in _ENDS:
            return None
        return self.next()


class Pipeline(Iterator[tuple[Stream, Any]]):
    """A running pipeline and its objects and records: ``("output", object)``, ``("warning", record)``.

    >>> with pool.script("Get-Content -Wait app.log").start() as pipeline:  # doctest: +SKIP
    ...     for stream, record in pipeline:
    ...         print(stream, record)
    """

    def __init__(self, pipeline: _telarch.Pipeline) -> None:
        self._pipeline = pipeline
        self._steps = Steps()
        #: The state, after the pipeline has ended.
        self.state: State | None = None
        #: The error that ended the pipeline.
        self.failure: ErrorRecord | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def id(self) -> str:
        """The identifier of the pipeline."""
        return self._pipeline.id

    def __next__(self) -> tuple[Stream, Any]:
        step = self.step()
        if step is None:
            raise StopIteration
        return step

    def step(self, timeout: float | None = None) -> tuple[Stream, Any] | None:
        """Wait for the next object or record, up to ``timeout`` seconds; None at the end.

        A timeout raises the ``TimeoutError`` of Python and loses nothing.
        """
        while self.state is None:
            arrived = self._steps.next()
            if arrived is None:
                self._pipeline.ready().wait(timeout)
                self._steps.extend(self._pipeline.take())
            elif arrived[0] in _ENDS:
                self.failure = arrived[1]
                self.state = arrived[0]  # type: ignore[assignment]
            else:
                return arrived  # type: ignore[return-value]
        return None

    def arrived(self) -> Iterator[tuple[str, Any]]:
        """Return the objects and records that have arrived, without waiting."""
        while (step := self._steps.next_event()) is not None:
            yield step

    def wait(self) -> PipelineResult:
        """Wait for the end and return the remaining objects and records."""
        result = PipelineResult()
        for stream, record in self:
            result.add(stream, record)
        assert self.state is not None
        result.add(self.state, self.failure)
        return result

    def send(self, *values: Any) -> None:
        """Send objects to the input."""
        self._pipeline.send(list(values)).wait()

    def end_input(self) -> None:
        """End the input."""
        self._pipeline.end_input().wait()

    def stop(self) -> None:
        """Stop the pipeline as Ctrl-C does, also from another thread; its last records still arrive."""
        self._pipeline.stop().wait()

    def try_stop(self) -> None:
        """Stop the pipeline, without an error if that fails: the reader of its output reports why."""
        try:
            self.stop()
        except Error:
            pass

    def close(self) -> None:
        """Release the pipeline; a running pipeline is ended."""
        self._pipeline.finish().wait()
