"""Tests of operations on many machines, all of which are the same service."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import telarch
from conftest import Service, together, wait_until_gone


@pytest.fixture
def settings(service: Service) -> dict[str, Any]:
    return {"ca": service.pem, "auth": "basic", **service.login}


@pytest.fixture
def refused() -> Iterator[str]:
    """An address that refuses connections."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"https://127.0.0.1:{bound.getsockname()[1]}"


def test_machines_run_at_the_same_time_and_failures_are_results(
    service: Service, settings: dict[str, Any], refused: str, tmp_path: Path
) -> None:
    fleet = telarch.Fleet([service.https] * 4 + [refused], parallel=5, **settings)
    with fleet.run(together(tmp_path, 0, 1)) as results:
        found = list(results)
    assert sorted(result.ok for result in found) == [False] + [True] * 4
    for result in found:
        if result.ok:
            assert result.check().text == "0\n" and result.host == service.https and result.attempts == 1
        else:
            assert isinstance(result.error, telarch.ConnectError) and result.host == refused
            with pytest.raises(telarch.ConnectError):
                result.check()
    summary = results.summary
    assert (summary.started, summary.succeeded, summary.failed, summary.not_started) == (5, 4, 1, 0)
    assert summary.stop is None


def test_as_many_machines_as_allowed_run_at_the_same_time(
    service: Service, settings: dict[str, Any]
) -> None:
    running, most, lock = 0, 0, threading.Lock()

    async def operation(session: telarch.AsyncSession) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        await session.identify()
        with lock:
            running -= 1
        return session.host

    with telarch.Fleet([service.https] * 20, parallel=3, **settings).map(operation) as results:
        assert {result.check() for result in results} == {"127.0.0.1"}
    assert most == 3


def test_targets_are_read_as_machines_start(service: Service, settings: dict[str, Any]) -> None:
    given = 0

    def targets() -> Iterator[str]:
        nonlocal given
        for given in range(1, 1001):
            yield service.https

    with telarch.Fleet(targets(), parallel=2, **settings).get("winrm/config") as results:
        assert next(results).check()["MaxTimeoutms"] == "60000"
    # Two that run, two in the queue, one in the hand of the reader, and the next one.
    assert given <= 6


def test_a_failing_source_of_targets_ends_the_fleet(service: Service, settings: dict[str, Any]) -> None:
    def targets() -> Iterator[str]:
        yield service.https
        raise LookupError("the inventory is gone")

    with telarch.Fleet(targets(), **settings).run("sleep 1000") as results:
        assert isinstance(next(results).error, telarch.FleetStopped)
        with pytest.raises(LookupError, match="the inventory is gone"):
            next(results)
        with pytest.raises(StopIteration):
            next(results)


def test_time_limits_end_what_runs_on_the_machines(service: Service, settings: dict[str, Any], tmp_path: Path) -> None:
    for number, limit in enumerate(("host_time", "total_time")):
        file = tmp_path / str(number)
        # The limit begins before the command, so it may end before the process has a number.
        command = f"echo $$ > {file}; exec sleep 1000"
        fleet = telarch.Fleet([service.https] * 2, parallel=1, **{limit: 3.0}, **settings)
        with fleet.run(command) as results:
            first = next(results)
            assert str(first.error).startswith("stopped: the")
            assert isinstance(first.error, telarch.FleetStopped) and first.seconds >= 3
            rest = list(results)
        if file.exists():
            wait_until_gone(int(file.read_text()))
        if limit == "host_time":
            assert len(rest) == 1 and results.summary.stop is None
        else:
            assert rest == [] and results.summary.not_started == 1
            assert results.summary.stop == "stopped: the total time limit expired"


def test_too_many_failures_stop_the_rest(service: Service, settings: dict[str, Any], refused: str) -> None:
    targets = [service.https, refused, service.https, service.https]
    with telarch.Fleet(targets, parallel=2, max_failures=1, **settings).run("sleep 1000") as results:
        reasons = sorted(str(result.error) for result in results)
    assert len(reasons) == 2 and reasons[1] == "stopped: too many hosts failed", reasons
    assert (results.summary.failed, results.summary.not_started) == (2, 2)


def test_failed_connections_are_retried_and_others_are_not(
    service: Service, settings: dict[str, Any], refused: str
) -> None:
    targets: list[Any] = [refused, (service.https, {"password": "wrong"})]
    fleet = telarch.Fleet(targets, retries=2, retry_delay=0.01, **settings)
    with fleet.run("true") as results:
        attempts = {result.host: (result.attempts, type(result.error)) for result in results}
    assert attempts == {
        refused: (3, telarch.ConnectError),
        service.https: (1, telarch.AuthenticationError),
    }


def test_leaving_the_results_cancels_what_runs(service: Service, settings: dict[str, Any], tmp_path: Path) -> None:
    async def operation(session: telarch.AsyncSession) -> int:
        async with await session.shell() as shell, await shell.start("echo $$; exec sleep 1000") as command:
            _, output = await command.__anext__()
            (tmp_path / "process").write_text(output.decode())
            async for _ in command:
                pass
        return 0

    targets: list[str] = [service.https]
    with telarch.Fleet(targets, **settings).map(operation) as results:
        stepping = threading.Thread(target=lambda: next(results, None), daemon=True)
        stepping.start()
        deadline = time.monotonic() + 60
        while not (tmp_path / "process").exists() or not (tmp_path / "process").read_text().strip():
            assert time.monotonic() < deadline
            time.sleep(0.02)
    wait_until_gone(int((tmp_path / "process").read_text()))


def test_scripts_queries_and_files(service: Service, settings: dict[str, Any], tmp_path: Path) -> None:
    fleet = telarch.Fleet([service.https], **settings)
    [objects] = fleet.powershell("objs:1")
    assert objects.check().output[0]["Name"] == "name 0"
    [listeners] = fleet.enumerate("winrm/config/listener")
    assert {listener["Transport"] for listener in listeners.check()} == {"HTTP", "HTTPS"}
    (tmp_path / "here").write_text("content")
    [copied] = fleet.copy(tmp_path / "here", str(tmp_path / "there"))
    assert Path(copied.check()).read_text() == "content"
    assert list(telarch.Fleet([], **settings).run("true")) == []


def test_asyncio_reads_results_beside_other_tasks(service: Service, settings: dict[str, Any]) -> None:
    async def main() -> None:
        fleet = telarch.AsyncFleet([service.https] * 5, parallel=2, **settings)
        async with fleet.run("echo one") as results:
            texts = [result.check().text async for result in results]
        assert texts == ["one\n"] * 5
        async with fleet.run("sleep 1000") as results:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(results.__anext__(), 0.2)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ({"parallel": 0}, "parallel is 0; it must be at least 1"),
        ({"max_failures": 0}, "max_failures is 0"),
        ({"retries": -1}, "retries is -1"),
    ],
)
def test_invalid_limits_are_rejected(limits: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        telarch.Fleet([], **limits)
