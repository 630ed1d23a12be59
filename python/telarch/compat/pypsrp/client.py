"""Client of pypsrp."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..._telarch import clean_clixml
from .exceptions import WinRMError, translated
from .powershell import DEFAULT_CONFIGURATION_NAME, PowerShell, PSDataStreams, RunspacePool, require_default
from .shell import Process, SignalCode, WinRS
from .wsman import WSMan

if TYPE_CHECKING:
    from typing_extensions import Self


class Client:
    """Commands, scripts and files on one host."""

    def __init__(self, server: str, **kwargs: Any) -> None:
        self.wsman = WSMan(server, **kwargs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the connection."""
        self.wsman.close()

    def execute_cmd(
        self, command: str, encoding: str = "437", environment: Mapping[str, str] | None = None
    ) -> tuple[str, str, int]:
        """Run a command; returns output, error output and exit code."""
        with WinRS(self.wsman, environment=environment) as shell:  # type: ignore[arg-type]
            process = Process(shell, command)
            process.invoke()
            process.signal(SignalCode.CTRL_C)
        rc = -1 if process.rc is None else process.rc
        return _text(process.stdout, encoding), _text(process.stderr, encoding), rc

    def execute_ps(
        self,
        script: str,
        configuration_name: str = DEFAULT_CONFIGURATION_NAME,
        environment: Mapping[str, str] | None = None,
    ) -> tuple[str, PSDataStreams, bool]:
        """Run a script in PowerShell; returns its output as text, the streams, and True if errors occurred."""
        with RunspacePool(self.wsman, configuration_name=configuration_name) as pool:
            shell = PowerShell(pool)
            for name, value in (environment or {}).items():
                shell.add_cmdlet("New-Item").add_parameters(
                    {"Path": "env:", "Name": name, "Value": value, "Force": True}
                )
                shell.add_cmdlet("Out-Null").add_statement()
            shell.add_cmdlet("Invoke-Expression").add_parameter("Command", script)
            shell.add_cmdlet("Out-String").add_parameter("Stream")
            shell.invoke()
        return "\n".join(map(str, shell.output)), shell.streams, shell.had_errors

    def copy(
        self,
        src: str,
        dest: str,
        configuration_name: str = DEFAULT_CONFIGURATION_NAME,
        expand_variables: bool = False,
    ) -> str:
        """Copy a local file to the host; returns its full path there."""
        require_default(configuration_name)
        if expand_variables:
            src = os.path.expanduser(os.path.expandvars(src))
            _require_plain(dest)
        with translated():
            return self.wsman.session.copy(src, dest)

    def fetch(
        self,
        src: str,
        dest: str,
        configuration_name: str = DEFAULT_CONFIGURATION_NAME,
        expand_variables: bool = False,
    ) -> None:
        """Copy a file of the host to this machine."""
        require_default(configuration_name)
        if expand_variables:
            dest = os.path.expanduser(os.path.expandvars(dest))
            _require_plain(src)
        with translated():
            self.wsman.session.fetch(src, dest)

    @staticmethod
    def sanitise_clixml(clixml: str) -> str:
        """Return the errors in CLIXML output of PowerShell as text."""
        if not clixml.startswith("#< CLIXML"):
            return clixml
        return clean_clixml(clixml.encode()) or ""


def _text(octets: bytes, encoding: str) -> str:
    # telarch requests UTF-8 from services, independent of their code page.
    return octets.decode("utf-8" if encoding == "437" else encoding, errors="replace")


def _require_plain(path: str) -> None:
    if "%" in path or "$" in path:
        raise WinRMError(f"{path}: variables of the remote machine are not expanded; use the full path")
