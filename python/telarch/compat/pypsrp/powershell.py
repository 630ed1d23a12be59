"""Classes of pypsrp for PowerShell remoting, which telarch does not support."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NoReturn

from .exceptions import UnsupportedPSRPError

DEFAULT_CONFIGURATION_NAME = "Microsoft.PowerShell"


@dataclass
class PSDataStreams:
    """Streams of a script other than its output; a shell transfers only errors."""

    debug: list[Any] = field(default_factory=list)
    error: list[Any] = field(default_factory=list)
    information: list[Any] = field(default_factory=list)
    progress: list[Any] = field(default_factory=list)
    verbose: list[Any] = field(default_factory=list)
    warning: list[Any] = field(default_factory=list)


class RunspacePool:
    """Not supported."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _absent("RunspacePool")


class PowerShell:
    """Not supported."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _absent("PowerShell")


def require_default(configuration_name: str) -> None:
    """Raise an error for an endpoint that requires PowerShell remoting."""
    if configuration_name != DEFAULT_CONFIGURATION_NAME:
        _absent(f"the configuration {configuration_name}")


def _absent(what: str) -> NoReturn:
    raise UnsupportedPSRPError(
        f"{what} requires PowerShell remoting (PSRP), which telarch does not support\n"
        "  use Client.execute_ps, which runs a script in a shell, or pypsrp itself"
    )
