"""Exceptions, classified by remedy."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._remoting import PipelineResult
    from ._telarch import Finished


class Error(Exception):
    """Base class of all errors of this package.

    ``str()`` returns the error and, on further lines, how to fix it and the error number to search for.
    """

    #: The message of the service, or of the failed operation.
    message: str = ""
    #: The Windows error number, unsigned as on the wire: 2150858770. None without a number.
    code: int | None = None
    #: The same number, signed as in scripts: -2144108526.
    hresult: int | None = None
    #: The name of the number in Windows headers: ``ERROR_WSMAN_DESTINATION_UNREACHABLE``.
    symbol: str | None = None
    #: A short explanation: ``cannot connect: connection refused``.
    cause: str | None = None
    #: Instructions for fixing the error, one per line, with the switches of the command lines.
    fix: tuple[str, ...] = ()
    #: The fault as an ``f:WSManFault`` element.
    xml: str | None = None
    #: The subcode of the fault: ``w:AccessDenied``.
    subcode: str | None = None
    #: The URI of the fault detail.
    detail: str | None = None
    #: The machine that reported the fault.
    machine: str | None = None
    #: The provider of the resource, if the provider failed.
    provider: str | None = None
    #: The authentication schemes of the service, after a failed login.
    offered: tuple[str, ...] = ()
    #: The authentication scheme used.
    tried: str | None = None

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message.split("\n", 1)[0]


class ArgumentError(Error, ValueError):
    """Invalid argument or setting. No request was sent."""


class ConnectError(Error, ConnectionError):
    """The service is unreachable or not trusted."""


class AuthenticationError(Error):
    """Authentication failed."""


class AccessDenied(Error, PermissionError):
    """Access denied."""


class TimeoutError(Error, builtins.TimeoutError):
    """The operation timed out."""


class QuotaError(Error):
    """A quota is exceeded."""


class Fault(Error):
    """The service reported another error."""


class ProtocolError(Error):
    """The response violates the protocol."""


class CopyError(Error):
    """A file transfer failed."""


class CommandError(Error):
    """A command failed; raised only by ``Finished.check()``."""

    #: The result of the command.
    finished: Finished


class PipelineError(Error):
    """A pipeline of PowerShell had errors; raised only by ``PipelineResult.check()``."""

    #: The result of the pipeline.
    result: PipelineResult


class FleetStopped(Error):
    """A limit of a fleet ended the operation on a machine."""
