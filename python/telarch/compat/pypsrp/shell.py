"""Shell of pypsrp and its processes."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from ..._settings import ShellSettings
from ..._telarch import Command
from ..._telarch import Shell as NativeShell
from .exceptions import WinRMError, WSManFaultError, translated
from .wsman import WSMan

if TYPE_CHECKING:
    from typing_extensions import Self

_SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"


class CommandState:
    """State of a process."""

    DONE = f"{_SHELL}/CommandState/Done"
    PENDING = f"{_SHELL}/CommandState/Pending"
    RUNNING = f"{_SHELL}/CommandState/Running"


class SignalCode:
    """Signal for a process."""

    CTRL_C = f"{_SHELL}/signal/ctrl_c"
    CTRL_BREAK = f"{_SHELL}/signal/ctrl_break"
    TERMINATE = f"{_SHELL}/signal/Terminate"
    PS_CTRL_C = "powershell/signal/ctrl_c"


class WinRS:
    """A shell, opened by ``with`` or ``open()``."""

    def __init__(
        self,
        wsman: WSMan,
        resource_uri: str = f"{_SHELL}/cmd",
        id: str | None = None,
        input_streams: str = "stdin",
        output_streams: str = "stdout stderr",
        codepage: int | None = None,
        environment: Mapping[object, object] | None = None,
        idle_time_out: int | str | None = None,
        lifetime: int | None = None,
        name: str | None = None,
        no_profile: bool = False,
        working_directory: str | None = None,
    ) -> None:
        if resource_uri != f"{_SHELL}/cmd" or id is not None:
            raise WinRMError("telarch supports only command shells, without a shell ID from the client")
        self.wsman = wsman
        self.opened = False
        self.id: str | None = None
        self.resource_uri = resource_uri
        self.input_streams = input_streams
        self.output_streams = output_streams
        self.codepage = codepage
        self.environment = environment
        self.idle_time_out = idle_time_out
        #: Services ignore it.
        self.lifetime = lifetime
        self.name = name
        self.no_profile = no_profile
        self.working_directory = working_directory
        self._shell: NativeShell | None = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:
        """Open the shell; does nothing if it is open."""
        if self.opened:
            return
        settings: ShellSettings = {
            "environment": {str(name): str(value) for name, value in (self.environment or {}).items()},
            "directory": self.working_directory,
            "name": self.name,
            "no_profile": self.no_profile,
        }
        if self.codepage is not None:
            settings["code_page"] = self.codepage
        if self.idle_time_out is not None:
            settings["idle_timeout"] = float(self.idle_time_out)
            self.idle_time_out = f"PT{float(self.idle_time_out):.3f}S"
        with translated():
            self._shell = self.wsman.session._client.shell(**settings).wait()
        self.id = self._shell.id
        self.opened = True

    def close(self) -> None:
        """Close the shell and end its processes; does nothing if it is closed."""
        if self._shell is None:
            return
        shell, self._shell = self._shell, None
        self.id, self.opened = None, False
        with translated():
            shell.close().wait()

    def _start(self, executable: str, arguments: Iterable[str], no_shell: bool) -> Command:
        if self._shell is None:
            raise WinRMError("the shell is not open")
        with translated():
            return self._shell.start(executable, list(arguments), skip_shell=no_shell).wait()


class Process:
    """A command in a shell."""

    def __init__(
        self,
        shell: WinRS,
        executable: str,
        arguments: Iterable[str] | None = None,
        id: str | None = None,
        no_shell: bool = False,
    ) -> None:
        self.shell = shell
        self.id = id
        self.no_shell = no_shell
        self.executable = executable
        self.arguments = arguments
        self.state = CommandState.PENDING
        self.rc: int | None = None
        self.stdout = b""
        self.stderr = b""
        self._command: Command | None = None

    def begin_invoke(self) -> None:
        """Start the process and return."""
        self._command = self.shell._start(self.executable, self.arguments or (), self.no_shell)
        self.id = self._command.id
        self.state = CommandState.RUNNING

    def end_invoke(self) -> None:
        """Wait for the end of the process."""
        while self.state != CommandState.DONE:
            self.poll_invoke()

    def invoke(self) -> None:
        """Start the process and wait for its end."""
        self.begin_invoke()
        self.end_invoke()

    def poll_invoke(self, timeout: int | None = None) -> None:
        """Wait for the next piece of output, or for the operation timeout."""
        limit = self.shell.wsman.operation_timeout if timeout is None else timeout
        try:
            with translated():
                output = self._started().next_output().wait(float(limit))
        except builtins.TimeoutError:
            return
        if isinstance(output, int):
            self.state, self.rc = CommandState.DONE, output
        elif output[0] == "stdout":
            self.stdout += output[1]
        else:
            self.stderr += output[1]

    def send(self, data: bytes, end: bool = True) -> None:
        """Write input for the process; ``end`` closes the input."""
        command = self._started()
        with translated():
            if data:
                command.write(data).wait()
            if end:
                command.close_input().wait()

    def signal(self, code: str) -> None:
        """Send a signal; for a process that has ended, release it."""
        name = code.rsplit("/", 1)[-1].lower()
        with translated():
            if self.state == CommandState.DONE or name == "terminate":
                self._started().finish().wait()
            else:
                self._started().signal(name).wait()

    def _started(self) -> Command:
        if self._command is None:
            reason = "the process was not started"
            raise WSManFaultError(87, self.shell.wsman.server, reason, None, None, None)
        return self._command
