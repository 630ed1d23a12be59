"""Lets pypsrp use one runspace pool and reports what it saw. The scripts are those of pwsh_server.py."""

import time

from pypsrp.client import Client
from pypsrp.complex_objects import PSInvocationState
from pypsrp.exceptions import WinRMError
from pypsrp.host import PSHost, PSHostUserInterface
from pypsrp.powershell import PowerShell, RunspacePool

from compressing import CompressingWSMan
from exchange import serve
from pypsrp_login import connection, fault_code, wsman


class Lines(PSHostUserInterface):
    """A host that answers every question with the same line and keeps what is written."""

    def __init__(self, line):
        super().__init__()
        self.line = line
        self.written = []

    def ReadLine(self, runspace, pipeline):
        return self.line

    def Write1(self, runspace, pipeline, value):
        self.written.append(value)

    def WriteLine2(self, runspace, pipeline, value):
        self.written.append(value)


def value(thing):
    """Returns an object as JSON."""
    properties = getattr(thing, "adapted_properties", None) or getattr(thing, "extended_properties", None)
    if properties:
        return {str(name): value(content) for name, content in properties.items()}
    return thing if isinstance(thing, (str, int, float, bool, type(None))) else str(thing)


def outcome(shell):
    streams = shell.streams
    return {
        "output": [value(thing) for thing in shell.output],
        "state": {
            PSInvocationState.COMPLETED: "completed",
            PSInvocationState.FAILED: "failed",
            PSInvocationState.STOPPED: "stopped",
        }.get(shell.state, shell.state),
        "errors": [str(record) for record in streams.error],
        "warnings": [record.message for record in streams.warning],
        "verbose": [record.message for record in streams.verbose],
        "debug": [record.message for record in streams.debug],
        "information": [str(record.message_data) for record in streams.information],
        "progress": [record.activity for record in streams.progress],
    }


def invoke(pool, script, pieces=None):
    shell = PowerShell(pool)
    shell.add_script(script)
    shell.invoke(input=pieces)
    return outcome(shell)


def options(arguments):
    return {"configuration_name": arguments.get("configuration", "Microsoft.PowerShell")}


def run(login, arguments):
    """Runs scripts one after the other in one pool."""
    with wsman(login, arguments.get("timeout")) as client:
        with RunspacePool(client, **options(arguments)) as pool:
            return [invoke(pool, script) for script in arguments["scripts"]]


def run_with_input(login, arguments):
    with wsman(login) as client, RunspacePool(client) as pool:
        return invoke(pool, arguments["script"], arguments["input"])


def large_script(login, arguments):
    """A script that does not fit into one request, and its return."""
    script = "x" * arguments["size"]
    with wsman(login) as client, RunspacePool(client) as pool:
        output = invoke(pool, script)["output"]
        return output == [script]


def count_output(login, arguments):
    with wsman(login) as client, RunspacePool(client) as pool:
        output = invoke(pool, arguments["script"])["output"]
        return [len(output), sum(len(text) for text in output)]


def compressed(login, arguments):
    """Sends input to a script in a compressed pool, and returns its output and the numbers of compressed chunks."""
    with CompressingWSMan(**connection(login), operation_timeout=20) as client, RunspacePool(client) as pool:
        output = invoke(pool, arguments["script"], arguments["input"])["output"]
        return {"output": output, "sent": client.sent, "received": client.received}


def run_with_host(login, arguments):
    ui = Lines(arguments["line"])
    host = PSHost(None, None, False, "test", None, ui, "1.0")
    with wsman(login) as client, RunspacePool(client, host=host) as pool:
        return {**invoke(pool, arguments["script"]), "written": ui.written}


def run_at_once(login, arguments):
    """Runs scripts at the same time, each in a runspace of one pool."""
    scripts = arguments["scripts"]
    with wsman(login) as client, RunspacePool(client, max_runspaces=len(scripts)) as pool:
        shells = []
        for script in scripts:
            shell = PowerShell(pool)
            shell.add_script(script)
            shell.begin_invoke()
            shells.append(shell)
        for shell in shells:
            shell.end_invoke()
        return [outcome(shell) for shell in shells]


def many_pipelines(login, arguments):
    """Runs so many pipelines in one pool without closing one."""
    with wsman(login) as client, RunspacePool(client) as pool:
        outputs = [invoke(pool, str(number))["output"] for number in range(arguments["count"])]
        return outputs == [[str(number)] for number in range(arguments["count"])]


def stop(login, arguments):
    """Stops a script once it has returned something."""
    with wsman(login, 5) as client, RunspacePool(client) as pool:
        shell = PowerShell(pool)
        shell.add_script(arguments["script"])
        shell.begin_invoke()
        while not shell.output:
            shell.poll_invoke()
        shell.stop()
        return [outcome(shell), invoke(pool, "after")]


def execute(login, arguments):
    with Client(**connection(login)) as client:
        output, streams, had_errors = client.execute_ps(arguments["script"])
        return [output, had_errors]


def exchange_keys(login, arguments):
    """Exchanges session keys and returns a secret that travelled in both directions."""
    with wsman(login) as client, RunspacePool(client) as pool:
        pool.exchange_keys()
        return invoke(pool, "after")["output"]


def reconnect(login, arguments):
    """Disconnects while a script runs, connects again as the same client, and receives its output."""
    with wsman(login) as client, RunspacePool(client) as pool:
        shell = PowerShell(pool)
        shell.add_script(arguments["script"])
        shell.begin_invoke()
        pool.disconnect()
        try:
            PowerShell(pool).add_script("x").invoke()
            refused = None
        except WinRMError as error:
            refused = type(error).__name__
        pool.connect()
        shell.connect_async()
        shell.end_invoke()
        return {"refused": refused, **outcome(shell)}


def connect(login, arguments):
    """Disconnects, finds the pool and its pipeline as a new client, and receives the output."""
    first = wsman(login)
    pool = RunspacePool(first, max_runspaces=3, **options(arguments))
    pool.open()
    shell = PowerShell(pool)
    shell.add_script(arguments["script"])
    shell.begin_invoke()
    pool.disconnect()
    with wsman(login) as client:
        found = [other for other in RunspacePool.get_runspace_pools(client) if other.id == pool.id]
        other = found[0]
        # pypsrp does not take the endpoint of a pool from the list.
        other.shell.resource_uri = pool.shell.resource_uri
        pipelines = other.create_disconnected_power_shells()
        other.connect()
        results = []
        for pipeline in pipelines:
            pipeline.connect()
            results.append(outcome(pipeline))
        results.append(invoke(other, "after"))
        sizes = [other.min_runspaces, other.max_runspaces]
        other.close()
        return {"pools": len(found), "sizes": sizes, "results": results}


def leave(login, arguments):
    """Runs a script, starts another, waits for its first output and goes away without closing anything."""
    client = wsman(login)
    pool = RunspacePool(client)
    pool.open()
    shell = PowerShell(pool)
    shell.add_script(arguments["script"])
    shell.begin_invoke()
    while not shell.output:
        shell.poll_invoke()
    return [value(thing) for thing in shell.output]


def delete_while_running(login, arguments):
    """Closes the pool while a script runs and returns what the script has written first."""
    with wsman(login) as client, RunspacePool(client) as pool:
        shell = PowerShell(pool)
        shell.add_script(arguments["script"])
        shell.begin_invoke()
        while len(shell.output) < arguments["count"]:
            shell.poll_invoke()
        first = [value(thing) for thing in shell.output]
    return first


def flood_and_wait(login, arguments):
    """Starts a script that writes much, and waits before it receives anything."""
    # Also on a busy machine, the process acknowledges its pipeline within the operation timeout.
    with wsman(login, 60) as client, RunspacePool(client, max_runspaces=2) as pool:
        shell = PowerShell(pool)
        shell.add_script(arguments["script"])
        shell.begin_invoke()
        time.sleep(arguments["seconds"])
        size = 0
        shell.end_invoke()
        for text in shell.output:
            size += len(text)
        return size


def hold(login, arguments):
    """Opens a pool and goes away without closing it; returns its ID and the output of a script."""
    client = wsman(login)
    pool = RunspacePool(client, **options(arguments))
    pool.open()
    return {"id": pool.id.upper(), "output": invoke(pool, arguments["script"])["output"]}


def open_with_environment(login, arguments):
    """Opens a pool with a variable of the client."""
    with wsman(login) as client:
        pool = RunspacePool(client, **options(arguments))
        pool.shell.environment = arguments["environment"]
        with pool:
            return invoke(pool, arguments["script"])["output"]


def open_pools(login, arguments):
    with wsman(login) as client:
        pools = [RunspacePool(client, **options(arguments)) for _ in range(arguments["count"])]
        try:
            for pool in pools:
                pool.open()
        finally:
            for pool in pools:
                pool.close()


serve(
    {
        action.__name__: action
        for action in (
            run,
            run_with_input,
            large_script,
            count_output,
            compressed,
            run_with_host,
            run_at_once,
            many_pipelines,
            stop,
            execute,
            exchange_keys,
            reconnect,
            connect,
            leave,
            delete_while_running,
            flood_and_wait,
            hold,
            open_with_environment,
            open_pools,
        )
    },
    fault_code,
)
