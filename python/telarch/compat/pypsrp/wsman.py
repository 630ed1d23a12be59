"""Connection of pypsrp."""

from __future__ import annotations

import uuid
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..._session import Session
from ..._settings import Auth, Settings
from ...flags import ProxyAccess
from .exceptions import translated

if TYPE_CHECKING:
    from typing_extensions import Self

_SCHEMES: dict[str, Auth] = {
    "basic": "basic",
    "certificate": "certificate",
    "negotiate": "negotiate",
    "ntlm": "negotiate",
    "kerberos": "kerberos",
    "credssp": "credssp",
}
#: Ignored keyword arguments.
_WITHOUT_MEANING = {"credssp_auth_mechanism", "credssp_minimum_version", "negotiate_send_cbt"}
#: Default of pypsrp for the maximum envelope size in bytes.
_DEFAULT_ENVELOPE = 153600


class WSMan:
    """Address and credentials of a service. The first operation connects."""

    def __init__(
        self,
        server: str,
        max_envelope_size: int = _DEFAULT_ENVELOPE,
        operation_timeout: int = 20,
        port: int | None = None,
        username: str | None = None,
        password: str | None = None,
        ssl: bool = True,
        path: str = "wsman",
        auth: str = "negotiate",
        cert_validation: bool | str = True,
        connection_timeout: int = 30,
        encryption: str = "auto",
        proxy: str | None = None,
        no_proxy: bool = False,
        locale: str = "en-US",
        data_locale: str | None = None,
        read_timeout: int = 30,
        reconnection_retries: int = 0,
        reconnection_backoff: float = 2.0,
        certificate_pem: str | None = None,
        certificate_key_pem: str | None = None,
        negotiate_delegate: bool = False,
        negotiate_hostname_override: str | None = None,
        negotiate_service: str | None = None,
        **kwargs: Any,
    ) -> None:
        if auth not in _SCHEMES:
            raise ValueError(f"The specified auth '{auth}' is not supported, please select one of '{', '.join(_SCHEMES)}'")
        if encryption not in ("auto", "always", "never"):
            raise ValueError(f"The encryption value '{encryption}' must be auto, always, or never")
        if unknown := set(kwargs) - _WITHOUT_MEANING:
            raise TypeError(f"not supported by telarch: {', '.join(sorted(unknown))}")
        self.session_id = str(uuid.uuid4())
        self.server = server
        self.auth = auth
        self.locale = locale
        self.data_locale = data_locale or locale
        self.max_envelope_size = max_envelope_size
        self.operation_timeout = operation_timeout
        settings: Settings = {
            "connect_timeout": connection_timeout,
            "operation_timeout": operation_timeout,
            "idle_timeout": max(read_timeout, operation_timeout + 1),
            # pypsrp replaces its default when the service accepts more, which the library decides for each request.
            "max_envelope_size": None if max_envelope_size == _DEFAULT_ENVELOPE else max_envelope_size,
            "locale": locale,
            "delegate": negotiate_delegate,
            # pypsrp does not verify the host over HTTP.
            "trust_host": True,
        }
        if auth == "certificate":
            settings["certificate"], settings["key"] = certificate_pem, certificate_key_pem
        else:
            settings["username"], settings["password"] = username, password
        if proxy is not None:
            settings["proxy"] = proxy
        elif not no_proxy:
            # The requests library reads the environment.
            settings["proxy_access"] = int(ProxyAccess.AUTO_DETECT)
        if isinstance(cert_validation, str):
            settings["ca"] = cert_validation
        if negotiate_hostname_override:
            settings["service_name"] = f"{negotiate_service or 'WSMAN'}/{negotiate_hostname_override}"
        elif negotiate_service:
            settings["service_name"] = negotiate_service
        #: Not replaceable: see ``session``.
        self.transport = None
        with translated():
            #: The telarch session used for all operations.
            self.session = Session(
                server,
                auth=_SCHEMES[auth],
                ssl=ssl,
                port=port or (5986 if ssl else 5985),
                path=path,
                verify=cert_validation is not False,
                unencrypted=encryption == "never",
                **settings,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Does nothing: the connections close when this object is no longer referenced."""
