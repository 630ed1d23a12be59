"""Tests of PowerShell remoting. The service has a stand-in for PowerShell, tests/peers/python/pwsh_server.py."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

import telarch
from conftest import Service
from telarch.compat.pypsrp.complex_objects import ObjectMeta, PSInvocationState
from telarch.compat.pypsrp.exceptions import (
    InvalidPipelineStateError,
    InvalidPSRPOperation,
    InvalidRunspacePoolStateError,
    UnsupportedPSRPError,
)
from telarch.compat.pypsrp.powershell import PowerShell, RunspacePool
from telarch.compat.pypsrp.wsman import WSMan


@pytest.fixture
def pool(session: telarch.Session) -> Iterator[telarch.RunspacePool]:
    with session.runspace_pool(max_runspaces=3) as pool:
        yield pool


def test_scripts_return_objects(pool: telarch.RunspacePool) -> None:
    result = pool.run("objs:2")
    first, second = result.check().output
    assert isinstance(second, telarch.PSObject)
    assert dict(second) == {"Number": 1, "Name": "name 1", "Even": False}
    assert second["number"] == 1 and first["EVEN"] is True and second.get("Other") is None
    assert (result.state, result.had_errors) == ("completed", False)


def test_every_stream_arrives(pool: telarch.RunspacePool) -> None:
    result = pool.run("streams")
    assert result.output == ["output"]
    assert [str(record) for record in result.error] == ["an error"]
    assert [str(record) for record in result.warning] == ["a warning"]
    assert [str(record) for record in result.verbose] == ["some details"]
    assert [str(record) for record in result.debug] == ["more details"]
    assert [str(record) for record in result.information] == ["a fact"]
    [progress] = result.progress
    assert (progress.activity, progress.description, progress.percent_complete) == ("an activity", "half", 50)
    assert result.error[0].fq_error == "stand-in" and result.had_errors
    with pytest.raises(telarch.PipelineError, match="the pipeline failed: an error") as raised:
        result.check()
    assert raised.value.result is result


def test_an_error_ends_a_script_and_leaves_the_pool_usable(pool: telarch.RunspacePool) -> None:
    result = pool.run("throw:no more")
    assert (result.state, [str(error) for error in result.error]) == ("failed", ["no more"])
    assert pool.run("after").output == ["after"]


VALUES: list[Any] = [
    None,
    True,
    -7,
    2**40,
    2**63,
    1.5,
    "text with \n and \x00 and 😀",
    b"\x00\xff",
    Decimal("79228162514264337593543950335"),
    Decimal("-0.1"),
    UUID("00112233-4455-6677-8899-aabbccddeeff"),
    datetime(2024, 2, 29, 12, 30, 15, 123456),
    datetime(2024, 2, 29, 12, 30, 15, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    timedelta(days=-1, microseconds=7),
    [1, ["nested", None], {}],
    {"a": 1, 2: ["b"]},
]


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_values_come_back_unchanged(pool: telarch.RunspacePool, value: Any) -> None:
    [returned] = pool.script("readinput").run(input=[value]).check().output
    assert returned == value and type(returned) is type(value)


def test_objects_come_back_unchanged(pool: telarch.RunspacePool) -> None:
    sent = telarch.PSObject(Name="disk", Size=7)
    sent.types, sent.to_string = ["Example.Disk", "System.Object"], "the disk"
    [returned] = pool.script("readinput").run(input=[sent]).check().output
    assert dict(returned) == {"Name": "disk", "Size": 7} and str(returned) == "the disk"
    assert returned.types[0].endswith("Example.Disk")


def test_values_without_counterpart_are_rejected(pool: telarch.RunspacePool) -> None:
    nested: list[Any] = []
    nested.append(nested)
    for value, error, text in (
        (object(), TypeError, "object has no counterpart in PowerShell"),
        (nested, ValueError, "may contain each other 50 times at most"),
        (2**64, OverflowError, "more than 64 bits"),
        (float, TypeError, "type has no counterpart in PowerShell"),
        (Decimal("1e40"), ValueError, "more digits than"),
        (Decimal("1e-29"), ValueError, "more digits than"),
        (Decimal(2**96), ValueError, "more digits than"),
        (Decimal("NaN"), ValueError, "NaN is no number for PowerShell"),
    ):
        with pytest.raises(error, match=text):
            pool.script("readinput", value).run()
        # The pipeline that waits for its input is stopped.
        with pytest.raises(error, match=text):
            pool.script("readinput").run(input=["first", value])
    assert pool.run("after").output == ["after"]


def test_arguments_and_statements_reach_the_service(pool: telarch.RunspacePool) -> None:
    script = pool.command("parameters", Path="env:").parameter("Force")
    assert script.run().output == ["Path=env:, Force=None"]
    script = pool.script("first").pipe("second").statement("third", 1)
    assert repr(script) == "<Script first | second; third>"
    assert script.run().output == ["first; second; third"]


def test_more_input_than_fits_into_a_request_is_read_while_output_arrives(pool: telarch.RunspacePool) -> None:
    sent = [f"{number} " + "x" * 10_000 for number in range(300)]
    assert pool.script("readinput").run(input=sent).output == sent
    assert pool.script("countinput").run(input=iter(range(50))).output == [50]


def test_a_failing_generator_stops_the_pipeline(pool: telarch.RunspacePool) -> None:
    def values() -> Iterator[int]:
        yield 1
        raise LookupError("no more rows")

    with pytest.raises(LookupError, match="no more rows"):
        pool.script("readinput").run(input=values())
    assert pool.run("after").output == ["after"]


def test_another_thread_stops_a_pipeline(pool: telarch.RunspacePool) -> None:
    with pool.script("pid; sleep:1000").start() as pipeline:
        stream, process = next(pipeline)
        assert stream == "output" and process > 0
        with pytest.raises(TimeoutError):
            pipeline.step(timeout=0.05)
        stopping = threading.Thread(target=pipeline.stop)
        stopping.start()
        assert pipeline.wait().state == "stopped"
        stopping.join()
    assert pool.run("after").output == ["after"]


def test_pipelines_of_a_pool_run_at_the_same_time(pool: telarch.RunspacePool) -> None:
    assert pool.available_runspaces() == 3
    with pool.script("readinput").start(with_input=True) as first, pool.script("readinput").start(
        with_input=True
    ) as second:
        for pipeline in (second, first):
            pipeline.send("word")
            assert next(pipeline) == ("output", "word")
        for pipeline in (first, second):
            pipeline.end_input()
            assert pipeline.wait().state == "completed"


def test_a_pool_is_disconnected_and_reconnected(pool: telarch.RunspacePool) -> None:
    pool.disconnect(idle_timeout=600)
    pool.reconnect()
    assert pool.run("after").output == ["after"]
    assert pool.private_data()["PSVersionTable"]["PSVersion"] == "7.4.6"


def test_another_session_continues_a_pool_that_was_left(session: telarch.Session, service: Service) -> None:
    with session.runspace_pool(max_runspaces=3, name="nightly") as pool:
        pipeline = pool.script("readinput").start(with_input=True)
        pipeline.send("first")
        assert next(pipeline) == ("output", "first")
        pipeline.send("second")
        pipeline.end_input()
        pool.leave(idle_timeout=600)
    del pool, pipeline
    with telarch.Session(service.https, ca=service.pem, auth="basic", **service.login) as other:
        [found] = other.disconnected_pools()
        assert (found.name, found.configuration, found.owner) == ("nightly", "Microsoft.PowerShell", service.user)
        [identifier] = other.pipelines_of(found.id)
        with other.connect_runspace_pool(found.id) as pool:
            with pool.connect_pipeline(identifier) as pipeline:
                assert pipeline.wait().output == ["second"]
            assert pool.run("after").output == ["after"]
        assert other.disconnected_pools() == []
    with pytest.raises(telarch.Error):
        session.connect_runspace_pool(found.id)
    with pytest.raises(ValueError, match="is not the identifier"):
        session.connect_runspace_pool("x")


def test_a_pipeline_continues_after_its_pool_was_reconnected(pool: telarch.RunspacePool) -> None:
    with pool.script("readinput").start(with_input=True) as pipeline:
        pipeline.send("first")
        assert next(pipeline) == ("output", "first")
        # The request that waits for the next object ends with the connection.
        with pytest.raises(TimeoutError):
            pipeline.step(timeout=0.05)
        pool.disconnect(idle_timeout=600)
        pool.reconnect()
        pipeline.send("second")
        pipeline.end_input()
        assert pipeline.wait().output == ["second"]


def test_a_closed_pool_says_so(session: telarch.Session) -> None:
    pool = session.runspace_pool()
    pool.close()
    pool.close()
    with pytest.raises(telarch.ArgumentError, match="the runspace pool or pipeline is closed"):
        pool.run("objs:1")
    with pytest.raises(ValueError, match="min_runspaces is 2 and max_runspaces 1"):
        session.runspace_pool(min_runspaces=2)
    with pytest.raises(TypeError, match="unknown setting of a runspace pool: colour"):
        session.runspace_pool(colour="red")  # type: ignore[call-arg]
    with pytest.raises(telarch.Error):
        session.runspace_pool(configuration="No.Such.Endpoint")


def test_secrets_travel_encrypted(pool: telarch.RunspacePool) -> None:
    secret = pool.protect("a secret")
    assert isinstance(secret, telarch.SecureString) and "secret" not in repr(secret).lower().replace("securestring", "")
    assert len(pool.script("readinput").run(input=[secret]).check().output) == 1


def test_asyncio_runs_pipelines(make: Callable[..., telarch.AsyncSession]) -> None:
    async def values() -> AsyncIterator[int]:
        for number in range(3):
            await asyncio.sleep(0)
            yield number

    async def failing() -> AsyncIterator[int]:
        yield 1
        raise LookupError("no more rows")

    async def main() -> None:
        async with await make(auth="basic").runspace_pool(max_runspaces=2) as pool:
            both = await asyncio.gather(pool.run("objs:1"), pool.run("streams"))
            assert both[0].output[0]["Name"] == "name 0" and str(both[1].warning[0]) == "a warning"
            assert (await pool.script("readinput").run(input=values())).output == [0, 1, 2]
            with pytest.raises(LookupError):
                await pool.script("readinput").run(input=failing())
            async with await pool.script("pid; sleep:1000").start() as pipeline:
                assert (await pipeline.__anext__())[0] == "output"
                await pipeline.stop()
                assert (await pipeline.wait()).state == "stopped"
            waiting = asyncio.ensure_future(pool.run("sleep:1000"))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert (await pool.run("after")).output == ["after"]

    asyncio.run(main())


@pytest.fixture
def wsman(service: Service) -> WSMan:
    return WSMan(
        "127.0.0.1", port=service.https_port, cert_validation=service.pem, auth="basic", **service.login
    )  # type: ignore[arg-type]


def test_pypsrps_classes_run_pipelines(wsman: WSMan) -> None:
    with wsman, RunspacePool(wsman, max_runspaces=2) as pool:
        shells = []
        for script in ("streams", "objs:1"):
            shell = PowerShell(pool).add_script(script)
            shell.begin_invoke()
            assert shell.state == PSInvocationState.RUNNING
            shells.append(shell)
        for shell in shells:
            shell.end_invoke()
        streams, objects = shells
        assert streams.had_errors and str(streams.streams.error[0]) == "an error"
        assert streams.streams.warning[0].message == "a warning"
        assert objects.output[0].extended_properties["Name"] == "name 0"
        assert objects.state == PSInvocationState.COMPLETED

        shell = PowerShell(pool).add_script("sleep:1000")
        shell.begin_invoke()
        shell.stop()
        assert shell.state == PSInvocationState.STOPPED

        secret = pool.serialize("a secret", ObjectMeta("SS"))
        assert len(PowerShell(pool).add_script("readinput").invoke([secret])) == 1
        assert PowerShell(pool).add_script("countinput").invoke(iter([[1, 2], 3])) == [3]
        with pytest.raises(InvalidPSRPOperation, match="without any commands"):
            PowerShell(pool).invoke()
    with pytest.raises(UnsupportedPSRPError, match="telarch does not support a host"):
        RunspacePool(wsman, host=object())


def test_pypsrps_pools_are_disconnected_found_and_connected(wsman: WSMan, service: Service) -> None:
    pool = RunspacePool(wsman, max_runspaces=3)
    pool.open()
    shell = PowerShell(pool).add_script("readinput")
    shell.begin_invoke(["first", "second"])
    pool.disconnect()
    assert shell.state == PSInvocationState.DISCONNECTED
    with pytest.raises(InvalidRunspacePoolStateError):
        PowerShell(pool).add_script("x").invoke()
    pool.connect()
    shell.connect_async()
    with pytest.raises(InvalidPSRPOperation, match="nested"):
        shell.create_nested_power_shell()
    assert shell.end_invoke() == ["first", "second"] and shell.state == PSInvocationState.COMPLETED

    shell = PowerShell(pool).add_script("objs:2")
    shell.begin_invoke()
    pool.disconnect()
    identifier = pool.id
    del pool, shell
    other = WSMan(
        "127.0.0.1", port=service.https_port, cert_validation=service.pem, auth="basic", **service.login
    )  # type: ignore[arg-type]
    with other:
        [found] = [pool for pool in RunspacePool.get_runspace_pools(other) if pool.id == identifier]
        [shell] = found.create_disconnected_power_shells()
        with pytest.raises(InvalidRunspacePoolStateError):
            shell.connect()
        found.connect()
        assert [value.extended_properties["Number"] for value in shell.connect()] == [0, 1]
        assert (found.min_runspaces, found.max_runspaces) == (1, 3)
        assert PowerShell(found).add_script("after").invoke() == ["after"]
        found.close()
        assert identifier not in [pool.id for pool in RunspacePool.get_runspace_pools(other)]


def test_a_disconnected_pool_of_another_client_can_be_closed(wsman: WSMan) -> None:
    pool = RunspacePool(wsman)
    pool.open()
    pool.disconnect()
    identifier = pool.id
    for found in RunspacePool.get_runspace_pools(wsman):
        found.close()
    assert identifier not in [pool.id for pool in RunspacePool.get_runspace_pools(wsman)]


def test_pypsrps_nested_pipelines_are_created_as_such(wsman: WSMan) -> None:
    with wsman, RunspacePool(wsman, max_runspaces=2) as pool:
        outer = PowerShell(pool).add_script("sleep:1000")
        with pytest.raises(InvalidPipelineStateError):
            outer.create_nested_power_shell()
        outer.begin_invoke()
        nested = outer.create_nested_power_shell().add_script("nested")
        assert nested.is_nested and nested.invoke() == [True]
        assert PowerShell(pool).add_script("nested").invoke() == [False]
        outer.stop()
