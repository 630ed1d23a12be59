"""An event source that signs in with Kerberos or Negotiate and seals its messages, like Windows without TLS.

It requests its subscriptions, sends a heartbeat to the address of the first one, and delivers batches of events on the
same connection. Messages are UTF-16 with a byte order mark.
"""

import base64
import http.client
import re
import struct
import urllib.parse

import spnego

from exchange import serve

CLOSING = b"--Encrypted Boundary--\r\n"
ENVELOPE = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
    ' xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration"'
    ' xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"><s:Header>'
    '<a:Action s:mustUnderstand="true">%s</a:Action><a:MessageID>uuid:%d</a:MessageID>%s'
    "</s:Header><s:Body>%s</s:Body></s:Envelope>"
)
ENUMERATE = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Enumerate"
WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman/"


class Connection:
    """A connection that is signed in once."""

    def __init__(self, url, framing):
        self.url = urllib.parse.urlsplit(url)
        self.framing = framing
        self.protocol = "application/HTTP-%s-session-encrypted" % (
            "Kerberos" if framing == "Kerberos" else "SPNEGO"
        )
        self.http = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=60)
        self.number = 0

    def sign_in(self, path):
        protocol = "kerberos" if self.framing == "Kerberos" else "negotiate"
        self.context = spnego.client(hostname=self.url.hostname, service="HTTP", protocol=protocol)
        token = self.context.step()
        while True:
            value = "%s %s" % (self.framing, base64.b64encode(token).decode())
            response, _ = self.post(path, b"", {"Authorization": value})
            words = response.headers.get("WWW-Authenticate", "").split()
            if response.status == 200:
                if len(words) == 2 and not self.context.complete:
                    self.context.step(base64.b64decode(words[1]))
                return
            if response.status != 401 or len(words) != 2:
                raise RuntimeError("the sign-in was answered with %d %s" % (response.status, words))
            token = self.context.step(base64.b64decode(words[1]))

    def post(self, path, body, headers):
        self.http.request("POST", path, body, headers)
        response = self.http.getresponse()
        return response, response.read()

    def send(self, path, action, header, body):
        self.number += 1
        message = b"\xff\xfe" + (ENVELOPE % (action, self.number, header, body)).encode("utf-16-le")
        wrapped = self.context.wrap_winrm(message)
        lines = [
            "--Encrypted Boundary",
            "\tContent-Type: " + self.protocol,
            "\tOriginalContent: type=application/soap+xml;charset=UTF-16;Length=%d"
            % (len(message) + wrapped.padding_length),
            "--Encrypted Boundary",
            "\tContent-Type: application/octet-stream",
            "",
        ]
        sealed = "\r\n".join(lines).encode() + struct.pack("<i", len(wrapped.header))
        sealed += wrapped.header + wrapped.data + CLOSING
        kind = 'multipart/encrypted;protocol="%s";boundary="Encrypted Boundary"' % self.protocol
        response, data = self.post(path, sealed, {"Content-Type": kind})
        if data and self.protocol.encode() not in data:
            raise RuntimeError("the answer is not sealed like the request")
        return {"status": response.status, "text": self.open(data) if data else ""}

    def open(self, body):
        _, sealed = body.split(b"application/octet-stream\r\n", 1)
        sealed = sealed[: -len(CLOSING)]
        length = struct.unpack("<i", sealed[:4])[0]
        plain = self.context.unwrap_winrm(sealed[4 : 4 + length], sealed[4 + length :])
        return plain.decode("utf-16")


def deliver(login, arguments):
    path = urllib.parse.urlsplit(login["url"]).path
    manager = path + "/SubscriptionManager/WEC"
    connection = Connection(login["url"], arguments["framing"])
    connection.sign_in(manager)
    offered = connection.send(manager, ENUMERATE, "", "<n:Enumerate/>")
    address = re.search("<a:Address>(http[^<]*/subscriptions/[^<]*)<", offered["text"])
    answers = [offered]
    if address:
        connection = Connection(address.group(1), arguments["framing"])
        path = connection.url.path
        connection.sign_in(path)
        answers.append(connection.send(path, WSMAN + "Heartbeat", "<w:AckRequested/>", "<w:Events></w:Events>"))
        for batch in arguments["batches"]:
            items = "".join(
                '<w:Event Action="%sEvent"><![CDATA[%s]]></w:Event>' % (WSMAN, event) for event in batch
            )
            answers.append(
                connection.send(path, WSMAN + "Events", "<w:AckRequested/>", "<w:Events>%s</w:Events>" % items)
            )
    return answers


def describe_refusal(error):
    raise TypeError


serve({"deliver": deliver}, describe_refusal)
