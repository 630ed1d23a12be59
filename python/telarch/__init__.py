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
    FleetStopped,
    PipelineError,
    ProtocolError,
    QuotaError,
    TimeoutError,
)
from ._fleet import AsyncFleet, AsyncFleetResults, Fleet, FleetResults, FleetSummary, HostResult
from ._remoting import DisconnectedPool, Pipeline, PipelineResult, RunspacePool, Script
from ._remoting_asyncio import AsyncPipeline, AsyncRunspacePool, AsyncScript
from ._session import Command, Events, Items, Session, Shell
from ._telarch import Finished, Locator, Resource, SecureString, __version__, error_message
from ._values import ErrorRecord, InformationalRecord, InformationRecord, ProgressRecord, PSObject
from .flags import EnumerationFlag, ProxyAccess, ProxyAuthentication, SessionFlag

Mapping.register(Resource)

__all__ = [
    "AccessDenied",
    "ArgumentError",
    "AsyncCommand",
    "AsyncEvents",
    "AsyncFleet",
    "AsyncFleetResults",
    "AsyncItems",
    "AsyncPipeline",
    "AsyncRunspacePool",
    "AsyncScript",
    "AsyncSession",
    "AsyncShell",
    "AuthenticationError",
    "Command",
    "CommandError",
    "ConnectError",
    "CopyError",
    "DisconnectedPool",
    "EnumerationFlag",
    "Error",
    "ErrorRecord",
    "Events",
    "Fault",
    "Finished",
    "Fleet",
    "FleetResults",
    "FleetStopped",
    "FleetSummary",
    "HostResult",
    "InformationRecord",
    "InformationalRecord",
    "Items",
    "Locator",
    "PSObject",
    "Pipeline",
    "PipelineError",
    "PipelineResult",
    "ProgressRecord",
    "ProtocolError",
    "ProxyAccess",
    "ProxyAuthentication",
    "QuotaError",
    "Resource",
    "RunspacePool",
    "Script",
    "SecureString",
    "Session",
    "SessionFlag",
    "Shell",
    "TimeoutError",
    "__version__",
    "error_message",
]
