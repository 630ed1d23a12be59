"""Protocol of pywinrm: one method per message."""

from __future__ import annotations

import base64
import re
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from typing import Any
from xml.sax.saxutils import escape

from .exceptions import WinRMError, WinRMOperationTimeoutError, WinRMTransportError, WSManFaultError
from .transport import Transport

_SOAP = "http://www.w3.org/2003/05/soap-envelope"
_ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
_WSMAN = "http://schemas.microsoft.com/wbem/wsman/1"
_SHELL = f"{_WSMAN}/windows/shell"
_TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
_NAMESPACES = {
    "xsd": "http://www.w3.org/2001/XMLSchema",
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "env": _SOAP,
    "a": _ADDRESSING,
    "b": "http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd",
    "n": "http://schemas.xmlsoap.org/ws/2004/09/enumeration",
    "x": _TRANSFER,
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "p": f"{_WSMAN}/wsman.xsd",
    "rsp": _SHELL,
    "cfg": f"{_WSMAN}/config",
}

_DECLARATIONS = {f"@xmlns:{prefix}": uri for prefix, uri in _NAMESPACES.items()}


class Protocol:
    """Operations on shells and commands, one message each."""

    DEFAULT_READ_TIMEOUT_SEC = 30
    DEFAULT_OPERATION_TIMEOUT_SEC = 20
    DEFAULT_MAX_ENV_SIZE = 153600
    DEFAULT_LOCALE = "en-US"

    #: The transport; any object with ``send_message`` and ``close_session``.
    transport: Any

    def __init__(
        self,
        endpoint: str,
        transport: str = "plaintext",
        username: str | None = None,
        password: str | None = None,
        realm: None = None,
        service: str = "HTTP",
        keytab: None = None,
        ca_trust_path: str | None = "legacy_requests",
        cert_pem: str | None = None,
        cert_key_pem: str | None = None,
        server_cert_validation: str | None = "validate",
        kerberos_delegation: bool = False,
        read_timeout_sec: str | int = DEFAULT_READ_TIMEOUT_SEC,
        operation_timeout_sec: str | int = DEFAULT_OPERATION_TIMEOUT_SEC,
        kerberos_hostname_override: str | None = None,
        message_encryption: str = "auto",
        credssp_disable_tlsv1_2: bool = False,
        send_cbt: bool = True,
        proxy: str | None = "legacy_requests",
    ) -> None:
        self.read_timeout_sec = _seconds("read_timeout_sec", read_timeout_sec)
        self.operation_timeout_sec = _seconds("operation_timeout_sec", operation_timeout_sec)
        if not 1 <= self.operation_timeout_sec < self.read_timeout_sec:
            raise WinRMError("read_timeout_sec must exceed operation_timeout_sec, and both must be non-zero")
        self.max_env_sz = Protocol.DEFAULT_MAX_ENV_SIZE
        self.locale = Protocol.DEFAULT_LOCALE
        self.username = username
        self.password = password
        self.service = service
        self.keytab = keytab
        self.ca_trust_path = ca_trust_path
        self.server_cert_validation = server_cert_validation
        self.kerberos_delegation = kerberos_delegation
        self.kerberos_hostname_override = kerberos_hostname_override
        self.credssp_disable_tlsv1_2 = credssp_disable_tlsv1_2
        self.transport = Transport(
            endpoint=endpoint,
            username=username,
            password=password,
            service=service,
            ca_trust_path=ca_trust_path,
            cert_pem=cert_pem,
            cert_key_pem=cert_key_pem,
            read_timeout_sec=self.read_timeout_sec,
            operation_timeout_sec=self.operation_timeout_sec,
            server_cert_validation=server_cert_validation,
            kerberos_delegation=kerberos_delegation,
            kerberos_hostname_override=kerberos_hostname_override,
            auth_method=transport,
            message_encryption=message_encryption,
            credssp_disable_tlsv1_2=credssp_disable_tlsv1_2,
            send_cbt=send_cbt,
            proxy=proxy,
        )

    def open_shell(
        self,
        i_stream: str = "stdin",
        o_stream: str = "stdout stderr",
        working_directory: str | None = None,
        env_vars: Mapping[str, str] | None = None,
        noprofile: bool = False,
        codepage: int = 437,
        lifetime: None = None,
        idle_timeout: str | int | None = None,
    ) -> str:
        """Open a shell and return its identifier."""
        shell: dict[str, Any] = {"rsp:InputStreams": i_stream, "rsp:OutputStreams": o_stream}
        if working_directory:
            shell["rsp:WorkingDirectory"] = working_directory
        if idle_timeout:
            shell["rsp:IdleTimeOut"] = idle_timeout
        if env_vars:
            variables = [{"@Name": name, "#text": value} for name, value in env_vars.items()]
            shell["rsp:Environment"] = {"rsp:Variable": variables}
        options = {"WINRS_NOPROFILE": str(noprofile).upper(), "WINRS_CODEPAGE": str(codepage)}
        answer = self._exchange(f"{_TRANSFER}/Create", {"rsp:Shell": shell}, options=options)
        return next(node.text or "" for node in answer.iter() if node.get("Name") == "ShellId")

    def close_shell(self, shell_id: str, close_session: bool = True) -> None:
        """Close a shell."""
        try:
            self._acknowledged(f"{_TRANSFER}/Delete", shell_id, {})
        finally:
            if close_session:
                self.transport.close_session()

    def run_command(
        self,
        shell_id: str,
        command: str,
        arguments: Iterable[str | bytes] = (),
        console_mode_stdin: bool = True,
        skip_cmd_shell: bool = False,
    ) -> str:
        """Start a command and return its identifier."""
        line: dict[str, Any] = {"rsp:Command": {"#text": command}}
        if arguments:
            line["rsp:Arguments"] = " ".join(a if isinstance(a, str) else a.decode() for a in arguments)
        options = {
            "WINRS_CONSOLEMODE_STDIN": str(console_mode_stdin).upper(),
            "WINRS_SKIP_CMD_SHELL": str(skip_cmd_shell).upper(),
        }
        answer = self._exchange(f"{_SHELL}/Command", {"rsp:CommandLine": line}, shell_id, options)
        return next(node.text or "" for node in answer.iter() if node.tag.endswith("CommandId"))

    def cleanup_command(self, shell_id: str, command_id: str) -> None:
        """End a command and release it."""
        signal = {"@CommandId": command_id, "rsp:Code": f"{_SHELL}/signal/terminate"}
        self._acknowledged(f"{_SHELL}/Signal", shell_id, {"rsp:Signal": signal})

    def send_command_input(self, shell_id: str, command_id: str, stdin_input: str | bytes, end: bool = False) -> None:
        """Write input for a command; ``end`` closes the input."""
        octets = stdin_input.encode("437") if isinstance(stdin_input, str) else stdin_input
        stream = {
            "@CommandId": command_id,
            "@Name": "stdin",
            "@End": "true" if end else "false",
            "@xmlns:rsp": _SHELL,
            "#text": base64.b64encode(octets).decode("ascii"),
        }
        self._exchange(f"{_SHELL}/Send", {"rsp:Send": {"rsp:Stream": stream}}, shell_id)

    def get_command_output(self, shell_id: str, command_id: str) -> tuple[bytes, bytes, int]:
        """Return output, error output and exit code of a command after its end."""
        output: list[bytes] = []
        errors: list[bytes] = []
        while True:
            try:
                stdout, stderr, exit_code, done = self.get_command_output_raw(shell_id, command_id)
            except WinRMOperationTimeoutError:
                continue
            output.append(stdout)
            errors.append(stderr)
            if done:
                return b"".join(output), b"".join(errors), exit_code

    def get_command_output_raw(self, shell_id: str, command_id: str) -> tuple[bytes, bytes, int, bool]:
        """Return the new output and error output of a command, its exit code (-1 before its end), and True at its end.

        Raises ``WinRMOperationTimeoutError`` if there was nothing in time.
        """
        wanted = {"@CommandId": command_id, "#text": "stdout stderr"}
        answer = self._exchange(f"{_SHELL}/Receive", {"rsp:Receive": {"rsp:DesiredStream": wanted}}, shell_id)
        pieces: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
        exit_code, done = -1, False
        for node in answer.iter():
            if node.tag.endswith("}Stream") and node.text:
                pieces.setdefault(node.get("Name", ""), []).append(base64.b64decode(node.text))
            elif node.get("State", "").endswith("CommandState/Done"):
                done = True
            elif node.tag.endswith("}ExitCode"):
                exit_code = int(node.text or -1)
        return b"".join(pieces["stdout"]), b"".join(pieces["stderr"]), exit_code if done else -1, done

    # The name used by scripts.
    _raw_get_command_output = get_command_output_raw

    def build_wsman_header(
        self,
        action: str,
        resource_uri: str,
        shell_id: str | None = None,
        message_id: str | uuid.UUID | None = None,
    ) -> dict[str, Any]:
        """Return the attributes and the header of an envelope in the form of xmltodict."""
        must = {"@mustUnderstand": "true"}
        language = {"@mustUnderstand": "false", "@xml:lang": "en-US"}
        envelope: dict[str, Any] = dict(_DECLARATIONS)
        header: dict[str, Any] = {
            "a:To": "http://windows-host:5985/wsman",
            "a:ReplyTo": {"a:Address": must | {"#text": f"{_ADDRESSING}/role/anonymous"}},
            "w:MaxEnvelopeSize": must | {"#text": "153600"},
            "a:MessageID": f"uuid:{message_id or uuid.uuid4()}",
            "w:Locale": language,
            "p:DataLocale": language,
            "w:OperationTimeout": f"PT{int(self.operation_timeout_sec)}S",
            "w:ResourceURI": must | {"#text": resource_uri},
            "a:Action": must | {"#text": action},
        }
        if shell_id:
            header["w:SelectorSet"] = {"w:Selector": {"@Name": "ShellId", "#text": shell_id}}
        envelope["env:Header"] = header
        return envelope

    # The name used by scripts.
    _get_soap_header = build_wsman_header

    def send_message(self, message: str) -> bytes:
        """Send an envelope and return the response; a fault is raised."""
        try:
            answer: bytes = self.transport.send_message(message)
        except WinRMTransportError as error:
            fault = _fault(error)
            if fault is None:
                raise
            raise fault from error
        return answer

    def _exchange(
        self,
        action: str,
        body: dict[str, Any],
        shell_id: str | None = None,
        options: Mapping[str, str] | None = None,
        message_id: uuid.UUID | None = None,
    ) -> ET.Element:
        envelope = self.build_wsman_header(action, f"{_SHELL}/cmd", shell_id, message_id)
        if options:
            listed = [{"@Name": name, "#text": value} for name, value in options.items()]
            envelope["env:Header"]["w:OptionSet"] = {"w:Option": listed}
        envelope["env:Body"] = body
        message = _markup("env:Envelope", envelope)
        return _parsed(self.send_message(f'<?xml version="1.0" encoding="utf-8"?>\n{message}'))

    def _acknowledged(self, action: str, shell_id: str, body: dict[str, Any]) -> None:
        """Send a message whose response only identifies the request."""
        message_id = uuid.uuid4()
        answer = self._exchange(action, body, shell_id, message_id=message_id)
        related = next((node.text or "" for node in answer.iter() if node.tag.endswith("}RelatesTo")), "")
        if related.lower() != f"uuid:{message_id}":
            raise WinRMError(f"the response is for another message: {related!r}")


def _markup(name: str, value: Any) -> str:
    """Write an element in the form of xmltodict: ``@name`` is an attribute, ``#text`` the text, a list several elements."""
    if isinstance(value, list):
        return "".join([_markup(name, item) for item in value])
    if not isinstance(value, dict):
        return f"<{name}>{_escaped(str(value))}</{name}>"
    attributes, content = "", ""
    for key, item in value.items():
        if key[0] == "@":
            attributes += f' {key[1:]}="{_escaped(str(item))}"'
        elif key == "#text":
            content += _escaped(str(item))
        else:
            content += _markup(key, item)
    return f"<{name}{attributes}>{content}</{name}>"


def _escaped(text: str) -> str:
    """Escape a text for an element, or for an attribute in double quotes."""
    # Most texts need no escaping, and one search is faster than five.
    return text if _HARMLESS.fullmatch(text) else escape(text, {'"': "&quot;", "\r": "&#13;"})


_HARMLESS = re.compile(r"[\w :/.,*=+-]*")


def _parsed(text: bytes | str) -> ET.Element:
    """Parse a message of a service; entities are rejected because they can expand without limit."""
    if (b"<!DOCTYPE" if isinstance(text, bytes) else "<!DOCTYPE") in text:  # type: ignore[operator]
        raise WinRMError("the response has a document type declaration, which messages must not have")
    return ET.fromstring(text)


def _fault(error: WinRMTransportError) -> Exception | None:
    """Return the fault in a response, or None."""
    try:
        root = _parsed(error.response_text)
    except (ET.ParseError, WinRMError):
        return None
    fault = root.find(f"{{{_SOAP}}}Body/{{{_SOAP}}}Fault")
    if fault is None:
        return None
    details = fault.find(f"{{{_SOAP}}}Detail/{{{_WSMAN}/wsmanfault}}WSManFault")
    code = int(details.get("Code", "0")) if details is not None else None
    if code == _OPERATION_TIMED_OUT:
        return WinRMOperationTimeoutError()
    wmi = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/MSFT_WmiError"
    wmi_code = fault.findtext(f"{{{_SOAP}}}Detail/{{{wmi}}}MSFT_WmiError/{{{wmi}}}error_Code")
    return WSManFaultError(
        code=error.code,
        message=error.message,
        response=error.response_text,
        reason=fault.findtext(f"{{{_SOAP}}}Reason/{{{_SOAP}}}Text") or "(no error message in fault)",
        fault_code=fault.findtext(f"{{{_SOAP}}}Code/{{{_SOAP}}}Value") or None,
        fault_subcode=fault.findtext(f"{{{_SOAP}}}Code/{{{_SOAP}}}Subcode/{{{_SOAP}}}Value") or None,
        wsman_fault_code=code,
        wmierror_code=int(wmi_code) if wmi_code else None,
    )


def _seconds(name: str, value: str | int) -> int:
    try:
        return int(value)
    except ValueError as error:
        raise ValueError(f"failed to parse {name} as int: {error}") from error


#: The fault of a Receive that found no output in time (MS-WSMV 3.1.4.14).
_OPERATION_TIMED_OUT = 2150858793
