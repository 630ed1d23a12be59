"""Runs one command on many hosts with pywinrm and a pool of threads: fleet.py HOSTS USER PASSWORD THREADS."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import winrm

hosts, user, password, threads = sys.argv[1:]


def run(url: str) -> int:
    """Return the exit code of the command."""
    session = winrm.Session(f"{url}/wsman", auth=(user, password), transport="basic")
    return session.run_cmd("true").status_code


with ThreadPoolExecutor(int(threads)) as pool:
    codes = list(pool.map(run, Path(hosts).read_text().split()))
sys.exit(any(codes))
