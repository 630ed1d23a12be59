"""PowerShell remoting for asyncio. Cancelling a call also cancels it on the service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from . import _telarch
from ._errors import Error
from ._remoting import (
    _ENDS,
    Commands,
    PipelineCommand,
    PipelineResult,
    State,
    Steps,
    Stream,
    batches,
    call,
    raise_failure,
)
from ._telarch import SecureString
from ._values import ErrorRecord

if TYPE_CHECKING:
    from typing_extensions import Self


class AsyncRunspacePool:
    """Runspaces on a service, for asyncio; see ``RunspacePool`` for the descriptions.

    >>> async with await session.runspace_pool() as pool:  # doctest: +SKIP
    ...     result = await pool.run("Get-Date")
    """

    def __init__(self, pool: _telarch.Runspaces) -> None:
        self._pool = pool
        self._is_left = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def id(self) -> str:
        """The identifier of the pool."""
        return self._pool.id

    def script(self, text: str, *arguments: Any, **parameters: Any) -> AsyncScript:
        """Prepare a script with arguments."""
        command = PipelineCommand(text, is_script=True, arguments=call(arguments, parameters))
        return AsyncScript(self._pool, command)

    def command(self, name: str, *arguments: Any, **parameters: Any) -> AsyncScript:
        """Prepare a command such as ``Get-Process`` with arguments; None is the value of a switch."""
        return AsyncScript(self._pool, PipelineCommand(name, arguments=call(arguments, parameters)))

    async def run(self, script: str, *arguments: Any, **parameters: Any) -> PipelineResult:
        """Run a script to its end and return its streams."""
        return await self.script(script, *arguments, **parameters).run()

    async def protect(self, text: str) -> SecureString:
        """Encrypt text for an argument of the type ``SecureString``; the first call exchanges keys with the service."""
        return await self._pool.protect(text).start()

    async def private_data(self) -> Any:
        """Return the data with which the service describes itself, such as ``PSVersionTable``."""
        return await self._pool.private_data().start()

    async def available_runspaces(self) -> int:
        """Return the number of pipelines that can start at once."""
        return int(await self._pool.available().start())

    async def disconnect(self, idle_timeout: float | None = None) -> None:
        """Disconnect; pipelines continue, and the service keeps the pool for ``idle_timeout`` seconds."""
        await self._pool.disconnect(idle_timeout).start()

    async def reconnect(self) -> None:
        """Reconnect after ``disconnect``."""
        await self._pool.reconnect().start()

    async def leave(self, idle_timeout: float | None = None) -> None:
        """Disconnect and leave the pool to another client, which connects with ``connect_runspace_pool``."""
        await self._pool.disconnect(idle_timeout).start()
        await self._pool.leave().start()
        self._is_left = True

    async def connect_pipeline(self, id: str) -> AsyncPipeline:
        """Connect to a pipeline that another client has started; see ``AsyncSession.pipelines_of``."""
        return AsyncPipeline(await self._pool.connect_pipeline(id).start())

    async def close(self) -> None:
        """Close the pool and end its pipelines; a pool that was left to another client stays."""
        if not self._is_left:
            await self._pool.close().start()


class AsyncScript(Commands):
    """A pipeline that has not started."""

    async def start(self, *, with_input: bool = False) -> AsyncPipeline:
        """Start the pipeline: ``async with await script.start() as pipeline``."""
        return AsyncPipeline(await self._pool.start(self._commands, with_input).start())

    async def run(self, input: Iterable[Any] | AsyncIterable[Any] | None = None) -> PipelineResult:
        """Run the pipeline to its end and return its streams.

        ``input`` is read while the pipeline runs. An exception that it raises stops the pipeline.
        """
        async with await self.start(with_input=input is not None) as pipeline:
            if input is None:
                return await pipeline.wait()
            feeder = _Feeder(pipeline)
            feeding = asyncio.ensure_future(feeder.feed(input))
            try:
                result = await pipeline.wait()
            finally:
                feeding.cancel()
                await asyncio.gather(feeding, return_exceptions=True)
            raise_failure(feeder.failure, result.state)
            return result


class _Feeder:
    """Sends the input of a pipeline while another task reads its output."""

    def __init__(self, pipeline: AsyncPipeline) -> None:
        self._pipeline = pipeline
        self.failure: BaseException | None = None

    async def feed(self, values: Iterable[Any] | AsyncIterable[Any]) -> None:
        try:
            if isinstance(values, AsyncIterable):
                async for value in values:
                    await self._pipeline.send(value)
            else:
                for batch in batches(values):
                    await self._pipeline.send(*batch)
            await self._pipeline.end_input()
        except Exception as error:
            # A pipeline may end before it has read all of its input.
            if self._pipeline.state is None:
                self.failure = error
                await self._pipeline.try_stop()


class AsyncPipeline(AsyncIterator[tuple[Stream, Any]]):
    """A running pipeline and its objects and records: ``("output", object)``, ``("warning", record)``."""

    def __init__(self, pipeline: _telarch.Pipeline) -> None:
        self._pipeline = pipeline
        self._steps = Steps()
        #: The state, after the pipeline has ended.
        self.state: State | None = None
        #: The error that ended the pipeline.
        self.failure: ErrorRecord | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def id(self) -> str:
        """The identifier of the pipeline."""
        return self._pipeline.id

    async def __anext__(self) -> tuple[Stream, Any]:
        while self.state is None:
            arrived = self._steps.next()
            if arrived is None:
                await self._pipeline.ready().start()
                self._steps.extend(self._pipeline.take())
            elif arrived[0] in _ENDS:
                self.failure = arrived[1]
                self.state = arrived[0]  # type: ignore[assignment]
            else:
                return arrived  # type: ignore[return-value]
        raise StopAsyncIteration

    async def wait(self) -> PipelineResult:
        """Wait for the end and return the remaining objects and records."""
        result = PipelineResult()
        async for stream, record in self:
            result.add(stream, record)
        assert self.state is not None
        result.add(self.state, self.failure)
        return result

    async def send(self, *values: Any) -> None:
        """Send objects to the input."""
        await self._pipeline.send(list(values)).start()

    async def end_input(self) -> None:
        """End the input."""
        await self._pipeline.end_input().start()

    async def stop(self) -> None:
        """Stop the pipeline as Ctrl-C does, also while another task waits for its records; the last ones still arrive."""
        await self._pipeline.stop().start()

    async def try_stop(self) -> None:
        """Stop the pipeline, without an error if that fails: the reader of its output reports why."""
        try:
            await self.stop()
        except Error:
            pass

    async def close(self) -> None:
        """Release the pipeline; a running pipeline is ended."""
        await self._pipeline.finish().start()
