"""Transport of pywinrm."""

from __future__ import annotations

import os

from ... import _errors, _settings
from ..._settings import Auth, Settings
from ..._telarch import Client
from ...flags import ProxyAccess
from .exceptions import InvalidCredentialsError, WinRMError, WinRMTransportError

_SCHEMES: dict[str, Auth] = {
    "auto": "auto",
    "basic": "basic",
    "plaintext": "basic",
    "certificate": "certificate",
    "ntlm": "negotiate",
    "kerberos": "kerberos",
    "credssp": "credssp",
}


class Transport:
    """A session with an endpoint, created for the first message."""

    def __init__(
        self,
        endpoint: str,
        username: str | None = None,
        password: str | None = None,
        realm: None = None,
        service: str = "HTTP",
        keytab: None = None,
        ca_trust_path: str | None = "legacy_requests",
        cert_pem: str | None = None,
        cert_key_pem: str | None = None,
        read_timeout_sec: int = 30,
        operation_timeout_sec: int = 20,
        server_cert_validation: str | None = "validate",
        kerberos_delegation: bool = False,
        kerberos_hostname_override: str | None = None,
        auth_method: str = "auto",
        message_encryption: str = "auto",
        credssp_disable_tlsv1_2: bool = False,
        send_cbt: bool = True,
        proxy: str | None = "legacy_requests",
    ) -> None:
        self.endpoint = endpoint
        self.username = username
        self.password = password
        self.auth_method = auth_method
        if auth_method == "ssl":
            auth_method = "certificate" if cert_pem or cert_key_pem else "basic"
        if auth_method not in _SCHEMES:
            raise WinRMError(f"unsupported auth method: {auth_method}")
        if server_cert_validation not in (None, "validate", "ignore"):
            raise WinRMError(f"invalid server_cert_validation mode: {server_cert_validation}")
        if message_encryption not in ("auto", "always", "never"):
            raise WinRMError(f"invalid message_encryption arg: {message_encryption}. Should be 'auto', 'always', or 'never'")
        if credssp_disable_tlsv1_2:
            raise WinRMError("TLS before 1.2 is not supported")
        self._scheme = _SCHEMES[auth_method]
        seals = self._scheme in ("auto", "negotiate", "kerberos", "credssp")
        if message_encryption == "always" and not seals:
            raise WinRMError(
                f"message encryption is set to 'always' but the selected auth method {auth_method} does not support it"
            )
        if self._scheme in ("basic", "negotiate", "credssp") and not (username and password):
            missing = "username" if not username else "password"
            raise InvalidCredentialsError(f"auth method {auth_method} requires a {missing}")
        self._unencrypted = message_encryption == "never" or not seals
        self._verify = server_cert_validation == "validate"
        self._settings: Settings = {
            "idle_timeout": read_timeout_sec,
            "connect_timeout": read_timeout_sec,
            "operation_timeout": operation_timeout_sec,
            # pywinrm does not verify the host over HTTP.
            "trust_host": True,
            "delegate": kerberos_delegation,
            "ca": _authorities(ca_trust_path),
            "service_name": f"{service}/{kerberos_hostname_override}" if kerberos_hostname_override else service,
        }
        if self._scheme == "certificate":
            self._settings["certificate"], self._settings["key"] = cert_pem, cert_key_pem
        else:
            self._settings["username"], self._settings["password"] = username, password
        if proxy == "legacy_requests":
            # The requests library reads the environment.
            self._settings["proxy_access"] = int(ProxyAccess.AUTO_DETECT)
        elif proxy is not None:
            self._settings["proxy"] = proxy
        self._client: Client | None = None

    def send_message(self, message: str | bytes) -> bytes:
        """Send an envelope and return the response."""
        envelope = message.decode() if isinstance(message, bytes) else message
        try:
            status, body = self._session().post(envelope).wait()
        except _errors.AuthenticationError as error:
            raise InvalidCredentialsError("the specified credentials were rejected by the server") from error
        if status != 200:
            raise WinRMTransportError("http", status, body.decode(errors="replace"))
        return body

    def close_session(self) -> None:
        """Does nothing: connections are kept for the next shell, and close when this object is no longer referenced."""

    def _session(self) -> Client:
        if self._client is None:
            self._client = _settings.client(
                self.endpoint, self._scheme, False, None, None, self._verify, self._unencrypted, self._settings
            )
        return self._client


def _authorities(path: str | None) -> str | None:
    """``legacy_requests`` stands for the environment variables of the requests library."""
    if path != "legacy_requests":
        return path
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or None
