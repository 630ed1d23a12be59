#!/usr/bin/env python3
"""Runs commands with one Python client and prints their CPU time and elapsed time.

usage: package.py CLIENT AUTH URL USER PASSWORD

Each line of standard input is the number of commands to run; the answer is one line of JSON: [CPU seconds, seconds].
"""

import json
import sys
import time
from urllib.parse import urlsplit


def telarch(auth, url, user, password):
    from telarch import Session

    session = Session(url, auth=auth, unencrypted=auth == "basic", trust_host=True, username=user, password=password)
    return lambda: session.run("true").exit_code


def pywinrm(winrm, auth, url, user, password):
    session = winrm.Session(url, auth=(user, password), transport="ntlm" if auth == "negotiate" else auth)
    return lambda: session.run_cmd("true").status_code


def pypsrp(client, auth, url, user, password):
    parts = urlsplit(url)
    encryption = "never" if auth == "basic" else "auto"
    connection = client.Client(
        parts.hostname, port=parts.port, ssl=False, auth=auth, encryption=encryption, username=user, password=password
    )
    return lambda: connection.execute_cmd("true")[2]


def session_factory(name):
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
    run = session_factory(name)(*login)
    for line in sys.stdin:
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(int(line)):
            if run() != 0:
                sys.exit("the command failed")
        print(json.dumps([time.process_time() - cpu, time.perf_counter() - wall]), flush=True)


main()
