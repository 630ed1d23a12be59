"""A subscriber that receives pushed events: an HTTP server that keeps or prints its messages."""

import base64
import http.server
import json
import ssl
import sys
import threading
import uuid
import xml.etree.ElementTree as ET

from sldc import expand

EVENTING = "http://schemas.xmlsoap.org/ws/2004/08/eventing"
WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"

ANSWER = """<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:w="%s"><s:Header>
<a:To>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:To><a:Action>{action}</a:Action>
<a:MessageID>uuid:{id}</a:MessageID><a:RelatesTo>{related}</a:RelatesTo></s:Header><s:Body>{body}</s:Body>
</s:Envelope>""" % WSMAN

REFUSAL = """<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>w:DeliveryRefused</s:Value></s:Subcode>
</s:Code><s:Reason><s:Text xml:lang="en-US">no more</s:Text></s:Reason></s:Fault>"""

ACK = "http://schemas.dmtf.org/wbem/wsman/1/wsman/Ack"
FAULT = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"
END = EVENTING + "/SubscriptionEnd"


def local(element):
    return element.tag.rpartition("}")[2]


def values(element):
    """The properties of an instance, those of embedded ones in a dictionary of their own."""
    return {local(child): values(child) if len(child) else child.text for child in element}


class Sink(http.server.ThreadingHTTPServer):
    """Receives pushed events. `refuses_after` is the number of accepted events after which it refuses more."""

    def __init__(self, mode, refuses_after, is_flaky, certificate=None, login=None, port=0):
        super().__init__(("127.0.0.1", port), Delivery)
        self.scheme = "https" if certificate else "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.mode, self.refuses_after, self.is_flaky = mode, refuses_after, is_flaky
        # Value of the header Authorization that messages must have.
        self.authorization = "Basic " + base64.b64encode(":".join(login).encode()).decode() if login else None
        self.changed, self.messages, self.attempts = threading.Condition(), [], set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def address(self):
        return "%s://localhost:%d/events" % (self.scheme, self.server_address[1])

    def events(self):
        return sum(len(message["events"]) for message in self.messages)

    def wait_for(self, condition):
        with self.changed:
            self.changed.wait_for(condition)


class Delivery(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.authorization not in (None, self.headers["Authorization"]):
            return self.answer(401, "")
        if not content:
            # A message without content only authenticates the connection to the proxy before this server.
            return self.answer(200, "")
        size, is_complete = len(content), None
        if self.headers["Content-Encoding"] == "SLDC":
            content, trailer = expand(content)
            is_complete = int.from_bytes(trailer, "little") == len(content)
        envelope = ET.fromstring(content)
        header, body = envelope
        headers = {local(one): one for one in header}
        related = headers["MessageID"].text
        message = {
            "path": self.path,
            "type": self.headers["Content-Type"],
            "encoding": self.headers["Content-Encoding"],
            "sizes": [size, len(content)],
            "is_complete": is_complete,
            "client": self.headers["X-Client"],
            "action": headers["Action"].text,
            "token": headers["Token"].text if "Token" in headers else None,
            "authorization": self.headers["Authorization"],
            "asks": "AckRequested" in headers,
            "bookmark": ET.tostring(headers["Bookmark"][0], encoding="unicode") if "Bookmark" in headers else None,
            "events": [
                one.text or {"class": local(one[0]) if len(one) else "", **values(one[0] if len(one) else one)}
                for one in body.iter("{%s}Event" % WSMAN)
            ],
            "body": [local(child) for child in body],
            "status": body.findtext(".//{%s}Status" % EVENTING),
        }
        if self.server.mode != "Events" and message["action"].endswith("/wsman/Event") and not message["events"]:
            message["events"] = [{"class": local(one), **values(one)} for one in body]
        with self.server.changed:
            if self.server.is_flaky and related not in self.server.attempts and message["events"]:
                # The same events arrive again, in a message with another identifier.
                self.server.attempts.add(related)
                self.server.is_flaky = False
                return self.answer(503, "")
            limit = self.server.refuses_after
            if limit is not None and message["events"] and self.server.events() >= limit:
                self.server.messages.append({**message, "events": [], "refused": True})
                self.server.changed.notify_all()
                return self.answer(500, self.envelope(FAULT, related, REFUSAL))
            self.server.messages.append(message)
            self.server.changed.notify_all()
        if not message["asks"]:
            return self.answer(202, "")
        return self.answer(200, self.envelope(ACK, related, ""))

    def envelope(self, action, related, body):
        return ANSWER.format(action=action, id=uuid.uuid4(), related=related, body=body)

    def answer(self, status, text):
        content = text.encode()
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="events"')
        self.send_header("Content-Type", "application/soap+xml;charset=UTF-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


def main(mode):
    """Prints the address, and each message as a line of JSON."""
    sink = Sink(mode, None, False)
    print(sink.address(), flush=True)
    count = 0
    while True:
        sink.wait_for(lambda: len(sink.messages) > count)
        print(json.dumps(sink.messages[count]), flush=True)
        count += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
