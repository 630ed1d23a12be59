"""Exceptions of pywinrm."""

from __future__ import annotations


class WinRMError(Exception):
    """Base class of WinRM errors."""

    code = 500


class WSManFaultError(WinRMError):
    """A fault with its details."""

    def __init__(
        self,
        code: int,
        message: str,
        response: str,
        reason: str,
        fault_code: str | None = None,
        fault_subcode: str | None = None,
        wsman_fault_code: int | None = None,
        wmierror_code: int | None = None,
    ) -> None:
        self.code = code
        self.response = response
        self.reason = reason
        self.fault_code = fault_code
        self.fault_subcode = fault_subcode
        self.wsman_fault_code = wsman_fault_code
        self.wmierror_code = wmierror_code
        known: dict[str, object] = {"transport_message": message, "http_status_code": code}
        further = {"wsmanfault_code": wsman_fault_code, "fault_code": fault_code, "fault_subcode": fault_subcode}
        known.update({name: value for name, value in further.items() if value is not None})
        super().__init__(f"{reason} (extended fault data: {known})")


class WinRMTransportError(Exception):
    """An HTTP error status."""

    @property
    def protocol(self) -> str:
        return str(self.args[0])

    @property
    def code(self) -> int:
        return int(self.args[1])

    @property
    def message(self) -> str:
        return f"Bad HTTP response returned from server. Code {self.code}"

    @property
    def response_text(self) -> str:
        return str(self.args[2])

    def __str__(self) -> str:
        return self.message


class WinRMOperationTimeoutError(Exception):
    """The service had no output before the operation timeout; repeat the request."""

    code = 500


class AuthenticationError(WinRMError):
    """Authentication failed."""

    code = 401


class BasicAuthDisabledError(AuthenticationError):
    """The service does not offer Basic."""

    message = "WinRM/HTTP Basic authentication is not enabled on remote host"


class InvalidCredentialsError(AuthenticationError):
    """The service does not accept the credentials."""
