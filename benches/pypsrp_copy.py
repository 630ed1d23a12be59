#!/usr/bin/env python3
"""Copies files with pypsrp and prints the CPU time of the client.

usage: pypsrp_copy.py URL USER PASSWORD

Each line of standard input is `copy` or `fetch`, a source and a destination, separated by tabs. The answer is one line of
JSON: [CPU seconds, seconds].
"""

import json
import sys
import time
from urllib.parse import urlsplit

from pypsrp.client import Client

url, user, password = sys.argv[1:]
parts = urlsplit(url)
login = {"auth": "basic", "encryption": "never", "ssl": False, "username": user, "password": password}
client = Client(parts.hostname, port=parts.port, **login)
for line in sys.stdin:
    action, source, destination = line.rstrip("\n").split("\t")
    cpu, wall = time.process_time(), time.perf_counter()
    getattr(client, action)(source, destination)
    print(json.dumps([time.process_time() - cpu, time.perf_counter() - wall]), flush=True)
