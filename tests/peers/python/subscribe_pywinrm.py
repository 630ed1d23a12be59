"""Subscribes to events with messages of its own over pywinrm's transport, which knows none for that."""

import subprocess
import uuid
import xml.etree.ElementTree as ET

import winrm
from winrm.exceptions import WinRMError, WinRMOperationTimeoutError, WinRMTransportError
from xml.sax.saxutils import escape

from exchange import serve

EVENTING = "http://schemas.xmlsoap.org/ws/2004/08/eventing"
ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
TIMED_OUT = 2150858793

ENVELOPE = """<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:e="%s" xmlns:n="%s" xmlns:w="%s"><s:Header>
<a:To>{url}</a:To><w:ResourceURI s:mustUnderstand="true">{resource}</w:ResourceURI>
<a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>
<a:Action s:mustUnderstand="true">{action}</a:Action><a:MessageID>uuid:{id}</a:MessageID>
<w:OperationTimeout>PT2S</w:OperationTimeout>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>""" % (
    EVENTING,
    ENUMERATION,
    WSMAN,
)

SUBSCRIBE = """<e:Subscribe><e:Delivery Mode="http://schemas.dmtf.org/wbem/wsman/1/wsman/Pull"/>
<e:Expires>PT10M</e:Expires>{filter}</e:Subscribe>"""

FILTER = '<w:Filter Dialect="http://schemas.microsoft.com/wbem/wsman/1/WQL">%s</w:Filter>'

PULL = """<n:Pull><n:EnumerationContext>{context}</n:EnumerationContext>
<n:MaxElements>100</n:MaxElements></n:Pull>"""


class Subscriber:
    def __init__(self, login, resource):
        self.url, self.resource = login["url"], resource
        self.client = winrm.Protocol(
            login["url"],
            transport=login["transport"],
            username=login["user"],
            password=login["password"],
            server_cert_validation="ignore",
            message_encryption=login["encryption"],
            proxy=None,
        )

    def ask(self, action, body, header=""):
        message = ENVELOPE.format(
            url=self.url, resource=self.resource, action=action, id=uuid.uuid4(), body=body, header=header
        )
        return ET.fromstring(self.client.send_message(message))


def local(element):
    return element.tag.rpartition("}")[2]


def values(element):
    """The properties of an instance, those of embedded ones in a dictionary of their own."""
    return {local(child): values(child) if len(child) else child.text for child in element}


def watch(login, arguments):
    """Subscribes, runs a program, and pulls until there are as many events as are expected; a query may be missing."""
    subscriber = Subscriber(login, arguments["resource"])
    wanted = FILTER % escape(arguments["query"]) if arguments["query"] else ""
    answer = subscriber.ask(EVENTING + "/Subscribe", SUBSCRIBE.format(filter=wanted))
    identifier = answer.find(".//{%s}Identifier" % EVENTING).text
    context = answer.find(".//{%s}EnumerationContext" % ENUMERATION).text
    program = subprocess.Popen(arguments["program"], stdout=subprocess.DEVNULL) if arguments["program"] else None
    events, timeouts = [], 0
    while len(events) < arguments["count"] and timeouts < 15:
        try:
            page = subscriber.ask(ENUMERATION + "/Pull", PULL.format(context=context))
        except WinRMOperationTimeoutError:
            timeouts += 1
            continue
        except WinRMError as error:
            if getattr(error, "wsman_fault_code", None) != TIMED_OUT:
                raise
            timeouts += 1
            continue
        events += [{"class": local(item), **values(item)} for item in page.find(".//{%s}Items" % ENUMERATION)]
    if program:
        program.kill()
        program.wait()
    named = "<e:Identifier>%s</e:Identifier>" % identifier
    subscriber.ask(EVENTING + "/Unsubscribe", "<e:Unsubscribe/>", named)
    return {"events": events, "process": program.pid if program else None}


def fault_code(error):
    if isinstance(error, WinRMError):
        return getattr(error, "wsman_fault_code", None)
    if isinstance(error, WinRMTransportError):
        return None
    raise TypeError


serve({"watch": watch}, fault_code)
