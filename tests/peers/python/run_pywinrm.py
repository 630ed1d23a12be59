"""Lets pywinrm do one thing and reports what it saw."""

import concurrent.futures
import time
import uuid
import xml.etree.ElementTree as ET

import winrm
import xmltodict
from requests_credssp.exceptions import AuthenticationException, NTStatusException
from winrm.exceptions import WinRMError, WinRMOperationTimeoutError, WinRMTransportError

from exchange import command_result, pieces_of_input, serve

CONFIG = "http://schemas.microsoft.com/wbem/wsman/1/config"
GET = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get"
ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
WQL = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
UTF_8 = 65001


def protocol(login, operation_timeout=None):
    certificate, key = login["certificate"] or (None, None)
    return winrm.Protocol(
        login["url"],
        transport=login["transport"],
        username=login["user"],
        password=login["password"],
        cert_pem=certificate,
        cert_key_pem=key,
        server_cert_validation="ignore",
        message_encryption=login["encryption"],
        operation_timeout_sec=operation_timeout or winrm.Protocol.DEFAULT_OPERATION_TIMEOUT_SEC,
        proxy=None,
    )


def output(client, shell, command):
    """As get_command_output does it, and counts the answers that only said that the time was over."""
    stdout, stderr, timeouts, done = [], [], 0, False
    while not done:
        try:
            out, err, code, done = client.get_command_output_raw(shell, command)
        except WinRMOperationTimeoutError:
            timeouts += 1
            continue
        stdout.append(out)
        stderr.append(err)
    return command_result(b"".join(stdout), b"".join(stderr), code, operation_timeouts=timeouts)


def run_in(client, shell, line, arguments=(), pieces=()):
    command = client.run_command(shell, line, arguments)
    for piece, last in pieces:
        client.send_command_input(shell, command, piece, end=last)
    result = output(client, shell, command)
    client.cleanup_command(shell, command)
    return result


def run(login, arguments):
    client = protocol(login, arguments["operation_timeout"])
    shell = client.open_shell(
        codepage=UTF_8,
        env_vars=arguments["environment"],
        working_directory=arguments["folder"],
    )
    result = run_in(client, shell, arguments["command"], arguments["arguments"], pieces_of_input(arguments))
    client.close_shell(shell)
    return result


def run_in_one_shell(login, arguments):
    client = protocol(login)
    shell = client.open_shell(codepage=UTF_8)
    results = [run_in(client, shell, line) for line in arguments["commands"]]
    client.close_shell(shell)
    return results


def run_at_once(login, arguments):
    def one(_):
        client = protocol(login)
        shell = client.open_shell(codepage=UTF_8)
        result = run_in(client, shell, arguments["command"])
        client.close_shell(shell)
        return result

    count = arguments["count"]
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        results = list(pool.map(one, range(count)))
    return {"results": results, "seconds": time.monotonic() - begin}


def answer_first_output(login, arguments):
    """Gives a command its input only once the first output of it is there."""
    client = protocol(login, operation_timeout=5)
    shell = client.open_shell(codepage=UTF_8)
    command = client.run_command(shell, arguments["command"])
    first, err, _, done = client.get_command_output_raw(shell, command)
    if done or not first:
        raise RuntimeError("done: %s, first output: %r" % (done, first))
    client.send_command_input(shell, command, arguments["input"], end=True)
    rest, more, code = client.get_command_output(shell, command)
    client.cleanup_command(shell, command)
    client.close_shell(shell)
    return command_result(first + rest, err + more, code)


def receive_from_unknown_shell(login, arguments):
    protocol(login).get_command_output_raw(str(uuid.uuid4()).upper(), str(uuid.uuid4()).upper())


def receive_from_unknown_command(login, arguments):
    client = protocol(login)
    shell = client.open_shell(codepage=UTF_8)
    try:
        client.get_command_output_raw(shell, str(uuid.uuid4()).upper())
    finally:
        client.close_shell(shell)


def run_with_session(login, arguments):
    """The way of pywinrm's own first example: one call, all of its defaults."""
    session = winrm.Session(
        login["url"],
        auth=(login["user"], login["password"]),
        transport=login["transport"],
        server_cert_validation="ignore",
    )
    response = session.run_cmd(arguments["command"], arguments["arguments"])
    return command_result(response.std_out, response.std_err, response.status_code)


def max_envelope_size_kb(login, arguments):
    client = protocol(login)
    envelope = client.build_wsman_header(GET, CONFIG)
    envelope["env:Body"] = None
    answer = ET.fromstring(client.send_message(xmltodict.unparse({"env:Envelope": envelope})))
    return int(answer.find(".//{%s}MaxEnvelopeSizekb" % CONFIG).text)


def query(login, arguments):
    """WQL in its own header over its own transport, as scripts do it; all rows as what their elements hold."""
    client = protocol(login)
    rows, context, done = [], None, False
    while not done:
        envelope = client.build_wsman_header(ENUMERATION + ("/Pull" if context else "/Enumerate"), arguments["resource"])
        envelope["env:Body"] = (
            {"n:Pull": {"n:EnumerationContext": context, "n:MaxElements": "100"}}
            if context
            else {
                "n:Enumerate": {
                    "w:OptimizeEnumeration": None,
                    "w:MaxElements": "32000",
                    "w:Filter": {"@Dialect": WQL, "#text": arguments["query"]},
                }
            }
        )
        answer = ET.fromstring(client.send_message(xmltodict.unparse({"env:Envelope": envelope})))
        for items in (item for item in answer.iter() if item.tag.rpartition("}")[2] == "Items"):
            rows += [{value.tag.rpartition("}")[2]: "".join(value.itertext()) for value in row} for row in items]
        contexts = answer.find(".//{%s}EnumerationContext" % ENUMERATION)
        context = contexts.text if contexts is not None else None
        done = any(part.tag.endswith("}EndOfSequence") for part in answer.iter())
    return rows


def fault_code(error):
    if isinstance(error, WinRMError):
        return getattr(error, "wsman_fault_code", None)
    # What the package for CredSSP says is passed on as it is.
    if isinstance(error, (WinRMTransportError, AuthenticationException, NTStatusException)):
        return None
    raise TypeError


serve(
    {
        action.__name__: action
        for action in (
            run,
            run_in_one_shell,
            run_at_once,
            answer_first_output,
            receive_from_unknown_shell,
            receive_from_unknown_command,
            run_with_session,
            max_envelope_size_kb,
            query,
        )
    },
    fault_code,
)
