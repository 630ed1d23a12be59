"""Receives metrics by OTLP over HTTP and prints each request as a line of JSON, decoded with OpenTelemetry's own schema.

Arguments: port, or 0 for any; the only accepted value of the header Authorization, or nothing for any request; a list of
the first answers in JSON; files of a certificate and its key for TLS. The first line is the port.

An answer has `rejected` and `message` of a partial success, or the `status` of a refusal with `retry_after` and
`message`. Refused requests are printed as `{"refused": STATUS}`. `waited` is the number of seconds from the beginning of the
answer before to the arrival of the request.
"""

import http.server
import json
import ssl
import sys
import time

from google.protobuf.json_format import MessageToDict
from google.protobuf.wrappers_pb2 import StringValue
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

port, authorization, answers, *tls = sys.argv[1:]
answers = json.loads(answers)
answered = None


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        waited = None if answered is None else time.monotonic() - answered
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if authorization and self.headers["Authorization"] != authorization:
            return self.respond(401, b"")
        if self.path != "/v1/metrics" or self.headers["Content-Type"] != "application/x-protobuf":
            return self.respond(404, b"")
        request = ExportMetricsServiceRequest.FromString(body)
        answer = answers.pop(0) if answers else {}
        message = answer.get("message", "")
        if status := answer.get("status"):
            # A google.rpc.Status with its field `message`, which has the number 2.
            text = StringValue(value=message).SerializeToString()
            self.respond(status, b"\x12" + text[1:] if text else b"", answer.get("retry_after"))
            return print(json.dumps({"refused": status, "waited": waited}), flush=True)
        response = ExportMetricsServiceResponse()
        if "rejected" in answer:
            response.partial_success.rejected_data_points = answer["rejected"]
            response.partial_success.error_message = message
        self.respond(200, response.SerializeToString())
        print(json.dumps({**MessageToDict(request), "waited": waited}), flush=True)

    def respond(self, status, body, retry_after=None):
        global answered
        answered = time.monotonic()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf")
        if retry_after:
            self.send_header("Retry-After", retry_after)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", int(port)), Receiver)
if tls:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*tls)
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
