"""Tests of the asyncio API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

import telarch
from conftest import together, until_released, wait_until_gone

Make = Callable[..., telarch.AsyncSession]


def test_calls_are_awaited(make: Make, tmp_path: Path) -> None:
    async def work() -> None:
        async with make() as session:
            assert (await session.identify()).name == "IdentifyResponse"
            assert (await session.get("winrm/config"))["MaxTimeoutms"] == "60000"
            transports = {item["Transport"] async for item in session.enumerate("winrm/config/listener")}
            assert transports == {"HTTP", "HTTPS"}
            assert (await session.run("echo", ["a", "b"])).text == "a b\n"
            async with await session.shell() as shell, await shell.start("cat") as command:
                await command.write("hello", end=True)
                assert await command.wait() == (b"hello", b"", 0)
            (tmp_path / "here").write_bytes(b"octets")
            there = await session.copy(tmp_path / "here", str(tmp_path / "there"))
            await session.fetch(there, tmp_path / "back")
            assert (tmp_path / "back").read_bytes() == b"octets"

    asyncio.run(work())


def test_calls_run_concurrently(make: Make, tmp_path: Path) -> None:
    async def work() -> None:
        session = make()
        finished = await asyncio.gather(*(session.run(together(tmp_path, n, 10)) for n in range(10)))
        assert [each.text for each in finished] == [f"{n}\n" for n in range(10)]

    asyncio.run(work())


def test_waiting_for_an_event_can_be_cancelled(make: Make) -> None:
    async def work() -> None:
        session = make()
        query = "SELECT * FROM __InstanceCreationEvent WITHIN 1 WHERE TargetInstance ISA 'Win32_Process' \
            AND TargetInstance.CommandLine = 'sleep 3.14'"
        async with session.subscribe(query) as events:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(anext(aiter(events)), 0.2)
            running = asyncio.ensure_future(session.run("sleep 3.14"))
            async for event in events:
                assert event["TargetInstance"]["Name"] == "sleep"
                break
            await running
        assert [event async for event in events] == []

    asyncio.run(work())


def test_the_event_loop_is_not_blocked(make: Make, tmp_path: Path) -> None:
    async def work() -> None:
        # The command ends only if the loop runs during the call.
        running = asyncio.ensure_future(make().run(until_released(tmp_path)))
        while not (tmp_path / "begun").exists():
            await asyncio.sleep(0.001)
        (tmp_path / "release").touch()
        await running

    asyncio.run(work())


def test_cancelling_ends_the_command(make: Make, tmp_path: Path) -> None:
    mark = tmp_path / "alive"

    async def work() -> None:
        session = make()
        running = asyncio.ensure_future(session.run(f"echo $$ > {mark}.new; mv {mark}.new {mark}; exec sleep 60"))
        while not mark.exists():
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await asyncio.to_thread(wait_until_gone, int(mark.read_text()))
        assert (await session.run("echo on")).text == "on\n"

    asyncio.run(work())


def test_an_asyncio_timeout_cancels_a_call(make: Make) -> None:
    async def work() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(make().run("sleep 30"), 0.3)

    asyncio.run(work())


def test_errors_are_raised_where_they_are_awaited(make: Make) -> None:
    async def work() -> None:
        with pytest.raises(telarch.AuthenticationError):
            await make(password="wrong").identify()
        with pytest.raises(telarch.Fault):
            await make().get("winrm/nothing/like/it")

    asyncio.run(work())


def test_a_call_may_outlive_its_event_loop(make: Make) -> None:
    session = make()

    async def begin() -> None:
        asyncio.ensure_future(session.run("sleep 0.2"))
        await asyncio.sleep(0.05)

    asyncio.run(begin())
    # A new loop has no reference to the previous one.
    assert asyncio.run(session.run("echo on")).text == "on\n"
