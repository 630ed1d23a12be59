"""Lets pypsrp do one thing with shells and reports what it saw."""

import concurrent.futures
import time
import uuid

from pypsrp.client import Client
from pypsrp.exceptions import WSManFaultError
from pypsrp.shell import CommandState, Process, SignalCode, WinRS
from pypsrp.wsman import SelectorSet

from exchange import command_result, pieces_of_input, serve
from pypsrp_login import connection, fault_code, wsman

UTF_8 = 65001


class CountedProcess(Process):
    """Counts the answers that only said that the time was over; Process itself passes over them."""

    timeouts = 0

    def poll_invoke(self, timeout=None):
        receive = self.shell.receive

        def counted(*arguments, **named):
            try:
                return receive(*arguments, **named)
            except WSManFaultError as fault:
                self.timeouts += fault.code == 2150858793
                raise

        self.shell.receive = counted
        try:
            super().poll_invoke(timeout=timeout)
        finally:
            self.shell.receive = receive


def run_in(shell, line, arguments=(), pieces=()):
    process = CountedProcess(shell, line, list(arguments))
    process.begin_invoke()
    for piece, last in pieces:
        process.send(piece, end=last)
    process.end_invoke()
    process.signal(SignalCode.CTRL_C)
    return command_result(process.stdout, process.stderr, process.rc, operation_timeouts=process.timeouts)


def run(login, arguments):
    with wsman(login, arguments["operation_timeout"]) as client:
        shell = WinRS(
            client,
            codepage=UTF_8,
            environment=arguments["environment"],
            working_directory=arguments["folder"],
        )
        with shell:
            return run_in(shell, arguments["command"], arguments["arguments"], pieces_of_input(arguments))


def run_in_one_shell(login, arguments):
    with wsman(login) as client, WinRS(client, codepage=UTF_8) as shell:
        return [run_in(shell, line) for line in arguments["commands"]]


def run_at_once(login, arguments):
    def one(_):
        with wsman(login) as client, WinRS(client, codepage=UTF_8) as shell:
            return run_in(shell, arguments["command"])

    count = arguments["count"]
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        results = list(pool.map(one, range(count)))
    return {"results": results, "seconds": time.monotonic() - begin}


def answer_first_output(login, arguments):
    """Gives a command its input only once the first output of it is there."""
    with wsman(login, operation_timeout=5) as client, WinRS(client, codepage=UTF_8) as shell:
        process = Process(shell, arguments["command"])
        process.begin_invoke()
        process.poll_invoke()
        if process.state == CommandState.DONE or not process.stdout:
            raise RuntimeError("state: %s, first output: %r" % (process.state, process.stdout))
        process.send(arguments["input"].encode("utf-8"), end=True)
        process.end_invoke()
        return command_result(process.stdout, process.stderr, process.rc)


def receive_from_unknown_shell(login, arguments):
    with wsman(login) as client:
        shell = WinRS(client)
        shell._selector_set = SelectorSet()
        shell._selector_set.add_option("ShellId", str(uuid.uuid4()).upper())
        shell.receive(command_id=str(uuid.uuid4()).upper())


def receive_from_unknown_command(login, arguments):
    with wsman(login) as client, WinRS(client, codepage=UTF_8) as shell:
        shell.receive(command_id=str(uuid.uuid4()).upper())


def run_with_client(login, arguments):
    """The way of pypsrp's own first example: one call, all of its defaults. It reads text."""
    with Client(**connection(login)) as client:
        stdout, stderr, code = client.execute_cmd(arguments["command"])
        return command_result(stdout.encode("utf-8"), stderr.encode("utf-8"), code)


def max_envelope_size_kb(login, arguments):
    with wsman(login) as client:
        client.update_max_payload_size()
        return client.max_envelope_size // 1024


def shell_attributes(login, arguments):
    """What pypsrp reads from the answer to Create."""
    with wsman(login) as client:
        with WinRS(client, codepage=UTF_8, idle_time_out=60, name="peer") as shell:
            names = ("id", "resource_uri", "owner", "client_ip", "idle_time_out", "output_streams")
            attributes = {name: getattr(shell, name) for name in names}
            attributes["selectors"] = {option[0]: option[1] for option in shell._selector_set.values}
            return attributes


def interrupt(login, arguments):
    """Sends ctrl_c to a command once it has begun to write, and tells how it ended."""
    with wsman(login) as client, WinRS(client, codepage=UTF_8) as shell:
        process = Process(shell, arguments["command"])
        process.begin_invoke()
        while not process.stdout:
            process.poll_invoke()
        process.signal(SignalCode.CTRL_C)
        process.end_invoke()
        return command_result(process.stdout, process.stderr, process.rc)


def leave_running(login, arguments):
    """Starts a command, waits for its first output and goes away without closing anything."""
    shell = WinRS(wsman(login), codepage=UTF_8)
    shell.open()
    process = Process(shell, arguments["command"])
    process.begin_invoke()
    while not process.stdout and process.state != CommandState.DONE:
        process.poll_invoke()
    return process.stdout.decode("utf-8")


def close_while_running(login, arguments):
    """Starts a command, waits for its first output and closes the shell over its head."""
    with wsman(login) as client, WinRS(client, codepage=UTF_8) as shell:
        process = Process(shell, arguments["command"])
        process.begin_invoke()
        while not process.stdout and process.state != CommandState.DONE:
            process.poll_invoke()
        return process.stdout.decode("utf-8")


def terminate(login, arguments):
    """Starts a command, waits for its first output and terminates it."""
    with wsman(login) as client, WinRS(client, codepage=UTF_8) as shell:
        process = Process(shell, arguments["command"])
        process.begin_invoke()
        while not process.stdout and process.state != CommandState.DONE:
            process.poll_invoke()
        process.signal(SignalCode.TERMINATE)
        return process.stdout.decode("utf-8")


def open_shells(login, arguments):
    """Opens several shells one beside the other."""
    with wsman(login) as client:
        shells = [WinRS(client) for _ in range(arguments["count"])]
        try:
            for shell in shells:
                shell.open()
        finally:
            for shell in shells:
                shell.close()


def own_command_id(login, arguments):
    """A CommandId that the client chose, used in another case of letters."""
    identifier = str(uuid.uuid4()).upper()
    with wsman(login) as client, WinRS(client, codepage=UTF_8) as shell:
        shell.command(arguments["command"], [], command_id=identifier)
        process = Process(shell, arguments["command"], id=identifier.lower())
        process.end_invoke()
        return command_result(process.stdout, process.stderr, process.rc)


def own_shell_id(login, arguments):
    """A ShellId that the client chose, the answer to it, and a second shell that asks for the same."""
    identifier = str(uuid.uuid4()).upper()
    with wsman(login) as client, WinRS(client, id=identifier) as shell:
        result = run_in(shell, arguments["command"])
        try:
            WinRS(client, id=identifier.lower()).open()
            second = None
        except WSManFaultError as fault:
            second = fault.code
        return {"is_kept": shell.id == identifier, "run": result, "second": second}


def run_program(login, arguments):
    """A program without a shell around it."""
    with wsman(login) as client, WinRS(client, codepage=UTF_8) as shell:
        process = Process(shell, arguments["command"], arguments["arguments"], no_shell=True)
        process.invoke()
        return command_result(process.stdout, process.stderr, process.rc)


def execute_ps(login, arguments):
    with Client(**connection(login)) as client:
        return client.execute_ps(arguments["script"])[0]


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
            run_with_client,
            max_envelope_size_kb,
            shell_attributes,
            interrupt,
            leave_running,
            close_while_running,
            terminate,
            open_shells,
            own_command_id,
            own_shell_id,
            run_program,
            execute_ps,
        )
    },
    fault_code,
)
