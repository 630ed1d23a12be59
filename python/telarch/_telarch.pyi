"""The native part; use the exports of ``telarch`` itself."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar, Union, final

from typing_extensions import Unpack

from ._remoting import PipelineCommand
from ._settings import Body, Place, PoolSettings, Settings, ShellSettings

__all__ = [
    "Client",
    "Command",
    "Enumerator",
    "Finished",
    "Locator",
    "Operation",
    "Pipeline",
    "Resource",
    "Runspaces",
    "SecureString",
    "Shell",
    "Subscription",
    "__version__",
    "clean_clixml",
    "error_message",
    "wait_for_cleanup",
]
__version__: str

_T = TypeVar("_T", covariant=True)
_Value = Union[str, None, "Resource", list[Union[str, None, "Resource"]]]

@final
class Operation(Generic[_T]):
    """A call that has not started; it can be waited for or started once."""

    def wait(self, timeout: float | None = None) -> _T: ...
    def start(self) -> asyncio.Future[_T]: ...

@final
class Locator:
    """A resource URI with selectors, options and a fragment.

    ``uri`` is a complete URI or begins with an alias, and may have selectors: ``winrm/config/listener?Address=*``. Values
    in ``selectors`` may contain any character. An option of None is ``xsi:nil``; ``(value, True)`` requires the service
    to support the option, ``must_comply`` all of them.
    """

    def __new__(
        cls,
        uri: str,
        selectors: dict[str, object] | None = None,
        *,
        options: dict[str, object] | None = None,
        must_comply: bool = False,
        fragment: str | None = None,
        fragment_dialect: str | None = None,
    ) -> Locator: ...
    @property
    def resource_uri(self) -> str:
        """The URI without selectors, aliases expanded."""
    @property
    def selectors(self) -> dict[str, str]:
        """The names and values of the selectors."""

@final
class Resource:
    """An element from a service, as a mapping of the names of its children.

    ``resource["Name"]`` is a string, None for ``xsi:nil``, a ``Resource`` for an element with children, and a list if the
    name occurs more than once. ``str()`` returns the format of ``winrm``.
    """

    def __new__(cls, xml: str) -> Resource: ...
    @property
    def name(self) -> str:
        """The local name of the element."""
    @property
    def namespace(self) -> str:
        """The namespace of the element."""
    @property
    def xml(self) -> str:
        """The XML, with all namespace declarations it needs."""
    @property
    def text(self) -> str:
        """The text of the element."""
    @property
    def attributes(self) -> dict[str, str]:
        """The attributes of the element, by local name."""
    @property
    def reference(self) -> Locator | None:
        """The locator in an endpoint reference, a create response, or an item with object and reference."""
    def value(self, path: str) -> str | None:
        """Return the text at a path of local names: ``Auth/Basic``."""
    def to_text(self) -> str:
        """Return the tree of ``Name = value`` lines, the format of ``winrm``."""
    def to_json(self) -> str:
        """Return a JSON object with one member, the element."""
    def to_dict(self) -> object:
        """Return the content as dicts, lists, strings and None."""
    def keys(self) -> list[str]:
        """Return the names of the children, each once, in document order."""
    def values(self) -> list[_Value]: ...
    def items(self) -> list[tuple[str, _Value]]: ...
    def get(self, name: str, default: object = None) -> object: ...
    def __getitem__(self, name: str, /) -> _Value: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def __contains__(self, name: str, /) -> bool: ...
    def __eq__(self, other: object, /) -> bool: ...

@final
class Finished:
    """Result of a finished command."""

    @property
    def stdout(self) -> bytes:
        """The complete output."""
    @property
    def stderr(self) -> bytes:
        """The complete error output."""
    @property
    def exit_code(self) -> int:
        """The exit code, all 32 bits."""
    @property
    def text(self) -> str:
        """The output as text (UTF-8)."""
    def check(self) -> Finished:
        """Return the result itself, or raise ``CommandError`` if the command failed."""

@final
class Enumerator:
    def next(self) -> Operation[Resource | None]: ...
    def omissions(self) -> Operation[list[tuple[str, str]]]: ...
    def release(self) -> Operation[None]: ...

@final
class Subscription:
    def next(self) -> Operation[Resource | int | None]: ...
    def omissions(self) -> Operation[list[tuple[str, str]]]: ...
    def end(self) -> Operation[None]: ...

@final
class Command:
    @property
    def id(self) -> str: ...
    def next_output(self) -> Operation[tuple[str, bytes] | int]: ...
    def write(self, octets: bytes) -> Operation[None]: ...
    def close_input(self) -> Operation[None]: ...
    def signal(self, name: str) -> Operation[None]: ...
    def finish(self) -> Operation[None]: ...

@final
class Shell:
    @property
    def id(self) -> str: ...
    def run(self, command: str, arguments: list[str]) -> Operation[Finished]: ...
    def start(
        self, command: str, arguments: list[str], *, console: bool = False, skip_shell: bool = False
    ) -> Operation[Command]: ...
    def close(self) -> Operation[None]: ...

@final
class SecureString:
    """Text that travels encrypted; ``RunspacePool.protect`` makes it."""

@final
class Pipeline:
    @property
    def id(self) -> str: ...
    def ready(self) -> Operation[None]: ...
    def take(self) -> list[tuple[str, Any]]: ...
    def send(self, values: list[Any]) -> Operation[None]: ...
    def end_input(self) -> Operation[None]: ...
    def stop(self) -> Operation[None]: ...
    def finish(self) -> Operation[None]: ...

@final
class Runspaces:
    @property
    def id(self) -> str: ...
    def start(
        self, commands: list[PipelineCommand], has_input: bool, is_nested: bool = False
    ) -> Operation[Pipeline]: ...
    def connect_pipeline(self, id: str) -> Operation[Pipeline]: ...
    def runspaces(self) -> Operation[tuple[int, int]]: ...
    def protect(self, text: str) -> Operation[SecureString]: ...
    def private_data(self) -> Operation[Any]: ...
    def available(self) -> Operation[int]: ...
    def set_minimum(self, count: int) -> Operation[bool]: ...
    def set_maximum(self, count: int) -> Operation[bool]: ...
    def reset(self) -> Operation[bool]: ...
    def disconnect(self, idle_timeout: float | None = None) -> Operation[None]: ...
    def leave(self) -> Operation[None]: ...
    def reconnect(self) -> Operation[None]: ...
    def close(self) -> Operation[None]: ...

@final
class Client:
    host: str
    scheme: str | None
    timeout: float
    batch_items: int | None
    def __new__(cls, target: str, *, flags: int = 0, **settings: Unpack[Settings]) -> Client: ...
    def identify(self) -> Operation[Resource]: ...
    def get(self, locator: Place) -> Operation[Resource]: ...
    def put(self, locator: Place, given: Body) -> Operation[Resource | None]: ...
    def create(self, locator: Place, given: Body) -> Operation[Resource]: ...
    def delete(self, locator: Place) -> Operation[None]: ...
    def invoke(self, action: str, locator: Place, given: Body | None = None) -> Operation[Resource | None]: ...
    def enumerate(
        self, locator: Place, filter: str | None = None, dialect: str | None = None, flags: int = 0
    ) -> Operation[Enumerator]: ...
    def subscribe(
        self, locator: Place, filter: str, dialect: str | None = None
    ) -> Operation[Subscription]: ...
    def run(
        self, command: str, arguments: list[str], **options: Unpack[ShellSettings]
    ) -> Operation[Finished]: ...
    def run_ps(self, script: str, **options: Unpack[ShellSettings]) -> Operation[Finished]: ...
    def shell(self, **options: Unpack[ShellSettings]) -> Operation[Shell]: ...
    def runspace_pool(self, **options: Unpack[PoolSettings]) -> Operation[Runspaces]: ...
    def connect_runspace_pool(self, id: str, **options: Unpack[PoolSettings]) -> Operation[Runspaces]: ...
    def disconnected_pools(self) -> Operation[list[tuple[str, str | None, str, str]]]: ...
    def pipelines_of(self, pool: str) -> Operation[list[str]]: ...
    def copy(self, local: str | os.PathLike[str], remote: str) -> Operation[str]: ...
    def fetch(self, remote: str, local: str | os.PathLike[str]) -> Operation[None]: ...
    def post(self, envelope: str) -> Operation[tuple[int, bytes]]: ...

def error_message(code: int) -> str:
    """Return the text for an error number."""

def clean_clixml(octets: bytes) -> str | None:
    """Return the messages in CLIXML output of PowerShell; None for other output."""

def wait_for_cleanup() -> None:
    """Wait for cleanup on the services, two seconds at most; this also happens when the interpreter ends."""
