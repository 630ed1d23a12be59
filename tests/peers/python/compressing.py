"""pypsrp that asks for compressed streams, as PowerShell does on Windows."""

import base64
from xml.etree import ElementTree

import xpress
from pypsrp.wsman import NAMESPACES, WSMan, WSManAction

RSP = NAMESPACES["rsp"]


class CompressingWSMan(WSMan):
    def __init__(self, *arguments, **named):
        self.is_compressed = False
        # Numbers of compressed chunks that were sent and received.
        self.sent = self.received = 0
        super().__init__(*arguments, **named)

    def _create_header(self, action, *arguments, **named):
        identifier, header = super()._create_header(action, *arguments, **named)
        if action in (WSManAction.CREATE, WSManAction.CONNECT):
            element = ElementTree.SubElement(header, f"{{{RSP}}}CompressionType")
            element.set(f"{{{NAMESPACES['s']}}}mustUnderstand", "true")
            element.text = "xpress"
        return identifier, header

    def invoke(self, action, resource_uri, resource, *arguments, **named):
        if self.is_compressed and action == WSManAction.SEND:
            for stream in resource.iter(f"{{{RSP}}}Stream"):
                compressed = xpress.compress(base64.b64decode(stream.text))
                self.sent += xpress.decompress(compressed)[1]
                stream.text = base64.b64encode(compressed).decode()
        response = super().invoke(action, resource_uri, resource, *arguments, **named)
        if action == WSManAction.CREATE:
            self.is_compressed = response.find(f".//{{{RSP}}}CompressionMode").text == "XpressCompression"
        for stream in response.iter(f"{{{RSP}}}Stream"):
            plain, count = xpress.decompress(base64.b64decode(stream.text))
            self.received += count
            stream.text = base64.b64encode(plain).decode()
        return response
