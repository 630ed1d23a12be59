"""The flags of ``WSMan.Automation``, with the same values."""

from enum import IntFlag


class SessionFlag(IntFlag):
    """Flags of a session."""

    UTF8 = 0x1
    CRED_USERNAME_PASSWORD = 0x1000
    SKIP_CA_CHECK = 0x2000
    SKIP_CN_CHECK = 0x4000
    USE_NO_AUTHENTICATION = 0x8000
    USE_DIGEST = 0x10000
    USE_NEGOTIATE = 0x20000
    USE_BASIC = 0x40000
    USE_KERBEROS = 0x80000
    NO_ENCRYPTION = 0x100000
    USE_CLIENT_CERTIFICATE = 0x200000
    ENABLE_SPN_SERVER_PORT = 0x400000
    UTF16 = 0x800000
    USE_CRED_SSP = 0x1000000
    SKIP_REVOCATION_CHECK = 0x2000000
    ALLOW_NEGOTIATE_IMPLICIT_CREDENTIALS = 0x4000000
    USE_SSL = 0x8000000


class EnumerationFlag(IntFlag):
    """Content of an enumeration; 0 means complete objects, including those of subclasses."""

    NON_XML_TEXT = 0x1
    RETURN_EPR = 0x2
    RETURN_OBJECT_AND_EPR = 0x4
    HIERARCHY_SHALLOW = 0x20
    HIERARCHY_DEEP_BASE_PROPS_ONLY = 0x40
    ASSOCIATION_INSTANCE = 0x80


class ProxyAccess(IntFlag):
    """Source of the proxy address."""

    IE_CONFIG = 1
    WIN_HTTP_CONFIG = 2
    AUTO_DETECT = 4
    NO_PROXY_SERVER = 8


class ProxyAuthentication(IntFlag):
    """Authentication to a proxy."""

    USE_NEGOTIATE = 1
    USE_BASIC = 2
    USE_DIGEST = 4
