"""Settings of sessions, and their conversion for the native part."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal, TypedDict, Union

from . import _telarch
from ._errors import ArgumentError
from .flags import SessionFlag

#: Authentication schemes; ``ntlm`` is an alias of ``negotiate``.
Auth = Literal[
    "auto", "none", "basic", "digest", "negotiate", "ntlm", "kerberos", "certificate", "credssp"
]
#: Address of a resource: a string such as ``winrm/config?Name=Value``, a locator, or a resource with a reference.
Place = Union[str, _telarch.Locator, _telarch.Resource]
#: Body of a message: XML, a resource, or names and values that are converted to XML.
Body = Union[str, Mapping[str, object], _telarch.Resource]
Path = Union[str, "os.PathLike[str]"]


class Settings(TypedDict, total=False):
    """Further settings of a session; see the README for their descriptions."""

    username: str | None
    password: str | None
    certificate: Path | None
    key: Path | None
    certificate_thumbprint: str | None
    ca: Path | None
    pin: str | None
    service_name: str | None
    trust_host: bool
    delegate: bool
    proxy: str | None
    proxy_access: int | None
    proxy_auth: int | None
    proxy_username: str | None
    proxy_password: str | None
    machine_settings: bool
    timeout: float | None
    operation_timeout: float | None
    connect_timeout: float | None
    idle_timeout: float | None
    max_envelope_size: int | None
    locale: str | None


class SessionSettings(Settings, total=False):
    """All settings of a session."""

    auth: Auth
    ssl: bool
    port: int | None
    path: str | None
    verify: bool
    unencrypted: bool


class ShellSettings(TypedDict, total=False):
    """Settings of a shell."""

    environment: Mapping[str, str] | None
    directory: str | None
    code_page: int | None
    no_profile: bool
    idle_timeout: float | None
    name: str | None
    output_limit: int | None


class PoolSettings(TypedDict, total=False):
    """Settings of a runspace pool."""

    #: The endpoint (default: ``Microsoft.PowerShell``).
    configuration: str | None
    min_runspaces: int | None
    #: The number of pipelines that can run at the same time (default: 1).
    max_runspaces: int | None
    #: The display name of the pool.
    name: str | None
    #: Seconds without requests after which the service may close the pool.
    idle_timeout: float | None
    #: Seconds for opening the pool (default: 180).
    open_timeout: float | None


_SCHEMES: dict[str, SessionFlag] = {
    "auto": SessionFlag(0),
    "none": SessionFlag.USE_NO_AUTHENTICATION,
    "basic": SessionFlag.USE_BASIC,
    "digest": SessionFlag.USE_DIGEST,
    "negotiate": SessionFlag.USE_NEGOTIATE,
    "ntlm": SessionFlag.USE_NEGOTIATE,
    "kerberos": SessionFlag.USE_KERBEROS,
    "certificate": SessionFlag.USE_CLIENT_CERTIFICATE,
    "credssp": SessionFlag.USE_CRED_SSP,
}


def client(
    target: str,
    auth: Auth,
    ssl: bool,
    port: int | None,
    path: str | None,
    verify: bool,
    unencrypted: bool,
    settings: Settings,
) -> _telarch.Client:
    """Create the native session for the arguments of ``Session`` and ``AsyncSession``."""
    if auth not in _SCHEMES:
        raise ArgumentError(f"auth: {auth!r} is not one of {', '.join(_SCHEMES)}")
    flags = _SCHEMES[auth]
    if ssl:
        flags |= SessionFlag.USE_SSL
    if not verify:
        flags |= SessionFlag.SKIP_CA_CHECK | SessionFlag.SKIP_CN_CHECK | SessionFlag.SKIP_REVOCATION_CHECK
    if unencrypted:
        flags |= SessionFlag.NO_ENCRYPTION
    if port is not None or path is not None:
        target = _completed(target, port, path)
    return _telarch.Client(target, flags=int(flags), **settings)


def _completed(target: str, port: int | None, path: str | None) -> str:
    """Add a port and a path to a target."""
    scheme, separator, rest = target.rpartition("://")
    host, slash, prefix = rest.partition("/")
    if not host:
        raise ArgumentError("port and path require a host in the target")
    if path is not None:
        if prefix:
            raise ArgumentError(f"{target!r} already has a path")
        slash, prefix = "/", path.lstrip("/")
    if port is not None:
        behind_brackets = host.rpartition("]")[2]
        if ":" in behind_brackets and not host.count(":") > 1:
            raise ArgumentError(f"{target!r} already has a port")
        if host.count(":") > 1 and not host.startswith("["):
            host = f"[{host}]"
        host = f"{host}:{port}"
    return f"{scheme}{separator}{host}{slash}{prefix}"
