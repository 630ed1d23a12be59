"""How pypsrp signs in, and what its refusals mean."""

import urllib.parse

from pypsrp.exceptions import WinRMError, WinRMTransportError, WSManFaultError
from pypsrp.wsman import WSMan
from requests_credssp.exceptions import AuthenticationException, NTStatusException


def connection(login):
    url = urllib.parse.urlsplit(login["url"])
    ssl = url.scheme == "https"
    certificate, key = login["certificate"] or (None, None)
    return {
        "server": url.hostname,
        "port": url.port,
        "path": url.path.strip("/"),
        "ssl": ssl,
        "cert_validation": False,
        "auth": login["transport"],
        "encryption": login["encryption"],
        "username": login["user"],
        "password": login["password"],
        **({"certificate_pem": certificate, "certificate_key_pem": key} if certificate else {}),
        "no_proxy": True,
    }


def wsman(login, operation_timeout=None):
    return WSMan(**connection(login), operation_timeout=operation_timeout or 20)


def fault_code(error):
    if isinstance(error, WSManFaultError):
        # Without a WSManFault in it, pypsrp puts the subcode there.
        return error.code if isinstance(error.code, int) else None
    # What the package for CredSSP says is passed on as it is.
    if isinstance(error, (WinRMError, WinRMTransportError, AuthenticationException, NTStatusException)):
        return None
    raise TypeError
