"""Objects and records of PowerShell, and the conversion of dates and numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

#: Most digits after the point in a ``decimal`` of .NET.
_MAX_SCALE = 28
#: .NET counts time in units of 100 nanoseconds.
_TICKS_PER_MICROSECOND = 10


class PSObject(Mapping[str, Any]):
    """An object of PowerShell: a mapping of its property names, which PowerShell compares without case.

    >>> process = PSObject(Id=7, ProcessName="pwsh")
    >>> process["id"], process.get("Handles")
    (7, None)
    """

    def __init__(self, /, **properties: Any) -> None:
        #: The type names, the most specific one first.
        self.types: list[str] = []
        #: The text of the object, the result of ``ToString()``.
        self.to_string: str | None = None
        #: The value of an enumeration, or of a string or number that has properties.
        self.value: Any = None
        #: The properties of the .NET object.
        self.adapted_properties: dict[str, Any] = {}
        #: The properties that PowerShell added; they hide adapted ones of the same name.
        self.extended_properties: dict[str, Any] = properties

    def __getitem__(self, name: str) -> Any:
        wanted = name.lower()
        for properties in (self.extended_properties, self.adapted_properties):
            for known, value in properties.items():
                if known.lower() == wanted:
                    return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        yield from self.extended_properties
        hidden = {name.lower() for name in self.extended_properties}
        yield from (name for name in self.adapted_properties if name.lower() not in hidden)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return True

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __int__(self) -> int:
        return int(self.value)

    def __str__(self) -> str:
        if self.to_string is not None:
            return self.to_string
        if self.value is not None:
            return str(self.value)
        return "@{" + "; ".join(f"{name}={value}" for name, value in self.items()) + "}"

    def __repr__(self) -> str:
        kind = self.types[0] if self.types else "PSObject"
        return f"<{kind} {self}>"


@dataclass
class ErrorRecord:
    """A record of the error stream, or the error that ended a pipeline. ``str()`` is the text that PowerShell shows."""

    text: str = ""
    exception: Any = None
    target_object: Any = None
    #: The identifier of the error, such as ``CommandNotFoundException``.
    fq_error: str = ""
    #: The number of the category; 0 if not specified.
    category: int = 0
    activity: str | None = None
    reason: str | None = None
    target_name: str | None = None
    target_type: str | None = None
    #: The category as text.
    message: str | None = None
    details_message: str | None = None
    #: The recommended action.
    action: str | None = None
    script_stacktrace: str | None = None
    invocation_info: Any = None
    #: Further properties of the invocation.
    extended_info: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text


@dataclass
class InformationalRecord:
    """A record of the warning, verbose or debug stream."""

    message: str = ""
    #: Properties of the command that wrote it.
    extended_info: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message


@dataclass
class ProgressRecord:
    """The progress of an activity."""

    activity: str = ""
    activity_id: int = 0
    #: The state of the activity.
    description: str | None = None
    current_operation: str | None = None
    #: The enclosing activity; -1 without one.
    parent_id: int = -1
    #: -1 if unknown.
    percent_complete: int = -1
    is_completed: bool = False
    #: -1 if unknown.
    seconds_remaining: int = -1

    def __str__(self) -> str:
        return self.activity


@dataclass
class InformationRecord:
    """A record of the information stream, for example of ``Write-Host``."""

    message_data: Any = None
    source: str | None = None
    time_generated: datetime | None = None
    tags: list[str] = field(default_factory=list)
    user: str | None = None
    computer: str | None = None
    pid: int | None = None
    native_thread_id: int | None = None
    managed_thread_id: int | None = None

    def __str__(self) -> str:
        return str(self.message_data)


def date_time(text: str) -> datetime:
    """Parse a date of .NET, whose seven fraction digits are cut to six."""
    zone = ""
    if text.endswith("Z"):
        text, zone = text[:-1], "+00:00"
    elif text[-6:-5] in ("+", "-") and text[-3] == ":":
        text, zone = text[:-6], text[-6:]
    whole, dot, fraction = text.partition(".")
    digits = f"{dot}{fraction:0<6.6}" if dot else ""
    return datetime.fromisoformat(f"{whole}{digits}{zone}")


def time_span(ticks: int) -> timedelta:
    """Convert units of 100 nanoseconds; the last digit is cut."""
    sign = -1 if ticks < 0 else 1
    return sign * timedelta(microseconds=abs(ticks) // _TICKS_PER_MICROSECOND)


def describe(value: object) -> tuple[str, str] | None:
    """Return kind and text of a date, duration, decimal number or identifier, and None for others."""
    if isinstance(value, datetime):
        return "date", value.isoformat()
    if isinstance(value, timedelta):
        return "duration", str(value // timedelta(microseconds=1) * _TICKS_PER_MICROSECOND)
    if isinstance(value, Decimal):
        return "decimal", _decimal(value)
    if isinstance(value, UUID):
        return "guid", str(value)
    return None


def _decimal(number: Decimal) -> str:
    """Return the digits of a number that fits into a ``decimal`` of .NET: 96 bits and 28 digits of fraction."""
    if not number.is_finite():
        raise ValueError(f"{number} is no number for PowerShell")
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    # Compared before the power is computed: an exponent may be in the millions.
    fits = -exponent <= _MAX_SCALE and number.adjusted() <= _MAX_SCALE
    if not fits or int("".join(map(str, digits))) * 10 ** max(exponent, 0) >= 2**96:
        raise ValueError(f"{number} has more digits than a decimal number of PowerShell: 28, and 28 after the point")
    return format(number, "f")
