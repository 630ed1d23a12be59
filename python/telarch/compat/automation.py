"""``WSMan.Automation`` for scripts of VBScript and pywin32: the same names, in the same case.

``Dispatch("WSMan.Automation")`` stands for ``CreateObject`` and ``win32com.client.Dispatch``. Flags are numbers, which may be
called as well. Errors are raised as ``com_error``, with the number in ``hresult``; ``Error`` of the object is its XML.

The settings of this machine hold (``winrm/config/client``), as they do on Windows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Literal, TypeVar, overload

from .. import _errors, _settings
from .._settings import Settings
from .._telarch import Client, Enumerator, Locator, error_message
from ..flags import EnumerationFlag, ProxyAccess, ProxyAuthentication, SessionFlag

_T = TypeVar("_T")


class com_error(Exception):
    """The exception of pywin32: number, text, details of the object, and None; ``__cause__`` is the original error."""

    def __init__(self, hresult: int, strerror: str, source: str) -> None:
        self.hresult = hresult
        self.strerror = strerror
        self.excepinfo = (0, source, strerror, None, 0, hresult)
        self.argerror = None
        super().__init__(hresult, strerror, self.excepinfo, None)


class Flag(int):
    """A number that can be called, as some languages do with members of automation objects."""

    def __call__(self) -> int:
        return int(self)


class _Object:
    """Base class of all objects, with the last error."""

    def __init__(self) -> None:
        self.__dict__["_error"] = ""

    @property
    def Error(self) -> str:
        """The last error as XML, or an empty string."""
        return str(self.__dict__["_error"])

    def _attempt(self, work: Callable[[], _T]) -> _T:
        try:
            return work()
        except _errors.Error as error:
            self.__dict__["_error"] = error.xml or ""
            # Errors without a number are argument errors.
            hresult = error.hresult if error.hresult is not None else _INVALID_ARGUMENT
            raise com_error(hresult, str(error), type(self).__name__) from error


class WSMan(_Object):
    """``IWSManEx3``."""

    SessionFlagUTF8 = Flag(SessionFlag.UTF8)
    SessionFlagCredUsernamePassword = Flag(SessionFlag.CRED_USERNAME_PASSWORD)
    SessionFlagSkipCACheck = Flag(SessionFlag.SKIP_CA_CHECK)
    SessionFlagSkipCNCheck = Flag(SessionFlag.SKIP_CN_CHECK)
    SessionFlagUseNoAuthentication = Flag(SessionFlag.USE_NO_AUTHENTICATION)
    SessionFlagUseDigest = Flag(SessionFlag.USE_DIGEST)
    SessionFlagUseNegotiate = Flag(SessionFlag.USE_NEGOTIATE)
    SessionFlagUseBasic = Flag(SessionFlag.USE_BASIC)
    SessionFlagUseKerberos = Flag(SessionFlag.USE_KERBEROS)
    SessionFlagNoEncryption = Flag(SessionFlag.NO_ENCRYPTION)
    SessionFlagUseClientCertificate = Flag(SessionFlag.USE_CLIENT_CERTIFICATE)
    SessionFlagEnableSPNServerPort = Flag(SessionFlag.ENABLE_SPN_SERVER_PORT)
    SessionFlagUTF16 = Flag(SessionFlag.UTF16)
    SessionFlagUseCredSsp = Flag(SessionFlag.USE_CRED_SSP)
    SessionFlagSkipRevocationCheck = Flag(SessionFlag.SKIP_REVOCATION_CHECK)
    SessionFlagAllowNegotiateImplicitCredentials = Flag(SessionFlag.ALLOW_NEGOTIATE_IMPLICIT_CREDENTIALS)
    SessionFlagUseSsl = Flag(SessionFlag.USE_SSL)
    EnumerationFlagReturnObject = Flag(0)
    EnumerationFlagNonXmlText = Flag(EnumerationFlag.NON_XML_TEXT)
    EnumerationFlagReturnEPR = Flag(EnumerationFlag.RETURN_EPR)
    EnumerationFlagReturnObjectAndEPR = Flag(EnumerationFlag.RETURN_OBJECT_AND_EPR)
    EnumerationFlagHierarchyDeep = Flag(0)
    EnumerationFlagHierarchyShallow = Flag(EnumerationFlag.HIERARCHY_SHALLOW)
    EnumerationFlagHierarchyDeepBasePropsOnly = Flag(EnumerationFlag.HIERARCHY_DEEP_BASE_PROPS_ONLY)
    EnumerationFlagAssociatedInstance = Flag(0)
    EnumerationFlagAssociationInstance = Flag(EnumerationFlag.ASSOCIATION_INSTANCE)

    @property
    def CommandLine(self) -> str:
        """The command line of this process."""
        return " ".join(sys.orig_argv)

    def CreateSession(
        self, connection: str = "", flags: int = 0, connectionOptions: ConnectionOptions | None = None
    ) -> Session:
        """Creates a session without connecting."""
        settings = Settings() if connectionOptions is None else connectionOptions._settings()
        settings["machine_settings"] = True
        return self._attempt(lambda: Session(Client(connection, flags=int(flags), **settings)))

    def CreateConnectionOptions(self) -> ConnectionOptions:
        """Creates options for ``CreateSession``."""
        return ConnectionOptions()

    def CreateResourceLocator(self, strResourceLocator: str = "") -> ResourceLocator:
        """Creates a locator for the operations of a session."""
        return self._attempt(lambda: ResourceLocator(strResourceLocator))

    def GetErrorMessage(self, errorNumber: int) -> str:
        """Returns the text for an error number."""
        return error_message(errorNumber)


class ConnectionOptions(_Object):
    """``IWSManConnectionOptionsEx2``."""

    def __init__(self) -> None:
        super().__init__()
        self.UserName = ""
        self.CertificateThumbprint = ""
        self.__dict__["_password"] = ""
        self.__dict__["_proxy"] = Settings()

    def _set_password(self, password: str) -> None:
        self.__dict__["_password"] = password

    #: The password, which cannot be read.
    Password = property(fset=_set_password)

    def SetProxy(
        self,
        accessType: int,
        authenticationMechanism: int = 0,
        userName: str = "",
        password: str = "",
    ) -> None:
        """Sets the source of the proxy address, and the authentication to the proxy."""
        proxy: Settings = {"proxy_access": int(accessType), "proxy_auth": int(authenticationMechanism)}
        if userName:
            proxy["proxy_username"], proxy["proxy_password"] = userName, password
        # Invalid settings are rejected here, not when a session is created.
        self._attempt(lambda: Client("localhost", **proxy))
        self.__dict__["_proxy"] = proxy

    def ProxyIEConfig(self) -> int:
        return int(ProxyAccess.IE_CONFIG)

    def ProxyWinHttpConfig(self) -> int:
        return int(ProxyAccess.WIN_HTTP_CONFIG)

    def ProxyAutoDetect(self) -> int:
        return int(ProxyAccess.AUTO_DETECT)

    def ProxyNoProxyServer(self) -> int:
        return int(ProxyAccess.NO_PROXY_SERVER)

    def ProxyAuthenticationUseNegotiate(self) -> int:
        return int(ProxyAuthentication.USE_NEGOTIATE)

    def ProxyAuthenticationUseBasic(self) -> int:
        return int(ProxyAuthentication.USE_BASIC)

    def ProxyAuthenticationUseDigest(self) -> int:
        return int(ProxyAuthentication.USE_DIGEST)

    def _settings(self) -> Settings:
        settings: Settings = self.__dict__["_proxy"].copy()
        if self.UserName:
            settings["username"], settings["password"] = self.UserName, self.__dict__["_password"]
        if self.CertificateThumbprint:
            settings["certificate_thumbprint"] = self.CertificateThumbprint
        return settings


class ResourceLocator(_Object):
    """``IWSManResourceLocator``."""

    def __init__(self, uri: str) -> None:
        super().__init__()
        parsed = Locator(uri) if uri else None
        self.ResourceURI = parsed.resource_uri if parsed else ""
        self.FragmentPath = ""
        self.FragmentDialect = ""
        self.MustUnderstandOptions = False
        self._selectors: dict[str, object] = dict(parsed.selectors) if parsed else {}
        self._options: dict[str, object] = {}

    def AddSelector(self, resourceSelName: str, selValue: object) -> None:
        """Adds a selector."""
        self._selectors[resourceSelName] = selValue

    def ClearSelectors(self) -> None:
        """Removes all selectors."""
        self._selectors.clear()

    def AddOption(self, OptionName: str, OptionValue: object, mustComply: bool = False) -> None:
        """Adds an option."""
        self._options[OptionName] = (OptionValue, bool(mustComply))

    def ClearOptions(self) -> None:
        """Removes all options."""
        self._options.clear()

    def _place(self) -> Locator:
        return Locator(
            self.ResourceURI,
            self._selectors,
            options=self._options,
            must_comply=bool(self.MustUnderstandOptions),
            fragment=self.FragmentPath or None,
            fragment_dialect=self.FragmentDialect or None,
        )


class Session(_Object):
    """``IWSManSession``. Bodies are XML."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client

    @property
    def BatchItems(self) -> int:
        """Maximum number of enumeration items in one response; 0 means as many as fit."""
        return self._client.batch_items or 0

    @BatchItems.setter
    def BatchItems(self, items: int) -> None:
        self._client.batch_items = items or None

    @property
    def Timeout(self) -> int:
        """Time for the response to one request, in milliseconds."""
        return round(self._client.timeout * 1000)

    @Timeout.setter
    def Timeout(self, milliseconds: int) -> None:
        self._attempt(lambda: setattr(self._client, "timeout", milliseconds / 1000))

    def Identify(self, flags: int = 0) -> str:
        """Identifies the service."""
        return self._attempt(lambda: self._client.identify().wait().xml)

    def Get(self, resourceUri: str | ResourceLocator, flags: int = 0) -> str:
        """Reads an instance."""
        return self._attempt(lambda: self._client.get(_place(resourceUri)).wait().xml)

    def Put(self, resourceUri: str | ResourceLocator, resource: str, flags: int = 0) -> str:
        """Replaces an instance."""
        replaced = self._attempt(lambda: self._client.put(_place(resourceUri), resource).wait())
        return replaced.xml if replaced else ""

    def Create(self, resourceUri: str | ResourceLocator, resource: str, flags: int = 0) -> str:
        """Creates an instance; returns its reference."""
        return self._attempt(lambda: self._client.create(_place(resourceUri), resource).wait().xml)

    def Delete(self, resourceUri: str | ResourceLocator, flags: int = 0) -> None:
        """Deletes an instance."""
        self._attempt(lambda: self._client.delete(_place(resourceUri)).wait())

    def Invoke(self, actionUri: str, resourceUri: str | ResourceLocator, parameters: str, flags: int = 0) -> str:
        """Invokes a method; returns its output."""
        output = self._attempt(lambda: self._client.invoke(actionUri, _place(resourceUri), parameters).wait())
        return output.xml if output else ""

    def Enumerate(
        self, resourceUri: str | ResourceLocator, filter: str = "", dialect: str = "", flags: int = 0
    ) -> Enumeration:
        """Enumerates instances."""
        begun = self._attempt(
            lambda: self._client.enumerate(_place(resourceUri), filter or None, dialect or None, int(flags)).wait()
        )
        return Enumeration(begun)


class Enumeration(_Object):
    """``IWSManEnumerator``."""

    def __init__(self, items: Enumerator) -> None:
        super().__init__()
        self._items = items
        self._next: str | None = None
        self._ended = False

    @property
    def AtEndOfStream(self) -> bool:
        """True at the end of the items; waits for the next response if necessary."""
        if self._next is None and not self._ended:
            item = self._attempt(lambda: self._items.next().wait())
            self._next, self._ended = (item.xml, False) if item else (None, True)
        return self._ended

    def ReadItem(self) -> str:
        """Returns the next item."""
        if self.AtEndOfStream or self._next is None:
            raise com_error(_NO_MORE_ITEMS, "no more items", "Enumeration")
        item, self._next = self._next, None
        return item


class InternalAutomation(_Object):
    """``IWSManInternal``: the dialog that edits a security descriptor."""

    def ConfigSDDL(self, session: Session, resourceUri: str | ResourceLocator, flags: int = 0) -> str:
        """Not implemented."""
        raise com_error(_NOT_IMPLEMENTED, "not implemented: use winrm configSDDL, which runs in a terminal", "InternalAutomation")


@overload
def Dispatch(name: Literal["WSMan.Automation"]) -> WSMan: ...
@overload
def Dispatch(name: str) -> Any: ...
def Dispatch(name: str) -> Any:
    """Creates the object of a name such as ``WSMan.Automation``."""
    classes: dict[str, type[_Object]] = {"wsman.automation": WSMan, "wsman.internalautomation": InternalAutomation}
    try:
        return classes[name.lower()]()
    except KeyError:
        raise com_error(_NO_CLASS, f"{name} is not WSMan.Automation or WSMan.InternalAutomation", name) from None


#: The name in VBScript.
CreateObject = Dispatch


def _place(place: str | ResourceLocator) -> _settings.Place:
    return place._place() if isinstance(place, ResourceLocator) else place


_INVALID_ARGUMENT = -2147024809  # E_INVALIDARG
_NOT_IMPLEMENTED = -2147467263  # E_NOTIMPL
_NO_CLASS = -2147221005  # CO_E_CLASSSTRING
_NO_MORE_ITEMS = -2144108537  # ERROR_WSMAN_ENUMERATION_CLOSED
