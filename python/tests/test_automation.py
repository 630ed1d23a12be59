"""VBScript samples of the Windows documentation, line by line."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

import telarch
from conftest import Service
from telarch.compat import automation
from telarch.compat.automation import CreateObject


@pytest.fixture(autouse=True)
def settings(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Isolates the tests from the settings of this machine."""
    (tmp_path / "client.toml").write_text("")
    monkeypatch.setenv("TELARCH_CLIENT_CONFIG", str(tmp_path / "client.toml"))


def test_get_the_configuration_with_explicit_credentials(service: Service) -> None:
    # Set objWsman = CreateObject("WSMan.Automation")
    objWsman = CreateObject("WSMan.Automation")
    # Set objConnectionOptions = objWsman.CreateConnectionOptions
    objConnectionOptions = objWsman.CreateConnectionOptions()
    # objConnectionOptions.UserName = "…"
    objConnectionOptions.UserName = service.user
    # objConnectionOptions.Password = "…"
    objConnectionOptions.Password = service.password
    # iFlags = objWsman.SessionFlagUseBasic Or objWsman.SessionFlagCredUserNamePassword Or …
    iFlags = (
        objWsman.SessionFlagUseBasic
        | objWsman.SessionFlagCredUsernamePassword
        | objWsman.SessionFlagSkipCACheck
        | objWsman.SessionFlagSkipCNCheck
    )
    # Set objSession = objWsman.CreateSession("https://…", iFlags, objConnectionOptions)
    objSession = objWsman.CreateSession(service.https, iFlags, objConnectionOptions)
    # strResource = "http://schemas.microsoft.com/wbem/wsman/1/config"
    strResponse = objSession.Get("http://schemas.microsoft.com/wbem/wsman/1/config")
    root = ET.fromstring(strResponse)
    assert root.tag.endswith("}Config")
    # WScript.Echo objSession.Identify
    assert "IdentifyResponse" in objSession.Identify()


def test_enumerate_listeners_until_the_end_of_the_stream(service: Service) -> None:
    objSession = session(service)
    # Set objResultSet = objSession.Enumerate(strResource)
    objResultSet = objSession.Enumerate("winrm/config/Listener")
    transports = []
    # While Not objResultSet.AtEndOfStream
    while not objResultSet.AtEndOfStream:
        # strListener = objResultSet.ReadItem
        strListener = objResultSet.ReadItem()
        transports.append(next(e.text for e in ET.fromstring(strListener) if e.tag.endswith("}Transport")))
    # Wend
    assert sorted(transports) == ["HTTP", "HTTPS"]
    with pytest.raises(automation.com_error):
        objResultSet.ReadItem()


def test_put_create_and_delete_with_a_resource_locator(service: Service) -> None:
    objWsman, objSession = automation.Dispatch("WSMan.Automation"), session(service)
    # Set objLocator = objWsman.CreateResourceLocator("winrm/config/Listener")
    objLocator = objWsman.CreateResourceLocator("winrm/config/Listener")
    # objLocator.AddSelector "Address", "IP:127.0.0.7"
    objLocator.AddSelector("Address", "IP:127.0.0.7")
    objLocator.AddSelector("Transport", "HTTP")
    strXml = (
        '<p:Listener xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/config/listener">'
        "<p:Port>5999</p:Port><p:Enabled>false</p:Enabled></p:Listener>"
    )
    # strNew = objSession.Create(objLocator, strXml)
    strNew = objSession.Create(objLocator, strXml)
    try:
        assert "ResourceCreated" in strNew
        # The result is a reference, which every operation accepts.
        strListener = objSession.Get(strNew)
        assert objSession.Get(objLocator) == strListener
        # strAfter = objSession.Put(objLocator, Replace(strListener, …))
        strAfter = objSession.Put(objLocator, strListener.replace(">wsman<", ">other<"))
        assert ">other<" in strAfter
    finally:
        # objSession.Delete objLocator
        objSession.Delete(objLocator)
    with pytest.raises(automation.com_error) as gone:
        objSession.Get(objLocator)
    # If Err.Number <> 0 Then WScript.Echo objSession.Error
    assert gone.value.hresult < 0 and gone.value.args[0] == gone.value.hresult
    error = ET.fromstring(objSession.Error)
    assert error.tag == "{http://schemas.microsoft.com/wbem/wsman/1/wsmanfault}WSManFault"
    assert int(error.attrib["Code"]) == gone.value.hresult % 2**32
    objLocator.ClearSelectors()
    objLocator.AddOption("a", 1, True)
    objLocator.MustUnderstandOptions = True
    objLocator.ClearOptions()
    assert objLocator.ResourceURI == "http://schemas.microsoft.com/wbem/wsman/1/config/Listener"


def test_timeout_and_batch_items_are_settings_of_a_session(service: Service) -> None:
    objSession = session(service)
    assert (objSession.Timeout, objSession.BatchItems) == (60000, 0)
    objSession.Timeout, objSession.BatchItems = 5000, 1
    assert (objSession.Timeout, objSession.BatchItems) == (5000, 1)
    objResultSet = objSession.Enumerate("winrm/config/listener", "", "", automation.WSMan.EnumerationFlagReturnEPR())
    items = []
    while not objResultSet.AtEndOfStream:
        items.append(objResultSet.ReadItem())
    assert len(items) == 2 and all("EndpointReference" in item for item in items)


def test_a_method_is_invoked(service: Service) -> None:
    uri = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
    with telarch.Session(service.https, ca=service.pem, **service.login).shell() as shell:
        objLocator = CreateObject("WSMan.Automation").CreateResourceLocator("shell/cmd")
        objLocator.AddSelector("ShellId", shell.id)
        objLocator.AddOption("WINRS_CONSOLEMODE_STDIN", "FALSE")
        strParameters = f'<p:CommandLine xmlns:p="{uri}"><p:Command>true</p:Command></p:CommandLine>'
        # strOutput = objSession.Invoke(strAction, objLocator, strParameters)
        strOutput = session(service).Invoke(f"{uri}/Command", objLocator, strParameters)
        assert ET.fromstring(strOutput).tag == f"{{{uri}}}CommandResponse"


def test_invalid_arguments_are_com_errors(service: Service) -> None:
    objWsman = CreateObject("WSMan.Automation")
    for attempt in (
        lambda: CreateObject("WScript.Shell"),
        lambda: objWsman.CreateSession("ftp://node7"),
        lambda: objWsman.CreateSession("node7", objWsman.SessionFlagUseBasic | objWsman.SessionFlagUseDigest),
        lambda: objWsman.CreateResourceLocator("nonsense"),
        lambda: objWsman.CreateConnectionOptions().SetProxy(3),
        lambda: automation.Dispatch("WSMan.InternalAutomation").ConfigSDDL(None, "x"),
    ):
        with pytest.raises(automation.com_error) as error:
            attempt()
        assert error.value.hresult < 0 and error.value.excepinfo[2] == error.value.strerror
    objOptions = objWsman.CreateConnectionOptions()
    objOptions.SetProxy(objOptions.ProxyAutoDetect(), objOptions.ProxyAuthenticationUseBasic(), "ann", "secret")
    objOptions.SetProxy(objOptions.ProxyNoProxyServer())
    with pytest.raises(AttributeError):
        print(objWsman.CreateConnectionOptions().Password)
    assert objWsman.GetErrorMessage(-2144108526) == "cannot connect"
    assert "python" in objWsman.CommandLine


def session(service: Service) -> automation.Session:
    objWsman = CreateObject("WSMan.Automation")
    objConnectionOptions = objWsman.CreateConnectionOptions()
    objConnectionOptions.UserName, objConnectionOptions.Password = service.user, service.password
    iFlags = objWsman.SessionFlagUseNegotiate() | objWsman.SessionFlagSkipCACheck() | objWsman.SessionFlagSkipCNCheck()
    return objWsman.CreateSession(service.https, iFlags, objConnectionOptions)
