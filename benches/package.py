#!/usr/bin/env python3
"""Runs commands by one Python client: for each number on its input so many, and says what CPU and time they took.

usage: package.py CLIENT WAY URL USER PASSWORD
"""

import json
import sys
import time
from urllib.parse import urlsplit


def telarch(way, url, user, password):
    from telarch import Session

    session = Session(url, auth=way, unencrypted=way == "basic", trust_host=True, username=user, password=password)
    return lambda: session.run("true").exit_code


def pywinrm(winrm, way, url, user, password):
    session = winrm.Session(url, auth=(user, password), transport="ntlm" if way == "negotiate" else way)
    return lambda: session.run_cmd("true").status_code


def pypsrp(client, way, url, user, password):
    place = urlsplit(url)
    encryption = "never" if way == "basic" else "auto"
    connection = client.Client(
        place.hostname, port=place.port, ssl=False, auth=way, encryption=encryption, username=user, password=password
    )
    return lambda: connection.execute_cmd("true")[2]


def maker(name):
    if name == "telarch":
        return telarch
    if name == "telarch as pywinrm":
        import telarch.compat.pywinrm as winrm
    elif name == "telarch as pypsrp":
        import telarch.compat.pypsrp.client as client
    elif name == "pywinrm":
        import winrm
    else:
        import pypsrp.client as client
    if name.endswith("pywinrm"):
        return lambda *login: pywinrm(winrm, *login)
    return lambda *login: pypsrp(client, *login)


def main():
    name, *login = sys.argv[1:]
    run = maker(name)(*login)
    for line in sys.stdin:
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(int(line)):
            if run() != 0:
                sys.exit("the command failed")
        print(json.dumps([time.process_time() - cpu, time.perf_counter() - wall]), flush=True)


main()
