"""Accepts sign-ins with pyspnego, one after the other.

The only argument is the protocol. Each line of standard input is a Base64 token, answered by a line with a token and
"complete" or "more"; the line `new` starts the next sign-in.
"""

import base64
import sys

import spnego
import spnego._credssp

protocol = sys.argv[1]
# Use the implementation of pyspnego itself where it has one, not a library of the machine.
arguments = {"protocol": protocol, "options": spnego.NegotiateOptions.none}
if protocol == "kerberos":
    arguments.update(hostname="localhost", service="HTTP")
if protocol == "credssp":
    # The key is created once, as in the service.
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
