"""pywinrm over a transport that signs in with NTLM anew for every message, on one connection.

Each message begins with an empty request without credentials, as from a client that does not know that its connection
is signed in. Clients in JavaScript and Go do so.
"""

import base64
import http.client
import struct
import urllib.parse

import spnego
from winrm.protocol import Protocol

from exchange import command_result, serve

SEALED = "application/HTTP-SPNEGO-session-encrypted"
CLOSING = b"--Encrypted Boundary--\r\n"


class Connection(http.client.HTTPConnection):
    """Counts how often it connects."""

    opened = 0

    def connect(self):
        self.opened += 1
        super().connect()


class Reauthenticating:
    def __init__(self, login):
        url = urllib.parse.urlsplit(login["url"])
        self.connection = Connection(url.hostname, url.port, timeout=60)
        self.login = login
        self.messages = 0

    def close_session(self):
        self.connection.close()

    def post(self, body, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request("POST", "/wsman", body, headers)
        response = self.connection.getresponse()
        return response, response.read()

    def send_message(self, message):
        self.messages += 1
        context = self.sign_in()
        message = message if isinstance(message, bytes) else message.encode()
        body = seal(context, message)
        content_type = 'multipart/encrypted;protocol="%s";boundary="Encrypted Boundary"' % SEALED
        response, data = self.post(body, Content_Type=content_type)
        if response.status not in (200, 500) or not data:
            raise RuntimeError("the message was answered with %d" % response.status)
        return unseal(context, data)

    def sign_in(self):
        response, _ = self.post(b"")
        if response.status != 401 or "Negotiate" not in response.headers.get_all("WWW-Authenticate", []):
            raise RuntimeError("the request for a new handshake was answered with %d" % response.status)
        context = spnego.client(self.login["user"], self.login["password"], protocol="ntlm")
        token = context.step()
        while True:
            response, _ = self.post(b"", Authorization="Negotiate " + base64.b64encode(token).decode())
            if response.status == 200:
                return context
            words = response.headers.get("WWW-Authenticate", "").split()
            if response.status != 401 or len(words) != 2:
                raise RuntimeError("a token was answered with %d %s" % (response.status, words))
            token = context.step(base64.b64decode(words[1]))


def seal(context, message):
    wrapped = context.wrap_winrm(message)
    lines = [
        "--Encrypted Boundary",
        "\tContent-Type: " + SEALED,
        "\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=%d" % len(message),
        "--Encrypted Boundary",
        "\tContent-Type: application/octet-stream",
        "",
    ]
    header = struct.pack("<i", len(wrapped.header)) + wrapped.header
    return "\r\n".join(lines).encode() + header + wrapped.data + CLOSING


def unseal(context, body):
    _, sealed = body.split(b"application/octet-stream\r\n", 1)
    sealed = sealed[: -len(CLOSING)]
    length = struct.unpack("<i", sealed[:4])[0]
    return context.unwrap_winrm(sealed[4 : 4 + length], sealed[4 + length :])


def run(login, arguments):
    client = Protocol(login["url"], transport="ntlm", username=login["user"], password=login["password"])
    transport = client.transport = Reauthenticating(login)
    shell = client.open_shell(codepage=65001)
    command = client.run_command(shell, arguments["command"])
    stdout, stderr, code = client.get_command_output(shell, command)
    client.cleanup_command(shell, command)
    client.close_shell(shell)
    counts = {"messages": transport.messages, "connections": transport.connection.opened}
    return command_result(stdout, stderr, code, **counts)


def describe_refusal(error):
    raise TypeError


serve({"run": run}, describe_refusal)
