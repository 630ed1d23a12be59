"""Exceptions of pypsrp."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ... import _errors


class WinRMError(Exception):
    """Base class of WinRM errors."""


class AuthenticationError(WinRMError):
    """Authentication failed."""


class WinRMTransportError(WinRMError):
    """An HTTP error status."""

    @property
    def protocol(self) -> Any:
        return self.args[0]

    @property
    def code(self) -> Any:
        return self.args[1]

    @property
    def response_text(self) -> Any:
        return self.args[2]

    @property
    def message(self) -> str:
        protocol, code, text = self.args
        return f"Bad {protocol.upper()} response returned from the server. Code: {code}, Content: '{text}'"

    def __str__(self) -> str:
        return self.message


class WSManFaultError(WinRMError):
    """A fault with its details."""

    @property
    def code(self) -> Any:
        return self.args[0]

    @property
    def machine(self) -> Any:
        return self.args[1]

    @property
    def reason(self) -> Any:
        return self.args[2]

    @property
    def provider(self) -> Any:
        return self.args[3]

    @property
    def provider_path(self) -> Any:
        return self.args[4]

    @property
    def provider_fault(self) -> Any:
        return self.args[5]

    @property
    def message(self) -> str:
        names = ("Code", "Machine", "Reason", "Provider", "Provider Path", "Provider Fault")
        details = [f"{name}: {value}" for name, value in zip(names, self.args) if value]
        return f"Received a WSManFault message. ({', '.join(details) or 'No details returned by the server'})"

    def __str__(self) -> str:
        return self.message


class InvalidPSRPOperation(WinRMError):
    """The operation is not possible in this state."""


class _InvalidStateError(WinRMError):
    """The object has another state than the operation requires: ``(current_state, expected_state, action)``."""

    @property
    def current_state(self) -> Any:
        return self.args[0]

    @property
    def expected_state(self) -> Any:
        return self.args[1]

    @property
    def action(self) -> Any:
        return self.args[2]

    @property
    def message(self) -> str:
        current, expected, action = self.args
        return f"Cannot '{action}' on the current state '{current}', expecting state(s): '{expected}'"

    def __str__(self) -> str:
        return self.message


class InvalidRunspacePoolStateError(_InvalidStateError):
    """The runspace pool has another state than the operation requires."""


class InvalidPipelineStateError(_InvalidStateError):
    """The pipeline has another state than the operation requires."""


class UnsupportedPSRPError(WinRMError, NotImplementedError):
    """A feature of pypsrp that telarch does not have."""


@contextmanager
def translated() -> Iterator[None]:
    """Raise telarch errors as the pypsrp exceptions; ``__cause__`` is the original error."""
    try:
        yield
    except _errors.AuthenticationError as error:
        raise AuthenticationError(str(error)) from error
    except (_errors.Fault, _errors.AccessDenied, _errors.QuotaError) as error:
        if error.subcode is None:
            raise WinRMError(str(error)) from error
        raise WSManFaultError(
            error.code, error.machine, error.message, error.provider, None, error.message if error.provider else None
        ) from error
    except (_errors.ArgumentError, _errors.ProtocolError, _errors.CopyError) as error:
        raise WinRMError(str(error)) from error
