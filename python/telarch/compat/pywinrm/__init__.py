"""API of pywinrm: ``import telarch.compat.pywinrm as winrm``.

Messages are pywinrm's; what carries them is telarch: connections are kept, signing in is native, and messages over HTTP
are sealed where the scheme can. README.md says what differs.
"""

from __future__ import annotations

import base64
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterable

from ..._telarch import clean_clixml
from .protocol import Protocol

__version__ = "0.5.0"

FEATURE_SUPPORTED_AUTHTYPES = ["basic", "certificate", "ntlm", "kerberos", "plaintext", "ssl", "credssp"]
FEATURE_READ_TIMEOUT = True
FEATURE_OPERATION_TIMEOUT = True
FEATURE_PROXY_SUPPORT = True

__all__ = ["Protocol", "Response", "Session"]


class Response:
    """Result of a command."""

    def __init__(self, args: tuple[bytes, bytes, int]) -> None:
        self.std_out, self.std_err, self.status_code = args

    def __repr__(self) -> str:
        return f'<Response code {self.status_code}, out "{self.std_out[:20]!r}", err "{self.std_err[:20]!r}">'


class Session:
    """Commands and scripts on one host, each in its own shell."""

    def __init__(self, target: str, auth: tuple[str, str], **kwargs: object) -> None:
        username, password = auth
        self.url = self._build_url(target, str(kwargs.get("transport", "plaintext")))
        self.protocol = Protocol(self.url, username=username, password=password, **kwargs)  # type: ignore[arg-type]

    def run_cmd(self, command: str, args: Iterable[str | bytes] = ()) -> Response:
        """Run a command."""
        protocol = self.protocol
        shell_id = protocol.open_shell()
        try:
            command_id = protocol.run_command(shell_id, command, args)
            try:
                return Response(protocol.get_command_output(shell_id, command_id))
            finally:
                protocol.cleanup_command(shell_id, command_id)
        finally:
            protocol.close_shell(shell_id)

    def run_ps(self, script: str) -> Response:
        """Run a PowerShell script; its errors are converted to text.

        A machine without ``powershell`` is asked for ``pwsh`` next.
        """
        encoded = base64.b64encode(script.encode("utf_16_le")).decode("ascii")
        response = self.run_cmd(f"powershell -encodedcommand {encoded}")
        if response.status_code == _NOT_FOUND:
            response = self.run_cmd(f"pwsh -encodedcommand {encoded}")
        if response.std_err:
            response.std_err = self._clean_error_msg(response.std_err)
        return response

    def _clean_error_msg(self, msg: bytes) -> bytes:
        if not msg.startswith(b"#< CLIXML"):
            return msg
        cleaned = clean_clixml(msg)
        if cleaned is not None:
            return cleaned.encode()
        try:
            ET.fromstring(msg.partition(b"\n")[2])
        except ET.ParseError as error:
            warnings.warn(f"There was a problem converting the Powershell error message: {error}", stacklevel=2)
        return msg

    @staticmethod
    def _build_url(target: str, transport: str) -> str:
        match = re.match(
            r"(?:(?P<scheme>https?)://)?(?P<host>[\w.-]+|\[[0-9a-f:.%]+\])(?::(?P<port>\d+))?(?:/?(?P<path>wsman))?",
            target,
            re.IGNORECASE,
        )
        if match is None:
            raise ValueError(f"Invalid target URL: {target}")
        tls = transport == "ssl"
        scheme = match["scheme"] or ("https" if tls else "http")
        return f"{scheme}://{match['host']}:{match['port'] or (5986 if tls else 5985)}/{match['path'] or 'wsman'}"


#: Exit code of a POSIX shell for a missing program.
_NOT_FOUND = 127
