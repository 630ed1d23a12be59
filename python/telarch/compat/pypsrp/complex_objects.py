"""Objects and states of pypsrp."""

from __future__ import annotations

from typing import Any

from ..._values import PSObject


class RunspacePoolState:
    """The states of a runspace pool."""

    BEFORE_OPEN = 0
    OPENING = 1
    OPENED = 2
    CLOSED = 3
    CLOSING = 4
    BROKEN = 5
    NEGOTIATION_SENT = 6
    NEGOTIATION_SUCCEEDED = 7
    CONNECTING = 8
    DISCONNECTED = 9


class PSInvocationState:
    """The states of a pipeline."""

    NOT_STARTED = 0
    RUNNING = 1
    STOPPING = 2
    STOPPED = 3
    COMPLETED = 4
    FAILED = 5
    DISCONNECTED = 6


class ApartmentState:
    """The COM apartment; services other than Windows ignore it."""

    STA = 0
    MTA = 1
    UNKNOWN = 2


class PSThreadOptions:
    """The threads of a runspace."""

    DEFAULT = 0
    USE_NEW_THREAD = 1
    REUSE_THREAD = 2
    USE_CURRENT_THREAD = 3


class RemoteStreamOptions:
    """Streams whose records describe the command that wrote them."""

    ADD_INVOCATION_INFO_TO_ERROR = 0x01
    ADD_INVOCATION_INFO_TO_WARNING = 0x02
    ADD_INVOCATION_INFO_TO_DEBUG = 0x04
    ADD_INVOCATION_INFO_TO_VERBOSE = 0x08
    ADD_INVOCATION_INFO = 0x0F


class ObjectMeta:
    """The type of a value for ``RunspacePool.serialize``: ``ObjectMeta("SS")`` for text that travels encrypted."""

    def __init__(self, tag: str = "*", name: str | None = None, **_: Any) -> None:
        self.tag = tag
        self.name = name


class Command:
    """A command for ``PowerShell.add_command``."""

    def __init__(self, cmd: str, is_script: bool = False, use_local_scope: bool | None = None, **_: Any) -> None:
        self.cmd = cmd
        self.is_script = is_script
        self.use_local_scope = use_local_scope


#: Objects have the attributes of pypsrp: types, to_string, adapted_properties and extended_properties.
GenericComplexObject = PSObject
