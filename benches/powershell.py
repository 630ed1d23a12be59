#!/usr/bin/env python3
"""Runs scripts in one runspace pool and prints the CPU time of the client.

usage: powershell.py CLIENT URL USER PASSWORD

Each line of standard input is a script, or a script, a number and a size, separated by tabs: then the script gets this
number of strings as its input. The answer is one line of JSON: [CPU seconds, seconds, number of returned objects].
"""

import json
import sys
import time
from urllib.parse import urlsplit

client, url, user, password = sys.argv[1:]
if client == "telarch":
    from telarch.compat.pypsrp.powershell import PowerShell, RunspacePool
    from telarch.compat.pypsrp.wsman import WSMan
else:
    from pypsrp.powershell import PowerShell, RunspacePool
    from pypsrp.wsman import WSMan

parts = urlsplit(url)
login = {"auth": "basic", "encryption": "never", "ssl": False, "username": user, "password": password}
with WSMan(parts.hostname, port=parts.port, **login) as wsman, RunspacePool(wsman) as pool:
    for line in sys.stdin:
        script, *numbers = line.rstrip("\n").split("\t")
        given = None
        if numbers:
            count, size = map(int, numbers)
            given = ["x" * size] * count
        cpu, wall = time.process_time(), time.perf_counter()
        shell = PowerShell(pool)
        shell.add_script(script)
        output = shell.invoke(input=given)
        print(json.dumps([time.process_time() - cpu, time.perf_counter() - wall, len(output)]), flush=True)
