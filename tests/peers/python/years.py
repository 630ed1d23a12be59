"""Lets clients of one year sign in and run commands, one after the other, and reports what became of each.

Works with all releases since 2018, so it uses only what these have in common.
Standard input is a list of sign-ins as JSON, standard output one text for each: "ok", or why not.
"""

import inspect
import json
import re
import sys
import traceback
import warnings

warnings.simplefilter("ignore")

# Python had this function until 3.10, and pywinrm used it until 2021.
if not hasattr(inspect, "getargspec"):
    inspect.getargspec = inspect.getfullargspec

LINES = 20000


def by_pywinrm(login):
    from winrm.protocol import Protocol

    client = Protocol(
        login["url"],
        transport=login["scheme"],
        username=login["user"],
        password=login["password"],
        cert_pem=login["certificate"],
        cert_key_pem=login["key"],
        server_cert_validation="ignore",
        message_encryption=login["encryption"],
    )
    shell = client.open_shell(codepage=65001)
    try:
        results = []
        for line in commands():
            command = client.run_command(shell, line)
            results.append(client.get_command_output(shell, command))
            client.cleanup_command(shell, command)
        return results
    finally:
        client.close_shell(shell)


def by_pypsrp(login):
    from pypsrp.shell import Process, SignalCode, WinRS
    from pypsrp.wsman import WSMan

    host, port = re.match(r"https?://([^:/]+):(\d+)/", login["url"]).groups()
    options = {}
    if login["certificate"]:
        options = {"certificate_pem": login["certificate"], "certificate_key_pem": login["key"]}
    else:
        options = {"username": login["user"], "password": login["password"]}
    wsman = WSMan(
        host,
        port=int(port),
        ssl=login["url"].startswith("https"),
        auth=login["scheme"],
        encryption=login["encryption"],
        cert_validation=False,
        **options
    )
    # Releases before 0.4 have no context manager.
    shell = WinRS(wsman, codepage=65001)
    shell.open()
    try:
        results = []
        for line in commands():
            process = Process(shell, line)
            process.invoke()
            process.signal(SignalCode.CTRL_C)
            results.append((process.stdout, process.stderr, process.rc))
        return results
    finally:
        shell.close()


def commands():
    return ["echo out; echo err 1>&2; exit 7", "seq 1 %d" % LINES]


def check(results):
    small, large = results
    if tuple(small) != (b"out\n", b"err\n", 7):
        return "the first command returned %r" % (small,)
    expected = "".join("%d\n" % number for number in range(1, LINES + 1)).encode()
    if tuple(large) != (expected, b"", 0):
        return "the second command returned %d bytes, %r, %r" % (len(large[0]), large[1], large[2])
    return "ok"


def outcome(login):
    clients = {"pywinrm": by_pywinrm, "pypsrp": by_pypsrp}
    try:
        return check(clients[login["client"]](login))
    except Exception as error:
        place = traceback.extract_tb(sys.exc_info()[2])[-1]
        return "%s: %s (%s:%s)" % (type(error).__name__, error, place[0], place[1])


if __name__ == "__main__":
    json.dump([outcome(login) for login in json.load(sys.stdin)], sys.stdout)
