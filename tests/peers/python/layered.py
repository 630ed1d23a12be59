"""One end of SPNEGO or CredSSP as pyspnego has it: a JSON request a line on standard input, a JSON answer a line on
standard output.

The one argument is a JSON object with the settings of the context; octets are Base64 everywhere.
"""

import base64
import json
import ssl
import sys

import spnego
import spnego._credssp
from spnego.exceptions import SpnegoError
from spnego.tls import default_tls_context

settings = json.loads(sys.argv[1])
service = settings["usage"] == "accept"
# Its own code, not what the machine may have.
arguments = {"protocol": settings["protocol"], "options": spnego.NegotiateOptions.none}
login = [] if service else [settings["user"], settings["password"]]
make = spnego.server if service else spnego.client
if not service:
    arguments["hostname"] = "localhost"
    arguments["service"] = "HTTP"

if settings["protocol"] == "credssp":
    spnego._credssp._CREDSSP_VERSION = settings["version"]
    inner = {**arguments, "protocol": settings["inner"]}
    arguments["credssp_negotiate_context"] = make(*login, **inner)
    if service:
        tls = spnego._credssp._create_tls_context("accept")
    else:
        tls = default_tls_context()
    tls.context.minimum_version = tls.context.maximum_version = ssl.TLSVersion[settings["tls"]]
    arguments["credssp_tls_context"] = tls
    # What is handed over need not be what the mechanism inside signs in with.
    login[:1] = [] if service else [settings["hands_over"] or settings["user"]]
context = make(*login, **arguments)

verbs = {
    "step": lambda token=None: [context.step(token)],
    "wrap": lambda message: context.wrap_winrm(message)[:2],
    "unwrap": lambda header, message: [context.unwrap_winrm(header, message)],
}

for line in sys.stdin:
    request = json.loads(line)
    octets = [base64.b64decode(word) for word in request["arguments"]]
    try:
        found = [word for word in verbs[request["verb"]](*octets) if word is not None]
        answer = {"answer": [base64.b64encode(word).decode("ascii") for word in found]}
    except SpnegoError as error:
        answer = {"refused": f"{type(error).__name__}: {error}"}
    credential = context.get_extra_info("client_credential")
    known = {
        "complete": context.complete,
        "principal": context.client_principal,
        "mechanism": context.negotiated_protocol,
        "credential": credential and [credential.domain_name, credential.username, credential.password],
    }
    print(json.dumps({**answer, **known}), flush=True)
