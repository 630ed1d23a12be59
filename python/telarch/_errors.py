"""What can go wrong, by what one would do about it."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._telarch import Finished


class Error(Exception):
    """The base of every error of this package.

    ``str()`` of it says what happened and, on further lines, what to do and the number to search for.
    """

    #: What the one who failed says of it.
    message: str = ""
    #: Windows' number, unsigned as on the wire: 2150858770. None where there is none.
    code: int | None = None
    #: The same as scripts know it: -2144108526.
    hresult: int | None = None
    #: Its name in the headers of Windows: ``ERROR_WSMAN_DESTINATION_UNREACHABLE``.
    symbol: str | None = None
    #: What it is in practice, in a few words: ``cannot connect: connection refused``.
    cause: str | None = None
    #: What to do about it, a line each, with switches as the command lines have them.
    fix: tuple[str, ...] = ()
    #: The fault as one ``f:WSManFault`` element.
    xml: str | None = None
    #: The subcode of the fault: ``w:AccessDenied``.
    subcode: str | None = None
    #: The URI that narrows the subcode.
    detail: str | None = None
    #: The machine that the fault comes from.
    machine: str | None = None
    #: The implementation of the resource, if it is what failed.
    provider: str | None = None
    #: The schemes that the service offers, if signing in failed.
    offered: tuple[str, ...] = ()
    #: The scheme that was tried.
    tried: str | None = None

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message.split("\n", 1)[0]


class ArgumentError(Error, ValueError):
    """An argument or a setting that cannot be meant. Nothing was sent."""


class ConnectError(Error, ConnectionError):
    """Nobody answered, or nobody who is trusted."""


class AuthenticationError(Error):
    """Who asks could not be proven."""


class AccessDenied(Error, PermissionError):
    """Who asks is known and may not."""


class TimeoutError(Error, builtins.TimeoutError):
    """It took too long."""


class QuotaError(Error):
    """A quota is used up."""


class Fault(Error):
    """The service says that it could not, for any other reason."""


class ProtocolError(Error):
    """What came is not what the protocol allows."""


class CopyError(Error):
    """A file was not copied, or not fetched."""


class CommandError(Error):
    """A command did not succeed; raised by ``Finished.check()`` only."""

    #: The command.
    finished: Finished
