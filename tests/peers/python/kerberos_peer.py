"""One end of Kerberos, token by token: a JSON request a line on standard input, a JSON answer a line on standard output.

Octets are in base64. The first request says which end; the tickets and keys are those of the environment.
"""

import base64
import json
import sys


def main():
    end = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if end is None:
                end = ENDS[request["end"]](request)
                answer = {}
            else:
                answer = getattr(end, request["ask"])(*[octets(text) for text in request["octets"]])
        except Exception as error:
            answer = {"refused": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


class Pyspnego:
    """What pypsrp uses."""

    def step(self, token):
        out = self.context.step(token or None)
        return {"token": text(out or b""), "complete": self.context.complete}

    def seal(self, message):
        sealed = self.context.wrap_winrm(message)
        return {"header": text(sealed.header), "message": text(sealed.data)}

    def unseal(self, header, message):
        return {"message": text(self.context.unwrap_winrm(header, message))}

    def sign(self, message):
        return {"message": text(self.context.sign(message))}

    def verify(self, message, signature):
        self.context.verify(message, signature)
        return {}

    def principal(self):
        return {"name": self.context.client_principal}


class PyspnegoClient(Pyspnego):
    def __init__(self, request):
        import spnego

        wanted = spnego.ContextReq.default
        if not request["in_sequence"]:
            wanted &= ~(spnego.ContextReq.sequence_detect | spnego.ContextReq.replay_detect)
        self.context = spnego.client(
            request["user"],
            request["password"],
            hostname="localhost",
            service="HTTP",
            protocol="kerberos",
            channel_bindings=bindings(request),
            context_req=wanted,
        )


class PyspnegoServer(Pyspnego):
    def __init__(self, request):
        import spnego

        self.context = spnego.server(
            hostname="localhost", service="HTTP", protocol="kerberos", channel_bindings=bindings(request)
        )


class PykerberosClient:
    """What pywinrm uses."""

    def __init__(self, request):
        import kerberos

        self.kerberos = kerberos
        flags = kerberos.GSS_C_MUTUAL_FLAG | kerberos.GSS_C_SEQUENCE_FLAG
        _, self.context = kerberos.authGSSClientInit("HTTP@localhost", gssflags=flags)

    def step(self, token):
        verdict = self.kerberos.authGSSClientStep(self.context, text(token))
        out = self.kerberos.authGSSClientResponse(self.context) or ""
        return {"token": out, "complete": verdict == self.kerberos.AUTH_GSS_COMPLETE}

    def seal(self, message):
        sealed, header = self.kerberos.authGSSWinRMEncryptMessage(self.context, message)
        return {"header": text(header), "message": text(sealed)}

    def unseal(self, header, message):
        opened = self.kerberos.authGSSWinRMDecryptMessage(self.context, message, header)
        return {"message": text(opened.encode() if isinstance(opened, str) else opened)}


def bindings(request):
    from spnego.channel_bindings import GssChannelBindings

    data = request["binding"]
    return GssChannelBindings(application_data=octets(data)) if data is not None else None


def text(octets):
    return base64.b64encode(octets).decode("ascii")


def octets(text):
    return base64.b64decode(text)


ENDS = {
    "pyspnego client": PyspnegoClient,
    "pyspnego server": PyspnegoServer,
    "pykerberos client": PykerberosClient,
}

main()
