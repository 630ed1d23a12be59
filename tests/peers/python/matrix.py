"""Walks cells of the matrix: each is one client that signs in by one scheme and exchanges large messages.

Standard input is a JSON list of cells, standard output a JSON list of what became of them, in the same order:
"sealed" or "open" for who was let in, by whether messages were sealed, else {"refused": EXCEPTION}.
"""

import hashlib
import json
import sys
import urllib.parse
import warnings

import requests
import winrm
from pypsrp.encryption import WinRMEncryption
from pypsrp.exceptions import AuthenticationError
from pypsrp.shell import Process, WinRS
from pypsrp.wsman import WSMan
from requests_credssp import HttpCredSSPAuth
from requests_credssp.exceptions import AuthenticationException, NTStatusException
from winrm.exceptions import InvalidCredentialsError

UTF_8 = 65001

# Three TLS records, so that CredSSP has to send parts.
INPUT = bytes(range(33, 127)) * 360

IDENTIFY = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header/><s:Body>'
    '<i:Identify xmlns:i="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"/></s:Body></s:Envelope>'
).encode("utf-8")


def pywinrm(cell):
    certificate, key = cell["certificate"] or (None, None)
    client = winrm.Protocol(
        cell["url"],
        transport=cell["scheme"],
        # Its Kerberos knows tickets only.
        username=None if cell["scheme"] == "kerberos" else cell["user"],
        password=cell["password"],
        cert_pem=certificate,
        cert_key_pem=key,
        server_cert_validation="ignore",
        send_cbt=cell["sends_binding"],
        proxy=None,
    )
    client.transport.credssp_auth_mechanism = cell["inner"] or "auto"
    try:
        shell = client.open_shell(codepage=UTF_8)
        command = client.run_command(shell, "cat")
        client.send_command_input(shell, command, INPUT, end=True)
        stdout, _, code = client.get_command_output(shell, command)
        client.cleanup_command(shell, command)
        client.close_shell(shell)
        check(stdout, code)
        return client.transport.encryption is not None
    finally:
        client.transport.close_session()


def pypsrp(cell):
    url = urllib.parse.urlsplit(cell["url"])
    certificate, key = cell["certificate"] or (None, None)
    client = WSMan(
        url.hostname,
        port=url.port,
        ssl=url.scheme == "https",
        cert_validation=False,
        # It seals over HTTP, and would not even try Basic.
        encryption="never" if cell["scheme"] == "basic" else "auto",
        auth=cell["scheme"],
        username=cell["user"],
        password=cell["password"],
        **({"certificate_pem": certificate, "certificate_key_pem": key} if certificate else {}),
        negotiate_service=cell["spn"],
        negotiate_send_cbt=cell["sends_binding"],
        credssp_auth_mechanism=cell["inner"] or "auto",
        no_proxy=True,
    )
    with client, WinRS(client, codepage=UTF_8) as shell:
        process = Process(shell, "cat")
        process.begin_invoke()
        process.send(INPUT, end=True)
        process.end_invoke()
        check(process.stdout, process.rc)
        return client.transport.encryption is not None


def requests_credssp(cell):
    url = urllib.parse.urlsplit(cell["url"])
    with requests.Session() as session:
        session.trust_env = False
        session.verify = False
        session.auth = HttpCredSSPAuth(cell["user"], cell["password"], cell["inner"] or "auto")
        # It can seal, but leaves it to others to write what is sealed.
        session.post(cell["url"], data=None).raise_for_status()
        if url.scheme == "https":
            answer = session.post(cell["url"], IDENTIFY, headers={"Content-Type": "application/soap+xml;charset=UTF-8"})
            answer.raise_for_status()
            content = answer.content
        else:
            sealing = WinRMEncryption(session.auth.contexts[url.hostname], WinRMEncryption.CREDSSP)
            media_type, body = sealing.wrap_message(IDENTIFY)
            of = '%s;protocol="%s";boundary="Encrypted Boundary"' % (media_type, sealing.protocol)
            answer = session.post(cell["url"], body, headers={"Content-Type": of})
            answer.raise_for_status()
            content = sealing.unwrap_message(answer.content, "Encrypted Boundary")
        if b"IdentifyResponse" not in content:
            raise RuntimeError("not an answer: %r" % content)
        return url.scheme != "https"


def check(stdout, code):
    if code != 0 or stdout != INPUT:
        raise RuntimeError("code %s, %d octets, %s" % (code, len(stdout), hashlib.sha256(stdout).hexdigest()))


CLIENTS = {function.__name__: function for function in (pywinrm, pypsrp, requests_credssp)}


# Each of them says that it was not let in; any other exception ends the script.
REFUSALS = (InvalidCredentialsError, AuthenticationError, AuthenticationException, NTStatusException)


def walk(cell):
    try:
        return "sealed" if CLIENTS[cell["client"]](cell) else "open"
    except REFUSALS as error:
        return {"refused": "%s: %s" % (type(error).__name__, error)}


warnings.simplefilter("ignore")
json.dump([walk(cell) for cell in json.load(sys.stdin)], sys.stdout)
