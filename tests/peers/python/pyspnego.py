"""One end of NTLM, SPNEGO or CredSSP as pyspnego has it: a JSON request a line on standard input, a JSON answer a line
on standard output.

The one argument is a JSON object with the settings of the context; octets are Base64 everywhere.
"""

import base64
import json
import ssl
import sys

import spnego
import spnego._credssp
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import SpnegoError
from spnego.tls import default_tls_context

settings = json.loads(sys.argv[1])
is_service = settings["usage"] == "accept"
bindings = settings["application_data"]
arguments = {
    "channel_bindings": GssChannelBindings(application_data=base64.b64decode(bindings)) if bindings else None,
    "context_req": spnego.ContextReq.default if settings["seals"] else spnego.ContextReq.none,
    # Its own code, not what the machine may have.
    "options": spnego.NegotiateOptions.use_ntlm if settings["protocol"] == "ntlm" else spnego.NegotiateOptions.none,
    "protocol": settings["protocol"],
    "hostname": "node7.lab.example",
    "service": "HTTP",
}
login = [] if is_service else [settings["user"], settings["password"]]
make = spnego.server if is_service else spnego.client

credssp = settings["credssp"]
if credssp:
    spnego._credssp._CREDSSP_VERSION = credssp["version"]
    arguments["credssp_negotiate_context"] = make(*login, **{**arguments, "protocol": credssp["inner"]})
    tls = spnego._credssp._create_tls_context("accept") if is_service else default_tls_context()
    tls.context.minimum_version = tls.context.maximum_version = ssl.TLSVersion[credssp["tls"]]
    arguments["credssp_tls_context"] = tls
    # What is handed over need not be what the mechanism inside signs in with.
    login[:1] = [] if is_service else [credssp["hands_over"] or settings["user"]]
context = make(*login, **arguments)

verbs = {
    "step": lambda token=None: [context.step(token)],
    "wrap": lambda message: context.wrap_winrm(message)[:2],
    "unwrap": lambda header, message: [context.unwrap_winrm(header, message)],
    "sign": lambda message: [context.sign(message)],
    "verify": lambda message, signature: [context.verify(message, signature) or None],
    # Only its SPNEGO calls this.
    "mech_list_mic_exchanged": lambda: [context._reset_ntlm_crypto_state(outgoing=way) for way in (True, False)],
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
