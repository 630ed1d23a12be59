"""The native half; use what ``telarch`` itself exports."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar, Union, final

from typing_extensions import Unpack

from ._settings import Body, Place, Settings, ShellSettings

__all__ = [
    "Client",
    "Command",
    "Enumerator",
    "Finished",
    "Locator",
    "Operation",
    "Resource",
    "Shell",
    "Subscription",
    "__version__",
    "clean_clixml",
    "error_message",
    "tidy_up",
]
__version__: str

_T = TypeVar("_T", covariant=True)
_Value = Union[str, None, "Resource", list[Union[str, None, "Resource"]]]

@final
class Operation(Generic[_T]):
    """Work that has not begun; it is waited for or started once."""

    def wait(self, timeout: float | None = None) -> _T: ...
    def start(self) -> asyncio.Future[_T]: ...

@final
class Locator:
    """A resource, the instance of it, and how it is to be worked on.

    ``uri`` is a whole URI or begins with an alias, and may have selectors: ``winrm/config/listener?Address=*``. Values in
    ``selectors`` may hold any character. An option of None is ``xsi:nil``; ``(value, True)`` makes it
    one that a service must know, as ``must_comply`` does for all.
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
        """Names and values."""

@final
class Resource:
    """One element that a service sent, as a mapping of the names below it.

    ``resource["Name"]`` is a text, None for ``xsi:nil``, a ``Resource`` for what holds others, and a list where a name
    occurs more than once. ``str()`` is what ``winrm`` prints.
    """

    def __new__(cls, xml: str) -> Resource: ...
    @property
    def name(self) -> str:
        """The local name of the element."""
    @property
    def namespace(self) -> str:
        """Its namespace."""
    @property
    def xml(self) -> str:
        """The markup, with all the namespaces it needs."""
    @property
    def text(self) -> str:
        """The text in it."""
    @property
    def attributes(self) -> dict[str, str]:
        """Its attributes, by local names."""
    @property
    def reference(self) -> Locator | None:
        """The address in it, where it is a reference, the answer to create, or an item with both."""
    def value(self, path: str) -> str | None:
        """The text at a path of local names: ``Auth/Basic``."""
    def to_text(self) -> str:
        """The tree of ``Name = value`` lines that ``winrm`` prints."""
    def to_json(self) -> str:
        """One JSON object with one member, the element."""
    def to_dict(self) -> object:
        """What is in it, as dicts, lists, texts and None."""
    def keys(self) -> list[str]:
        """The names below it, each once, in their order."""
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
    """A command that has ended."""

    @property
    def stdout(self) -> bytes:
        """All of its output."""
    @property
    def stderr(self) -> bytes:
        """All of its error output."""
    @property
    def exit_code(self) -> int:
        """What it returned, all 32 bits."""
    @property
    def text(self) -> str:
        """Its output as text (UTF-8)."""
    def check(self) -> Finished:
        """Itself if the command succeeded, else ``CommandError`` is raised."""

@final
class Enumerator:
    def next(self) -> Operation[Resource | None]: ...
    def release(self) -> Operation[None]: ...

@final
class Subscription:
    def next(self) -> Operation[Resource | int | None]: ...
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
class Client:
    host: str
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
    def copy(self, local: str | os.PathLike[str], remote: str) -> Operation[str]: ...
    def fetch(self, remote: str, local: str | os.PathLike[str]) -> Operation[None]: ...
    def post(self, envelope: str) -> Operation[tuple[int, bytes]]: ...

def error_message(code: int) -> str:
    """The text for an error number, in a few words."""

def clean_clixml(octets: bytes) -> str | None:
    """The messages in what PowerShell writes to a pipe; None if it is something else."""

def tidy_up() -> None:
    """Wait until what was given up is tidied up on the services, two seconds at most; done at the end anyway."""
