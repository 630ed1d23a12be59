"""Lets the WS-Management client of OpenStack's iDRAC driver list and call, and reports what it saw."""

import warnings
from urllib.parse import urlsplit

from dracclient import exceptions
from dracclient.wsman import Client
from lxml import etree

from exchange import serve

SOAP = "http://www.w3.org/2003/05/soap-envelope"
WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"


def client(login):
    url = urlsplit(login["url"])
    return Client(url.hostname, login["user"], login["password"], port=url.port, path=url.path,
                  protocol=url.scheme, ssl_retries=1, ssl_retry_delay=0)


def enumerate_all(login, arguments):
    filter_dialect = {"filter_dialect": "wql"} if "query" in arguments else {}
    answer = client(login).enumerate(arguments["resource"], max_elems=arguments["most"],
                                     filter_query=arguments.get("query"), **filter_dialect)
    return [row(item) for item in answer.find(f".//{{{WSMAN}}}Items")]


def invoke(login, arguments):
    answer = client(login).invoke(arguments["resource"], arguments["method"], {}, arguments["parameters"])
    return row(answer.find(f"{{{SOAP}}}Body")[0])


def row(element):
    values = {"": etree.QName(element).localname}
    for child in element:
        values.setdefault(etree.QName(child).localname, []).append(child.text)
    return values


def fault_code(error):
    if isinstance(error, exceptions.WSManInvalidResponse):
        return None
    raise TypeError


warnings.simplefilter("ignore")
serve({"enumerate": enumerate_all, "invoke": invoke}, fault_code)
