"""The service's end of sign-ins as pyspnego has it, one after the other: a token a line in Base64, answered by one.

The arguments are the protocol and, with it, nothing else; `new` begins the next sign-in.
"""

import base64
import sys

import spnego
import spnego._credssp

protocol = sys.argv[1]
# Its own code where it has any, not what the machine may have.
arguments = {"protocol": protocol, "options": spnego.NegotiateOptions.none}
if protocol == "kerberos":
    arguments.update(hostname="localhost", service="HTTP")
if protocol == "credssp":
    # Its key is made once, as the service's is.
    arguments["credssp_tls_context"] = spnego._credssp._create_tls_context("accept")


def begin():
    if protocol != "credssp":
        return spnego.server(**arguments)
    inner = spnego.server(protocol="negotiate", options=spnego.NegotiateOptions.none)
    return spnego.server(credssp_negotiate_context=inner, **arguments)


for line in sys.stdin:
    word = line.strip()
    if word == "new":
        context = begin()
        continue
    token = context.step(base64.b64decode(word)) or b""
    print(base64.b64encode(token).decode("ascii"), "complete" if context.complete else "more", flush=True)
