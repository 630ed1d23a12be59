"""pypsrp's exceptions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ... import _errors


class WinRMError(Exception):
    """Something with WinRM."""


class AuthenticationError(WinRMError):
    """Who asks could not be proven."""


class WinRMTransportError(WinRMError):
    """A status of HTTP that is no success."""

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
    """A fault, with what it says."""

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
        told = [f"{name}: {value}" for name, value in zip(names, self.args) if value]
        return f"Received a WSManFault message. ({', '.join(told) or 'No details returned by the server'})"

    def __str__(self) -> str:
        return self.message


class UnsupportedPSRPError(WinRMError, NotImplementedError):
    """What was asked for takes PowerShell remoting, which telarch does not speak."""


@contextmanager
def translated() -> Iterator[None]:
    """Raises telarch's errors as those that scripts for pypsrp expect; what they came from is ``__cause__``."""
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
