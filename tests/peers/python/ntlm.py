"""One end of NTLM as pyspnego has it: a JSON request a line on standard input, a JSON answer a line on standard output.

The one argument is a JSON object with the settings of the context; octets are Base64 everywhere.
"""

import base64
import json
import sys

import spnego
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import SpnegoError

settings = json.loads(sys.argv[1])
bindings = settings.get("application_data")
arguments = {
    "channel_bindings": GssChannelBindings(application_data=base64.b64decode(bindings)) if bindings else None,
    "context_req": spnego.ContextReq.default if settings["seals"] else spnego.ContextReq.none,
    # Its own code, not what the machine may have.
    "options": spnego.NegotiateOptions.use_ntlm,
    "protocol": "ntlm",
    "hostname": settings["hostname"],
    "service": "HTTP",
}
if settings["usage"] == "initiate":
    context = spnego.client(settings["user"], settings["password"], **arguments)
else:
    context = spnego.server(**arguments)

# Only SPNEGO calls these, and SPNEGO is not what is tried here.
verbs = {
    "step": lambda token=None: [context.step(token)],
    "wrap": lambda message: context.wrap_winrm(message)[:2],
    "unwrap": lambda header, message: [context.unwrap_winrm(header, message)],
    "sign": lambda message: [context.sign(message)],
    "verify": lambda message, signature: [context.verify(message, signature) or None],
    "mech_list_mic_exchanged": lambda: [context._reset_ntlm_crypto_state(outgoing=way) for way in (True, False)],
}

for line in sys.stdin:
    request = json.loads(line)
    octets = [base64.b64decode(word) for word in request["arguments"]]
    try:
        found = [word for word in verbs[request["verb"]](*octets) if word is not None]
        answer = {"answer": [base64.b64encode(word).decode("ascii") for word in found]}
    except SpnegoError as error:
        answer = {"refused": type(error).__name__}
    print(json.dumps({**answer, "complete": context.complete, "principal": context.client_principal}), flush=True)
