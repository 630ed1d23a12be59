"""A service of WS-Management whose sign-in and sealing are pyspnego's and pypsrp's, for clients of others.

The one argument is a JSON object: "user" and "password", of the one account for NTLM; "offers", the schemes in their
order; "binding", "right" or "wrong", for the certificate that sign-ins over HTTPS are bound to; "flaw", what it does
that no client should put up with: "open answers" to sealed messages, or "no proof" of itself. It prints the addresses as JSON and serves until its input ends.

It says who it is (Identify), with everything about the sign-in in the ProductVendor, and it has one kind of shell,
whose every command returns its whole input.
"""

import base64
import hashlib
import http.server
import json
import os
import re
import ssl
import sys
import tempfile
import threading
import uuid
import xml.etree.ElementTree as ET
import xml.sax.saxutils

import spnego
from pypsrp.encryption import WinRMEncryption
from spnego._ntlm_raw.crypto import ntowfv1
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import SpnegoError

from own_certificate import tls_of_a_service

SETTINGS = json.loads(sys.argv[1])

ENVELOPE = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
IDENTITY = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"
SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
PROTOCOLS = {
    "Negotiate": WinRMEncryption.SPNEGO,
    "Kerberos": WinRMEncryption.KERBEROS,
    "CredSSP": WinRMEncryption.CREDSSP,
}
SOAP = "application/soap+xml;charset=UTF-8"

# What is known of the commands by their identifiers, and of the sealed requests by their schemes.
commands = {}
most_parts = {}


class Connection(http.server.BaseHTTPRequestHandler):
    """One for each connection, to which a sign-in belongs."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    scheme = None
    context = None

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        token = None
        if "Authorization" in self.headers:
            try:
                token = self.step(*self.headers["Authorization"].split(" ", 1))
            except (SpnegoError, ValueError) as error:
                self.context = None
                print("refused: %s" % error, file=sys.stderr, flush=True)
                return self.answer(401, self.offers())
        if self.context is None:
            return self.answer(401, self.offers())
        challenge = ["%s %s" % (self.scheme, base64.b64encode(token).decode("ascii"))] if token else []
        if not self.context.complete:
            return self.answer(401, challenge)
        if SETTINGS["flaw"] == "no proof":
            challenge = []
        if not body:
            return self.answer(200, challenge)
        media_type = self.headers["Content-Type"]
        if not media_type.startswith("multipart/"):
            if not self.is_private():
                return self.answer(500, challenge)
            return self.answer(200, challenge, SOAP, reply(body, self.story("open")))
        sealing = WinRMEncryption(self.context, PROTOCOLS[self.scheme])
        if sealing.protocol not in media_type:
            raise ValueError("sealed by another name: %s" % media_type)
        parts = body.count(b"Content-Type: application/octet-stream")
        most_parts[self.scheme] = max(most_parts.get(self.scheme, 0), parts)
        message = sealing.unwrap_message(body, re.search('boundary="(.*)"', media_type).group(1))
        if SETTINGS["flaw"] == "open answers":
            return self.answer(200, challenge, SOAP, reply(message, "anybody"))
        form, sealed = sealing.wrap_message(reply(message, self.story("sealed in %s" % ("parts" if most_parts[self.scheme] > 1 else "one"))))
        media_type = '%s;protocol="%s";boundary="Encrypted Boundary"' % (form, sealing.protocol)
        self.answer(200, challenge, media_type, sealed)

    def step(self, scheme, token):
        if scheme not in SETTINGS["offers"]:
            raise ValueError("%s is not offered" % scheme)
        if self.context is None or self.context.complete:
            self.scheme, self.context = scheme, acceptor(scheme, self.is_private())
        return self.context.step(base64.b64decode(token))

    def is_private(self):
        return isinstance(self.connection, ssl.SSLSocket)

    def offers(self):
        return SETTINGS["offers"]

    def story(self, protection):
        return " ".join([self.scheme, self.context.negotiated_protocol, self.context.client_principal, protection])

    def answer(self, status, challenges, media_type=None, body=b""):
        self.send_response(status)
        for challenge in challenges:
            self.send_header("WWW-Authenticate", challenge)
        if media_type:
            self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def acceptor(scheme, is_private):
    bindings = GssChannelBindings(application_data=APPLICATION_DATA) if is_private else None
    names = {"hostname": "localhost", "service": "HTTP"}
    if scheme == "Kerberos":
        return spnego.server(protocol="kerberos", channel_bindings=bindings, **names)
    # Its own SPNEGO and NTLM, not what the machine may have.
    options = spnego.NegotiateOptions.use_negotiate
    if scheme == "Negotiate":
        return spnego.server(protocol="negotiate", options=options, channel_bindings=bindings, **names)
    inner = spnego.server(protocol="negotiate", options=options, **names)
    return spnego.server(protocol="credssp", credssp_negotiate_context=inner, credssp_min_protocol=6, **names)


def reply(message, story):
    """The answer to any request that these tests make."""
    request = ET.fromstring(message)
    action = request.findtext("{*}Header/{%s}Action" % ADDRESSING) or ""
    related = request.findtext("{*}Header/{%s}MessageID" % ADDRESSING) or ""
    if action == "":
        content = (
            '<i:IdentifyResponse xmlns:i="%s"><i:ProtocolVersion>http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd'
            "</i:ProtocolVersion><i:ProductVendor>%s</i:ProductVendor><i:ProductVersion>OS: 0 SP: 0 Stack: 3.0"
            "</i:ProductVersion></i:IdentifyResponse>" % (IDENTITY, xml.sax.saxutils.escape(story))
        )
    elif action == TRANSFER + "/Create":
        content = (
            '<x:ResourceCreated xmlns:x="%s"><a:Address>http://localhost/wsman</a:Address><a:ReferenceParameters>'
            '<w:ResourceURI xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd">%s/cmd</w:ResourceURI>'
            '<w:SelectorSet xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"><w:Selector Name="ShellId">%s'
            "</w:Selector></w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>"
            % (TRANSFER, SHELL, str(uuid.uuid4()).upper())
        )
    elif action == SHELL + "/Command":
        identifier = str(uuid.uuid4()).upper()
        commands[identifier] = (bytearray(), threading.Event())
        content = '<r:CommandResponse xmlns:r="%s"><r:CommandId>%s</r:CommandId></r:CommandResponse>' % (SHELL, identifier)
    elif action == SHELL + "/Send":
        for stream in request.iter("{%s}Stream" % SHELL):
            text, ended = commands[stream.get("CommandId").upper()]
            text += base64.b64decode(stream.text or "")
            if stream.get("End") == "true":
                ended.set()
        content = '<r:SendResponse xmlns:r="%s"/>' % SHELL
    elif action == SHELL + "/Receive":
        identifier = request.find(".//{%s}DesiredStream" % SHELL).get("CommandId")
        text, ended = commands[identifier.upper()]
        if not ended.wait(20):
            raise RuntimeError("the input does not end")
        stream = '<r:Stream Name="stdout" CommandId="%s"' % identifier
        content = (
            '<r:ReceiveResponse xmlns:r="%s">%s>%s</r:Stream>%s End="true"/><r:CommandState CommandId="%s" '
            'State="%s/CommandState/Done"><r:ExitCode>0</r:ExitCode></r:CommandState></r:ReceiveResponse>'
            % (SHELL, stream, base64.b64encode(text).decode("ascii"), stream, identifier, SHELL)
        )
    elif action == SHELL + "/Signal":
        content = '<r:SignalResponse xmlns:r="%s"/>' % SHELL
    else:
        content = ""
    return (
        '<s:Envelope xmlns:s="%s" xmlns:a="%s"><s:Header><a:Action>%sResponse</a:Action><a:RelatesTo>%s</a:RelatesTo>'
        "</s:Header><s:Body>%s</s:Body></s:Envelope>" % (ENVELOPE, ADDRESSING, action, related, content)
    ).encode("utf-8")


def serve(context=None):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Connection)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return "%s://localhost:%d/wsman" % ("https" if context else "http", server.server_port)


# With the hash, because no line with the password itself may have a colon in it.
nt_hash = ntowfv1(SETTINGS["password"]).hex().upper()
accounts = tempfile.NamedTemporaryFile("w")
accounts.write("%s:1000:%s:%s:[U]:LCT-00000000\n" % (SETTINGS["user"], "0" * 32, nt_hash))
accounts.flush()
os.environ["NTLM_USER_FILE"] = accounts.name
tls, served = tls_of_a_service()
bound = served if SETTINGS["binding"] == "right" else b"another certificate"
APPLICATION_DATA = b"tls-server-end-point:" + hashlib.sha256(bound).digest()
print(json.dumps({"http": serve(), "https": serve(tls)}), flush=True)
sys.stdin.read()
