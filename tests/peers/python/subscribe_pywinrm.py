"""Subscribes to events with messages of its own over pywinrm's transport, which knows none for that."""

import subprocess
import uuid
import xml.etree.ElementTree as ET

import winrm
from winrm.exceptions import WinRMError, WinRMOperationTimeoutError, WinRMTransportError
from xml.sax.saxutils import escape

from event_sink import END, Sink, local, values
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


EVENT_LOG = "http://schemas.microsoft.com/wbem/wsman/1/windows/EventLog"

SUBSCRIBE_LOGS = """<e:Subscribe><e:Delivery Mode="http://schemas.dmtf.org/wbem/wsman/1/wsman/Pull"/>
<w:Filter Dialect="http://schemas.microsoft.com/win/2004/08/events/eventquery">%s</w:Filter>%s<w:SendBookmarks/>
</e:Subscribe>"""


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


def logs(login, arguments):
    """Subscribes to event logs, runs a program, and pulls pages until there are as many events as are expected."""
    subscriber = Subscriber(login, EVENT_LOG)
    options = "".join('<w:Option Name="%s">%s</w:Option>' % pair for pair in arguments["options"].items())
    bookmark = "<w:Bookmark>%s</w:Bookmark>" % arguments["bookmark"] if arguments["bookmark"] else ""
    body = SUBSCRIBE_LOGS % (arguments["query"], bookmark)
    answer = subscriber.ask(EVENTING + "/Subscribe", body, "<w:OptionSet>%s</w:OptionSet>" % options)
    identifier = answer.find(".//{%s}Identifier" % EVENTING).text
    context = answer.find(".//{%s}EnumerationContext" % ENUMERATION).text
    events, pages, timeouts, mark = [], 0, 0, None
    while len(events) < arguments["count"] and timeouts < 60:
        try:
            page = subscriber.ask(ENUMERATION + "/Pull", PULL.format(context=context))
        except WinRMOperationTimeoutError:
            timeouts += 1
            continue
        items = page.find(".//{%s}Items" % ENUMERATION)
        found = page.find(".//{%s}Bookmark" % WSMAN)
        if found is not None:
            mark = ET.tostring(found[0], encoding="unicode")
        events += [item.text for item in items]
        if pages == 0 and arguments["program"]:
            subprocess.run(arguments["program"], check=True, stdout=subprocess.DEVNULL)
        pages += 1
    named = "<e:Identifier>%s</e:Identifier>" % identifier
    subscriber.ask(EVENTING + "/Unsubscribe", "<e:Unsubscribe/>", named)
    return {"events": events, "bookmark": mark, "pages": pages}


TOKENS = """<t:IssuedTokens s:mustUnderstand="true" xmlns:t="http://schemas.xmlsoap.org/ws/2005/02/trust">
<t:RequestSecurityTokenResponse><t:RequestedSecurityToken><o:UsernameToken
xmlns:o="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"><o:Username>%s</o:Username>
<o:Password>%s</o:Password></o:UsernameToken></t:RequestedSecurityToken></t:RequestSecurityTokenResponse></t:IssuedTokens>"""

PUSH_MODES = {
    "Push": EVENTING + "/DeliveryModes/Push",
    "PushWithAck": "http://schemas.dmtf.org/wbem/wsman/1/wsman/PushWithAck",
    "Events": "http://schemas.dmtf.org/wbem/wsman/1/wsman/Events",
}

SUBSCRIBE_PUSH = """<e:Subscribe>{end_to}<e:Delivery Mode="{mode}">{delivery}<e:NotifyTo>{sink}</e:NotifyTo></e:Delivery>
{expires}{filter}{bookmark}</e:Subscribe>"""


def push(login, arguments):
    """Subscribes with push delivery, receives events, runs a program, and receives more until the end if that is asked for."""
    subscriber = Subscriber(login, arguments["resource"])
    sink = Sink(
        arguments["mode"],
        arguments["refuses_after"],
        arguments["is_flaky"],
        arguments["certificate"],
        arguments["login"],
        arguments["port"],
    )
    address = (arguments["address"] or sink.address())
    reference = '<a:ReferenceProperties><t:Token xmlns:t="urn:test">&lt;7&gt;</t:Token></a:ReferenceProperties>'
    endpoint = "<a:Address>%s</a:Address>%s%s" % (address, reference, arguments["policy"])
    options = "".join('<w:Option Name="%s">%s</w:Option>' % pair for pair in arguments["options"].items())
    bookmark = "<w:Bookmark>%s</w:Bookmark>" % arguments["bookmark"] if arguments["bookmark"] else ""
    body = SUBSCRIBE_PUSH.format(
        mode=PUSH_MODES[arguments["mode"]],
        delivery=arguments["delivery"],
        sink=endpoint,
        end_to="<e:EndTo>%s</e:EndTo>" % endpoint if arguments["end_to"] else "",
        expires="<e:Expires>%s</e:Expires>" % arguments["expires"] if arguments["expires"] else "",
        filter='<w:Filter Dialect="%s">%s</w:Filter>' % (arguments["dialect"], escape(arguments["query"])),
        bookmark=bookmark + ("<w:SendBookmarks/>" if arguments["bookmarks"] else ""),
    )
    header = "<w:OptionSet>%s</w:OptionSet>" % options + (TOKENS % tuple(arguments["tokens"]) if arguments["tokens"] else "")
    answer = subscriber.ask(EVENTING + "/Subscribe", body, header)
    identifier = answer.find(".//{%s}Identifier" % EVENTING).text
    named = "<e:Identifier>%s</e:Identifier>" % identifier
    expires = answer.find(".//{%s}Expires" % EVENTING).text
    context = answer.find(".//{%s}EnumerationContext" % ENUMERATION)
    program = None
    if arguments["starts"]:
        program = subprocess.Popen(arguments["starts"], stdout=subprocess.DEVNULL)
    sink.wait_for(lambda: sink.events() >= arguments["count"])
    if program:
        program.kill()
        program.wait()
    if arguments["program"]:
        subprocess.run(arguments["program"], check=True, stdout=subprocess.DEVNULL)
    until = arguments["until"]
    if until == "refusal":
        sink.wait_for(lambda: any("refused" in message for message in sink.messages))
    if until in ("refusal", "fault"):
        # The service ends the subscription after the refusal, or when no attempt is left.
        try:
            while True:
                subscriber.ask(EVENTING + "/GetStatus", "<e:GetStatus/>", named)
        except WinRMError:
            pass
    if until == "end":
        sink.wait_for(lambda: any(message["action"] == END for message in sink.messages))
    elif until == "heartbeats":
        sink.wait_for(lambda: sum(one["action"].endswith("/Heartbeat") for one in sink.messages) >= 2)
    managed = {}
    if until not in ("end", "crash"):
        for verb in ["Renew", "GetStatus", "Unsubscribe", "GetStatus"]:
            try:
                answer = subscriber.ask(EVENTING + "/" + verb, "<e:%s/>" % verb, named)
                managed[verb] = answer.findtext(".//{%s}Expires" % EVENTING)
            except WinRMError as error:
                managed["after " + verb] = getattr(error, "wsman_fault_code", None)
    with sink.changed:
        return {
            "messages": list(sink.messages),
            "has_context": context is not None,
            "expires": expires,
            "managed": managed,
            "process": program.pid if program else None,
        }


def fault_code(error):
    if isinstance(error, WinRMError):
        return getattr(error, "wsman_fault_code", None)
    if isinstance(error, WinRMTransportError):
        return None
    raise TypeError


serve({"watch": watch, "logs": logs, "push": push}, fault_code)
