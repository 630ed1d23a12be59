"""The other end of a conversation, made of psrpcore, over lines on standard input and output.

values       writes one value a line as CLIXML in Base64, reads each back, and compares it with the original
server       runs a few commands for a client
client       runs pipelines on a server and checks what arrives
xpress       decompresses one Base64 text a line, with dissect.util
"""

import base64
import datetime
import decimal
import re
import struct
import sys
import uuid

import psrpcore
from psrpcore import types
from psrpcore._crypto import PSRemotingCrypto
from psrpcore.types import _serializer
from xml.etree import ElementTree

NULL = uuid.UUID(int=0)
LINE = re.compile(r"<(\w+) (?:Stream='(\w+)' )?PSGuid='([0-9a-f-]+)'(?: />|>(.*)</Data>)$")


class Transport:
    """Fragments of a pool as lines; PSGuid is zero for the pool."""

    def __init__(self, pool):
        self.pool = pool

    def send(self):
        while True:
            payload = self.pool.data_to_send(32768)
            if payload is None:
                break
            stream = "Default" if payload.stream_type == psrpcore.StreamType.default else "PromptResponse"
            data = base64.b64encode(payload.data).decode()
            print(f"<Data Stream='{stream}' PSGuid='{payload.pipeline_id or NULL}'>{data}</Data>", flush=True)

    def receive(self):
        """Returns the kind of the next line and its pipeline, after its data is in the pool."""
        line = sys.stdin.readline()
        if not line:
            return None, None
        kind, stream, target, data = LINE.match(line.rstrip("\n")).groups()
        target = uuid.UUID(target)
        if kind == "Data":
            stream = psrpcore.StreamType.default if stream == "Default" else psrpcore.StreamType.prompt_response
            self.pool.receive_data(psrpcore.PSRPPayload(base64.b64decode(data), stream, target))
        return kind, target

    def events(self):
        while event := self.pool.next_event():
            yield event


def values():
    enum = types.PSThreadOptions.ReuseThread
    custom = types.PSCustomObject(Name="näme", Count=3, Inner=types.PSCustomObject(Deep=[1, None, True]))
    extended = types.PSString("text with a note")
    extended.PSObject.extended_properties.append(types.PSNoteProperty("note", types.PSInt(7)))
    shared = types.PSList(["shared"])
    all_values = [
        "", "plain", "ünï € \U0001F600", "_x005F_ _X _x", "line\r\n\ttab\x00\x7f\x9f", " white ", "<&>\"'", None,
        True, False, types.PSChar("a"), types.PSChar("\u20ac"),
        types.PSByte(255), types.PSSByte(-128), types.PSInt16(-32768), types.PSUInt16(65535),
        types.PSInt(-2147483648), types.PSUInt(4294967295), types.PSInt64(-(2**63)), types.PSUInt64(2**64 - 1),
        types.PSSingle(1.5), types.PSDouble(-0.125), types.PSDouble(1e300),
        types.PSDecimal(decimal.Decimal("79228162514264337593543950335")), types.PSDecimal(decimal.Decimal("-1.50")),
        types.PSByteArray(bytes(range(256))), types.PSByteArray(b""),
        types.PSGuid("76056a84-51dc-4f24-9262-ca2a55464b2b"), types.PSUri("https://example.com/?a=b&c"),
        types.PSVersion("1.2.3.4"), types.PSVersion("2.3"), types.PSXml("<a b=\"c\">&amp;</a>"),
        types.PSScriptBlock("{ Get-Process | % Name }"),
        types.PSDateTime(2019, 6, 10, 20, 40, 21, 678126, datetime.timezone.utc, nanosecond=400),
        types.PSDateTime(2019, 6, 10, 20, 40, 21),
        types.PSDuration(days=1, seconds=5), types.PSDuration(microseconds=26902),
        types.PSList([1, "two", [3]]), types.PSStack([1, 2]), types.PSDict({"a": 1, 2: ["b"]}),
        types.PSList([]), types.PSDict({}), enum, custom, extended, types.PSList([shared, shared]),
        types.PSSecureString("pässword"),
    ]
    cipher = PSRemotingCrypto()
    cipher.register_key(b"\x07" * 32)
    for value in all_values:
        element = _serializer.serialize(value, cipher)
        print(base64.b64encode(ElementTree.tostring(element, encoding="utf-8")).decode(), flush=True)
        returned = base64.b64decode(sys.stdin.readline())
        again = _serializer.deserialize(ElementTree.fromstring(returned), cipher)
        original = _serializer.deserialize(element, cipher)
        assert plain(again, cipher) == plain(original, cipher), (value, returned)
        if isinstance(value, types.PSSecureString):
            assert again.decrypt() == "pässword", again
    print("end", flush=True)


def plain(value, cipher):
    """Returns the canonical text of a value."""
    return ElementTree.tostring(_serializer.serialize(value, cipher), encoding="unicode")


def server():
    pool = psrpcore.ServerRunspacePool(application_private_data={"Peer": "psrpcore"})
    transport = Transport(pool)
    while True:
        kind, target = transport.receive()
        if kind is None:
            return
        if kind == "Command":
            psrpcore.ServerPipeline(pool, target)
        elif kind == "Signal":
            pool.pipeline_table[target].begin_stop()
            pool.pipeline_table[target].stop()
            pool.pipeline_table[target].close()
        for event in transport.events():
            serve(pool, event)
        transport.send()


def serve(pool, event):
    if isinstance(event, psrpcore.GetAvailableRunspacesEvent):
        pool.runspace_availability_response(event.ci, 3)
    if isinstance(event, psrpcore.SetMaxRunspacesEvent):
        pool.runspace_availability_response(event.ci, True)
    pipeline = pool.pipeline_table.get(event.pipeline_id)
    if isinstance(event, psrpcore.CreatePipelineEvent):
        pipeline.start()
        command = event.pipeline.commands[0]
        pipeline.arguments = dict(command.parameters)
        run(pool, pipeline, command.command_text)
    elif isinstance(event, psrpcore.PipelineInputEvent):
        pipeline.write_output(event.data)
    elif isinstance(event, psrpcore.EndOfPipelineInputEvent):
        finish(pipeline)
    elif isinstance(event, psrpcore.PipelineHostResponseEvent):
        pipeline.write_output(f"answer: {event.result}")
        finish(pipeline)


def run(pool, pipeline, text):
    if text == "streams":
        pipeline.write_output(types.PSCustomObject(Name="first", Size=types.PSInt64(5_000_000_000)))
        pipeline.write_error(types.NETException(Message="went wrong"), fully_qualified_error_id="Wrong")
        pipeline.write_debug("debug text")
        pipeline.write_verbose("verbose text")
        pipeline.write_warning("warning text")
        pipeline.write_progress("copying", 4, "half", percent_complete=50)
        pipeline.write_information("information text", "source", tags=["one", "two"])
        finish(pipeline)
    elif text == "prompt":
        pipeline.host_call(types.HostMethodIdentifier.ReadLine)
    elif text == "secret":
        secret = pipeline.arguments["Secret"]
        pipeline.write_output(secret.decrypt())
        pipeline.write_output(types.PSSecureString("from the server"))
        finish(pipeline)
    elif text == "big":
        pipeline.write_output("x" * 400_000)
        finish(pipeline)
    elif text not in ("input", "wait"):
        raise ValueError(text)


def finish(pipeline):
    pipeline.complete()
    pipeline.close()


def client():
    pool = psrpcore.ClientRunspacePool(application_arguments={"From": "psrpcore"})
    transport = Transport(pool)
    seen = []

    def until(kind):
        while True:
            transport.send()
            for event in transport.events():
                seen.append(event)
                if isinstance(event, kind):
                    return event
            if transport.receive()[0] is None:
                raise EOFError(f"no {kind.__name__} after {seen}")

    def of(kind):
        return [event for event in seen if isinstance(event, kind)]

    def ended(state):
        event = until(psrpcore.PipelineStateEvent)
        assert event.state == state, (event.state, seen)
        return event

    pool.open()
    until(psrpcore.RunspacePoolStateEvent)
    assert pool.state == types.RunspacePoolState.Opened, pool.state
    assert pool.application_private_data["Peer"] == "telarch", pool.application_private_data

    # Every stream, with input.
    first = psrpcore.ClientPowerShell(pool, no_input=False)
    first.add_command("Write-All").add_parameter("Name", "välue").add_argument(types.PSList([1, None]))
    first.add_statement()
    first.add_script("second")
    first.start()
    first.send("input object")
    first.send_eof()
    ended(types.PSInvocationState.Completed)
    outputs = [event.data for event in of(psrpcore.PipelineOutputEvent)]
    assert outputs[0] == "input object", outputs
    assert outputs[1].Name == "first" and outputs[1].Size == 5_000_000_000, outputs
    assert outputs[2] is None, outputs
    assert len(outputs[3]) == 200_000, len(outputs[3])
    [error] = of(psrpcore.ErrorRecordEvent)
    assert error.record.FullyQualifiedErrorId == "Wrong", error.record
    assert error.record.Exception.Message == "went wrong", error.record
    assert of(psrpcore.WarningRecordEvent)[0].record.Message == "warning text"
    assert of(psrpcore.VerboseRecordEvent)[0].record.Message == "verbose text"
    assert of(psrpcore.DebugRecordEvent)[0].record.Message == "debug text"
    [progress] = of(psrpcore.ProgressRecordEvent)
    assert (progress.record.Activity, progress.record.PercentComplete) == ("copying", 50), progress.record
    [information] = of(psrpcore.InformationRecordEvent)
    assert information.record.MessageData == "information text", information.record
    assert list(information.record.Tags) == ["one", "two"], information.record
    first.close()

    # A host call and its response.
    second = psrpcore.ClientPowerShell(pool)
    second.add_script("prompt")
    second.start()
    call = until(psrpcore.PipelineHostCallEvent)
    assert call.method_identifier == types.HostMethodIdentifier.ReadLine, call
    second.host_response(call.ci, return_value="typed")
    ended(types.PSInvocationState.Completed)
    assert of(psrpcore.PipelineOutputEvent)[-1].data == "typed", seen[-3:]
    second.close()

    # Keys and encrypted text.
    pool.exchange_key()
    until(psrpcore.EncryptedSessionKeyEvent)
    third = psrpcore.ClientPowerShell(pool)
    third.add_command("secret").add_parameter("Secret", types.PSSecureString("pässword"))
    third.start()
    ended(types.PSInvocationState.Completed)
    output = of(psrpcore.PipelineOutputEvent)[-1].data
    assert output.decrypt() == "pässword again", output
    third.close()

    # Numbers of runspaces, a terminating error, and a stopped pipeline.
    pool.set_max_runspaces(4)
    until(psrpcore.SetRunspaceAvailabilityEvent)
    assert pool.max_runspaces == 4
    pool.get_available_runspaces()
    assert until(psrpcore.GetRunspaceAvailabilityEvent).count == 4
    fourth = psrpcore.ClientPowerShell(pool)
    fourth.add_script("fail")
    fourth.start()
    failed = ended(types.PSInvocationState.Failed)
    assert str(failed.reason.Exception.Message) == "terminated", failed.reason
    fourth.close()
    fifth = psrpcore.ClientPowerShell(pool)
    fifth.add_script("wait")
    fifth.start()
    transport.send()
    print(f"<Signal PSGuid='{fifth.pipeline_id}' />", flush=True)
    stopped = ended(types.PSInvocationState.Stopped)
    assert stopped.reason.FullyQualifiedErrorId == "PipelineStopped", stopped.reason
    print("end", flush=True)


def xpress():
    from dissect.util.compression import lzxpress_huffman

    for line in sys.stdin:
        *kind, text = line.split()
        data = base64.b64decode(text)
        plain = b""
        while kind and data:
            # The lengths of a chunk, each less one; it is not compressed if they are equal.
            length, compressed = (number + 1 for number in struct.unpack_from("<HH", data))
            chunk, data = data[4 : 4 + compressed], data[4 + compressed :]
            plain += chunk if length == compressed else lzxpress_huffman.decompress(chunk)[:length]
        if not kind:
            plain = lzxpress_huffman.decompress(data)
        print(base64.b64encode(plain).decode(), flush=True)


{"values": values, "server": server, "client": client, "xpress": xpress}[sys.argv[1]]()
