"""Classes of pypsrp for PowerShell remoting."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from ... import _remoting
from ..._errors import Error
from ..._remoting import PipelineCommand
from .complex_objects import ApartmentState, Command, ObjectMeta, PSInvocationState, PSThreadOptions, RunspacePoolState
from .exceptions import (
    InvalidPipelineStateError,
    InvalidPSRPOperation,
    InvalidRunspacePoolStateError,
    UnsupportedPSRPError,
    translated,
)
from .wsman import WSMan

if TYPE_CHECKING:
    from typing_extensions import Self

DEFAULT_CONFIGURATION_NAME = "Microsoft.PowerShell"

_STATES = {
    "completed": PSInvocationState.COMPLETED,
    "stopped": PSInvocationState.STOPPED,
    "failed": PSInvocationState.FAILED,
}


@dataclass
class PSDataStreams:
    """Streams of a pipeline other than its output."""

    debug: list[Any] = field(default_factory=list)
    error: list[Any] = field(default_factory=list)
    information: list[Any] = field(default_factory=list)
    progress: list[Any] = field(default_factory=list)
    verbose: list[Any] = field(default_factory=list)
    warning: list[Any] = field(default_factory=list)


class RunspacePool:
    """Runspaces on a service. Host calls of scripts are refused."""

    def __init__(
        self,
        connection: WSMan,
        apartment_state: int = ApartmentState.UNKNOWN,
        thread_options: int = PSThreadOptions.DEFAULT,
        host: Any = None,
        configuration_name: str = DEFAULT_CONFIGURATION_NAME,
        min_runspaces: int = 1,
        max_runspaces: int = 1,
        session_key_timeout_ms: int = 60000,
        *,
        no_profile: bool = False,
        idle_timeout: int | None = None,
    ) -> None:
        if host is not None:
            _absent("a host")
        if no_profile:
            _absent("no_profile")
        self.connection = connection
        self.id = str(uuid.uuid4()).upper()
        self.state = RunspacePoolState.BEFORE_OPEN
        self.apartment_state = apartment_state
        self.thread_options = thread_options
        self.host = None
        self._configuration_name = configuration_name
        self._min_runspaces = min_runspaces
        self._max_runspaces = max_runspaces
        self._idle_timeout = idle_timeout
        self._pool: _remoting.RunspacePool | None = None
        #: The pipelines of the pool, by their identifiers.
        self.pipelines: dict[str, PowerShell] = {}
        #: Whether another client has opened the pool.
        self._new_client = False

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self, application_arguments: Any = None) -> None:
        """Open the pool."""
        if self.state == RunspacePoolState.OPENED:
            return
        if self.state != RunspacePoolState.BEFORE_OPEN:
            raise InvalidRunspacePoolStateError(self.state, RunspacePoolState.BEFORE_OPEN, "open a new Runspace Pool")
        if application_arguments:
            _absent("application_arguments")
        with translated():
            self._pool = self.connection.session.runspace_pool(
                configuration=self._configuration_name,
                min_runspaces=self._min_runspaces,
                max_runspaces=self._max_runspaces,
                idle_timeout=self._idle_timeout,
            )
        self.id = self._pool.id.upper()
        self.state = RunspacePoolState.OPENED

    def close(self) -> None:
        """Close the pool and end its pipelines."""
        if self._new_client and self.state == RunspacePoolState.DISCONNECTED:
            self.connect()
        pool, self._pool = self._pool, None
        if pool is not None:
            with translated():
                pool.close()
        self.state = RunspacePoolState.CLOSED

    def connect(self) -> None:
        """Connect to the pool after ``disconnect``, or to a pool of ``get_runspace_pools``."""
        if self.state == RunspacePoolState.OPENED:
            return
        if self.state != RunspacePoolState.DISCONNECTED:
            raise InvalidRunspacePoolStateError(
                self.state, RunspacePoolState.DISCONNECTED, "connect to a disconnected Runspace Pool"
            )
        with translated():
            if self._new_client:
                self._pool = self.connection.session.connect_runspace_pool(
                    self.id, configuration=self._configuration_name
                )
                self._min_runspaces, self._max_runspaces = self._pool._pool.runspaces().wait()
                self._new_client = False
            elif self._pool is not None:
                self._pool.reconnect()
        self.state = RunspacePoolState.OPENED

    def disconnect(self) -> None:
        """Disconnect from the pool, whose pipelines continue, also when this object is no longer used."""
        if self.state == RunspacePoolState.DISCONNECTED:
            return
        pool = self._require("disconnect a Runspace Pool")
        for pipeline in self.pipelines.values():
            pipeline._finish_input()
        with translated():
            pool.disconnect()
            pool._pool.leave().wait()
        self.state = RunspacePoolState.DISCONNECTED
        for pipeline in self.pipelines.values():
            pipeline._disconnect()

    @property
    def application_private_data(self) -> Any:
        """The data with which the service describes itself."""
        with translated():
            return self._require("read application_private_data").private_data()

    @property
    def min_runspaces(self) -> int:
        """The minimum number of runspaces."""
        return self._min_runspaces

    @min_runspaces.setter
    def min_runspaces(self, count: int) -> None:
        if self._pool is not None:
            with translated():
                if not self._pool._pool.set_minimum(count).wait():
                    raise InvalidPSRPOperation("Failed to set minimum runspaces")
        self._min_runspaces = count

    @property
    def max_runspaces(self) -> int:
        """The maximum number of runspaces."""
        return self._max_runspaces

    @max_runspaces.setter
    def max_runspaces(self, count: int) -> None:
        if self._pool is not None:
            with translated():
                if not self._pool._pool.set_maximum(count).wait():
                    raise InvalidPSRPOperation("Failed to set maximum runspaces")
        self._max_runspaces = count

    def get_available_runspaces(self) -> int:
        """Return the number of pipelines that can start at once."""
        with translated():
            return self._require("get available Runspaces").available_runspaces()

    def reset_runspace_state(self) -> bool:
        """Remove all variables and functions."""
        with translated():
            return self._require("reset Runspace Pool state")._pool.reset().wait()

    def exchange_keys(self) -> None:
        """Exchange the keys for encrypted text; ``serialize`` does so when it needs them."""
        with translated():
            self._require("exchange Runspace Pool keys").protect("")

    def serialize(self, obj: Any, metadata: ObjectMeta | None = None) -> Any:
        """Return an object for an argument or input; with ``ObjectMeta("SS")``, encrypted text."""
        if metadata is not None and metadata.tag == "SS":
            with translated():
                return self._require("serialize a secure string").protect(obj)
        return obj

    @staticmethod
    def get_runspace_pools(connection: WSMan) -> list[RunspacePool]:
        """List the disconnected pools of the service, with their pipelines."""
        with translated():
            found = connection.session.disconnected_pools()
            pools = []
            for description in found:
                pool = RunspacePool(connection, configuration_name=description.configuration)
                pool.id = description.id.upper()
                pool.state = RunspacePoolState.DISCONNECTED
                pool._new_client = True
                for identifier in connection.session.pipelines_of(description.id):
                    pipeline = PowerShell(pool)
                    pipeline.id = identifier.upper()
                    pipeline.state = PSInvocationState.DISCONNECTED
                    pool.pipelines[pipeline.id] = pipeline
                pools.append(pool)
        return pools

    def create_disconnected_power_shells(self) -> list[PowerShell]:
        """Return the pipelines of the pool that run without a client."""
        pipelines = self.pipelines.values()
        return [pipeline for pipeline in pipelines if pipeline.state == PSInvocationState.DISCONNECTED]

    def _require(self, action: str) -> _remoting.RunspacePool:
        if self._pool is None or self.state != RunspacePoolState.OPENED:
            raise InvalidRunspacePoolStateError(self.state, RunspacePoolState.OPENED, action)
        return self._pool


class PowerShell:
    """A pipeline, which can be invoked more than once."""

    def __init__(self, runspace_pool: RunspacePool) -> None:
        self.runspace_pool = runspace_pool
        self.state = PSInvocationState.NOT_STARTED
        self.commands: list[PipelineCommand] = []
        self.had_errors = False
        self.id = str(uuid.uuid4()).upper()
        self.streams = PSDataStreams()
        self.output: list[Any] = []
        self._begins_statement = False
        self._pipeline: _remoting.Pipeline | None = None
        self._feeder: _remoting.Feeder | None = None
        #: Whether the pipeline runs in the runspace of another one that waits for the client.
        self.is_nested = False
        self._from_disconnect = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the pipeline; a running pipeline is ended."""
        pipeline, self._pipeline = self._pipeline, None
        self.runspace_pool.pipelines.pop(self.id, None)
        if pipeline is not None:
            self.state = PSInvocationState.STOPPED
            with translated():
                pipeline.close()

    def clear_streams(self) -> None:
        """Empty the output and the streams, to which every invocation appends."""
        self.streams, self.output = PSDataStreams(), []

    def add_argument(self, value: Any) -> Self:
        """Add an argument to the last command."""
        self._last("add an argument").arguments.append((None, value))
        return self

    def add_parameter(self, parameter_name: str, value: Any = None) -> Self:
        """Add a named parameter to the last command."""
        self._last("add a parameter").arguments.append((parameter_name, value))
        return self

    def add_parameters(self, parameters: Mapping[str, Any]) -> Self:
        """Add named parameters to the last command."""
        for name, value in parameters.items():
            self.add_parameter(name, value)
        return self

    def add_command(self, command: Command) -> Self:
        """Add a command object."""
        return self._add(command.cmd, command.is_script, command.use_local_scope)

    def add_cmdlet(self, cmdlet: str, use_local_scope: bool | None = None) -> Self:
        """Add a command that receives the output of the last one."""
        return self._add(cmdlet, False, use_local_scope)

    def add_script(self, script: str, use_local_scope: bool | None = None) -> Self:
        """Add a script that receives the output of the last command."""
        return self._add(script, True, use_local_scope)

    def add_statement(self) -> Self:
        """Begin another statement with the next command."""
        self._begins_statement = bool(self.commands)
        return self

    def clear_commands(self) -> Self:
        """Remove all commands."""
        self.commands = []
        self._begins_statement = False
        return self

    def merge_error(self, to: str = "none") -> Self:
        """Redirect the errors of the last command."""
        return self._merge("error", to)

    def merge_warning(self, to: str = "none") -> Self:
        """Redirect the warnings of the last command."""
        return self._merge("warning", to)

    def merge_verbose(self, to: str = "none") -> Self:
        """Redirect the verbose messages of the last command."""
        return self._merge("verbose", to)

    def merge_debug(self, to: str = "none") -> Self:
        """Redirect the debug messages of the last command."""
        return self._merge("debug", to)

    def merge_information(self, to: str = "none") -> Self:
        """Redirect the information records of the last command."""
        return self._merge("information", to)

    def merge_all(self, to: str = "none") -> Self:
        """Redirect all streams of the last command."""
        for stream in ("error", "warning", "verbose", "debug", "information"):
            self._merge(stream, to)
        return self

    def merge_reset(self) -> Self:
        """Redirect no stream of the last command."""
        self._last("reset merges").merges.clear()
        return self

    def invoke(self, input: Any = None, **options: Any) -> list[Any]:
        """Run the pipeline to its end and return its output."""
        self.begin_invoke(input, **options)
        return self.end_invoke()

    def begin_invoke(self, input: Any = None, **options: Any) -> None:
        """Start the pipeline; ``input`` is an object, or a generator of objects and lists of them."""
        if self.state in (PSInvocationState.RUNNING, PSInvocationState.STOPPING):
            raise InvalidPipelineStateError(self.state, PSInvocationState.NOT_STARTED, "start a PowerShell pipeline")
        if not self.commands:
            raise InvalidPSRPOperation("Cannot invoke PowerShell without any commands being set")
        if options.get("add_to_history"):
            _absent("add_to_history")
        pool = self.runspace_pool._require("start a PowerShell pipeline")
        has_input = input is not None and bool(input)
        self.had_errors = False
        with translated():
            started = pool._pool.start(self.commands, has_input, self.is_nested).wait()
            self._pipeline = _remoting.Pipeline(started)
        self.runspace_pool.pipelines.pop(self.id, None)
        self.id = self._pipeline.id.upper()
        self.runspace_pool.pipelines[self.id] = self
        self.state = PSInvocationState.RUNNING
        self._feeder = None
        if has_input:
            self._feeder = _remoting.Feeder(self._pipeline, _each(input))
            self._feeder.start()

    def poll_invoke(self, timeout: int | None = None) -> None:
        """Wait for one object, record, or the end, up to ``timeout`` seconds."""
        if self._pipeline is None:
            return
        limit = self.runspace_pool.connection.operation_timeout if timeout is None else timeout
        try:
            with translated():
                step = self._pipeline.step(limit)
        except TimeoutError as error:
            if isinstance(error, Error):
                raise
            return
        if step is not None:
            self._receive(*step)
            return
        pipeline, self._pipeline = self._pipeline, None
        self.runspace_pool.pipelines.pop(self.id, None)
        self.state = _STATES[pipeline.state or "failed"]
        if pipeline.failure is not None:
            self._receive("error", pipeline.failure)
        self.had_errors |= pipeline.state == "failed"
        with translated():
            pipeline.close()
            if self._feeder is not None:
                self._feeder.check(pipeline.state)

    def end_invoke(self) -> list[Any]:
        """Wait for the end and return the output."""
        while self.state in (PSInvocationState.RUNNING, PSInvocationState.STOPPING):
            self.poll_invoke()
            if self._pipeline is not None:
                for stream, record in self._pipeline.arrived():
                    self._receive(stream, record)
        return self.output

    def stop(self) -> None:
        """Stop the pipeline; its last records still arrive."""
        if self.state in (PSInvocationState.STOPPING, PSInvocationState.STOPPED):
            return
        if self._pipeline is None or self.state != PSInvocationState.RUNNING:
            raise InvalidPipelineStateError(self.state, PSInvocationState.RUNNING, "stop a running pipeline")
        self.state = PSInvocationState.STOPPING
        with translated():
            self._pipeline.stop()
        self.end_invoke()

    def create_nested_power_shell(self) -> PowerShell:
        """Return a pipeline that runs in the runspace of this one while this one waits for the client."""
        if self.state != PSInvocationState.RUNNING:
            raise InvalidPipelineStateError(
                self.state, PSInvocationState.RUNNING, "create a nested PowerShell pipeline"
            )
        if self._from_disconnect:
            raise InvalidPSRPOperation(
                "Cannot created a nested PowerShell pipeline from an existing pipeline that was connected to remotely"
            )
        nested = PowerShell(self.runspace_pool)
        nested.is_nested = True
        return nested

    def connect(self) -> list[Any]:
        """Connect to the disconnected pipeline, wait for its end and return its output."""
        self.connect_async()
        return self.end_invoke()

    def connect_async(self) -> None:
        """Connect to the disconnected pipeline; ``end_invoke`` waits for its end."""
        if self.state != PSInvocationState.DISCONNECTED:
            raise InvalidPipelineStateError(
                self.state, PSInvocationState.DISCONNECTED, "connect to a disconnected pipeline"
            )
        pool = self.runspace_pool._require("connect to a disconnected pipeline")
        with translated():
            self._pipeline = pool.connect_pipeline(self.id)
        self.state = PSInvocationState.RUNNING
        self._from_disconnect = True

    def _finish_input(self) -> None:
        """Wait until all input is sent, which pypsrp does before ``begin_invoke`` returns."""
        if self._feeder is not None:
            self._feeder.join()

    def _disconnect(self) -> None:
        """Leave the pipeline running; ``connect_async`` connects to it again."""
        if self.state in (PSInvocationState.RUNNING, PSInvocationState.STOPPING):
            self.state = PSInvocationState.DISCONNECTED
            # The native pipeline is released here: once the pool is open again, its release would end the pipeline.
            self._pipeline = self._feeder = None

    def _add(self, text: str, is_script: bool, use_local_scope: bool | None) -> Self:
        command = PipelineCommand(text, is_script, self._begins_statement, use_local_scope)
        self.commands.append(command)
        self._begins_statement = False
        return self

    def _merge(self, stream: str, to: str) -> Self:
        self._last(f"merge {stream}").merges[stream] = to
        return self

    def _last(self, action: str) -> PipelineCommand:
        if not self.commands or self._begins_statement:
            raise InvalidPSRPOperation(f"Cannot {action} without a command; call add_cmdlet or add_script first")
        return self.commands[-1]

    def _receive(self, stream: str, record: Any) -> None:
        if stream == "output":
            self.output.append(record)
        else:
            getattr(self.streams, stream).append(record)
            self.had_errors |= stream == "error"


def require_default(configuration_name: str) -> None:
    """Raise an error for an endpoint that requires PowerShell remoting."""
    if configuration_name != DEFAULT_CONFIGURATION_NAME:
        _absent(f"a copy through the configuration {configuration_name}")


def _each(input: Any) -> Iterable[Any]:
    """Return the input objects; pypsrp takes one object, a list of objects, or a generator of both."""
    if isinstance(input, list):
        return input
    return _flattened(input) if isinstance(input, Iterator) else [input]


def _flattened(input: Iterator[Any]) -> Iterator[Any]:
    for piece in input:
        if isinstance(piece, list):
            yield from piece
        else:
            yield piece


def _absent(what: str) -> NoReturn:
    raise UnsupportedPSRPError(f"telarch does not support {what}; use pypsrp itself for it")
