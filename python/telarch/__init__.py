"""WS-Management (WinRM) for scripts.

``Session`` is synchronous, ``AsyncSession`` is for asyncio; both have the same operations. ``telarch.compat`` runs
scripts written for other clients: ``compat.pywinrm``, ``compat.pypsrp`` and ``compat.automation``
(``WSMan.Automation``).
"""

from collections.abc import Mapping

from ._asyncio import AsyncCommand, AsyncEvents, AsyncItems, AsyncSession, AsyncShell
from ._errors import (
    AccessDenied,
    ArgumentError,
    AuthenticationError,
    CommandError,
    ConnectError,
    CopyError,
    Error,
    Fault,
    ProtocolError,
    QuotaError,
    TimeoutError,
)
from ._session import Command, Events, Items, Session, Shell
from ._telarch import Finished, Locator, Resource, __version__, error_message
from .flags import EnumerationFlag, ProxyAccess, ProxyAuthentication, SessionFlag

Mapping.register(Resource)

__all__ = [
    "AccessDenied",
    "ArgumentError",
    "AsyncCommand",
    "AsyncEvents",
    "AsyncItems",
    "AsyncSession",
    "AsyncShell",
    "AuthenticationError",
    "Command",
    "CommandError",
    "ConnectError",
    "CopyError",
    "EnumerationFlag",
    "Error",
    "Events",
    "Fault",
    "Finished",
    "Items",
    "Locator",
    "ProtocolError",
    "ProxyAccess",
    "ProxyAuthentication",
    "QuotaError",
    "Resource",
    "Session",
    "SessionFlag",
    "Shell",
    "TimeoutError",
    "__version__",
    "error_message",
]
