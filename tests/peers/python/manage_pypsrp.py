"""Lets pypsrp read, change and list resources, and reports what it saw.

An element is reported as JSON: its text, or an object of its children by local name, or a list where a name repeats.
"""

import contextlib
import xml.etree.ElementTree as ET

from pypsrp.shell import Process, WinRS
from pypsrp.wsman import NAMESPACES, SelectorSet

from exchange import serve
from pypsrp_login import fault_code, wsman

ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
WSMAN = NAMESPACES["wsman"]
WQL = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
SELECTOR_FILTER = "http://schemas.dmtf.org/wbem/wsman/1/wsman/SelectorFilter"


def get(login, arguments):
    with wsman(login) as client:
        return content(client.get(arguments["resource"], selector_set=selectors(arguments)))


def put(login, arguments):
    with wsman(login) as client:
        body = ET.fromstring(arguments["body"])
        return content(client.put(arguments["resource"], body, selector_set=selectors(arguments)))


def put_back(login, arguments):
    """Puts what was got, as it came."""
    with wsman(login) as client:
        got = client.get(arguments["resource"], selector_set=selectors(arguments))
        put = client.put(arguments["resource"], got[0], selector_set=selectors(arguments))
        return {"got": content(got), "put": content(put)}


def create(login, arguments):
    with wsman(login) as client:
        body = ET.fromstring(arguments["body"])
        created = client.create(arguments["resource"], body, selector_set=selectors(arguments))
        return {selector.get("Name"): selector.text for selector in created.iter("{%s}Selector" % WSMAN)}


def delete(login, arguments):
    with wsman(login) as client:
        client.delete(arguments["resource"], selector_set=selectors(arguments))


def invoke(login, arguments):
    """Calls a method with texts, or lists of texts, as its parameters."""
    with wsman(login) as client:
        resource, method = arguments["resource"], arguments["method"]
        body = ET.Element("{%s}%s_INPUT" % (resource, method))
        for name, value in arguments.get("parameters", {}).items():
            for item in value if isinstance(value, list) else [value]:
                ET.SubElement(body, "{%s}%s" % (resource, name)).text = item
        answer = client.invoke(resource + "/" + method, resource, body, selector_set=selectors(arguments))
        return content(answer.find("{%s}Body" % NAMESPACES["s"]))


def enumerate_all(login, arguments):
    """Follows the contexts to the end; tells the items and how many each answer held."""
    with wsman(login) as client:
        return follow(client, arguments)


def pull_again(login, arguments):
    """Pulls with a context that a Pull has used up, which must be refused."""
    with wsman(login) as client:
        context = context_of(client.enumerate(arguments["resource"], enumerate_body({})))
        client.pull(arguments["resource"], pull_body(context, 1))
        client.pull(arguments["resource"], pull_body(context, 1))


def pull_after_release(login, arguments):
    """Pulls with a context that was released, which must be refused."""
    with wsman(login) as client:
        context = context_of(client.enumerate(arguments["resource"], enumerate_body({})))
        release = ET.Element("{%s}Release" % ENUMERATION)
        ET.SubElement(release, "{%s}EnumerationContext" % ENUMERATION).text = context
        client.invoke(ENUMERATION + "/Release", arguments["resource"], release)
        client.pull(arguments["resource"], pull_body(context, 1))


def shells_and_commands(login, arguments):
    """Opens shells, runs a command in the last, and tells what of it is listed meanwhile and afterwards."""
    with wsman(login) as client, contextlib.ExitStack() as closing:
        shells = [closing.enter_context(WinRS(client)) for _ in range(arguments["count"])]
        process = Process(shells[-1], arguments["command"])
        process.begin_invoke()
        while not process.stdout:
            process.poll_invoke()
        shell = shells[-1].id
        answer = {
            "shells": [shell.id for shell in shells],
            "command": process.id,
            "listed_shells": follow(client, {"resource": arguments["resource"]})["items"],
            "state": content(client.get(arguments["resource"], selector_set=selectors({"ShellId": shell}))),
        }
        commands = {"resource": arguments["commands"], "filter": {"ShellId": shell}}
        answer["listed_commands"] = follow(client, commands)["items"]
        process.send(b"", end=True)
        process.end_invoke()
        answer["listed_when_done"] = follow(client, commands)["items"]
    with wsman(login) as client:
        answer["listed_when_closed"] = follow(client, {"resource": arguments["resource"]})["items"]
    return answer


def follow(client, arguments):
    resource = arguments["resource"]
    body = client.enumerate(resource, enumerate_body(arguments))
    items, counts = [], []
    while True:
        answer = body[0]
        page = [content([item]) for part in answer if local_name(part) == "Items" for item in part]
        items += page
        counts.append(len(page))
        if any(local_name(part) == "EndOfSequence" for part in answer):
            return {"items": items, "counts": counts}
        body = client.pull(resource, pull_body(context_of(body), arguments.get("max_elements") or 100))


def enumerate_body(arguments):
    body = ET.Element("{%s}Enumerate" % ENUMERATION)
    if arguments.get("optimize"):
        ET.SubElement(body, "{%s}OptimizeEnumeration" % WSMAN)
        ET.SubElement(body, "{%s}MaxElements" % WSMAN).text = str(arguments.get("max_elements") or 100)
    if arguments.get("mode"):
        ET.SubElement(body, "{%s}EnumerationMode" % WSMAN).text = arguments["mode"]
    if arguments.get("filter"):
        filter_ = ET.SubElement(body, "{%s}Filter" % WSMAN, Dialect=SELECTOR_FILTER)
        filter_.append(selectors(arguments["filter"]).pack())
    if arguments.get("query"):
        ET.SubElement(body, "{%s}Filter" % WSMAN, Dialect=WQL).text = arguments["query"]
    return body


def pull_body(context, max_elements):
    body = ET.Element("{%s}Pull" % ENUMERATION)
    ET.SubElement(body, "{%s}EnumerationContext" % ENUMERATION).text = context
    ET.SubElement(body, "{%s}MaxElements" % ENUMERATION).text = str(max_elements)
    return body


def context_of(body):
    return body.find(".//{%s}EnumerationContext" % ENUMERATION).text


def selectors(values):
    values = values.get("selectors", {}) if "resource" in values else values
    selector_set = SelectorSet()
    for name, value in values.items():
        selector_set.add_option(name, value)
    return selector_set if values else None


def content(body):
    """The first element in a body, under its name."""
    return {local_name(body[0]): as_json(body[0])}


def as_json(element):
    if len(element) == 0:
        return element.text or ""
    children = {}
    for child in element:
        children.setdefault(local_name(child), []).append(as_json(child))
    return {name: values[0] if len(values) == 1 else values for name, values in children.items()}


def local_name(element):
    return element.tag.rpartition("}")[2]


serve(
    {
        action.__name__: action
        for action in (
            get,
            put,
            put_back,
            create,
            delete,
            invoke,
            enumerate_all,
            pull_again,
            pull_after_release,
            shells_and_commands,
        )
    },
    fault_code,
)
