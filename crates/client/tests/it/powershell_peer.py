"""A WS-Management service with a PowerShell endpoint, made of psrpcore and Python's HTTP server.

It prints its port, and ends with its standard input. Scripts are words of a small language:

  objects N     writes N objects          echo          writes its parameters and arguments
  text SIZE     writes a long text        input         writes each input object
  streams       writes to every stream    fail          ends with an error
  read          asks the host for a line  exit N        requests an exit code of the host
  choose        asks the host to choose   print         prints with the host
  secret        decrypts a parameter      wait          runs until it is stopped
  error         writes an error           prompt        the prompt of a console

Hostile ones: `garbage` sends bytes that are no fragment, `gap` skips a fragment, `drop` closes the connection of the
next Receive once, `silent` ends without a state, `vanish` deletes the shell, `bomb` sends a compressed piece that
declares 100 MB.

Streams are compressed for a client that asks for it, except at the endpoint Microsoft.PowerShell.Plain; `compressed`
writes the number of compressed chunks that were received. A script that begins with `param(` is evaluated by
powershell_subset.py.
"""

import base64
import collections
import http.server
import pathlib
import queue
import re
import sys
import threading
import uuid
from xml.etree import ElementTree

import psrpcore
from psrpcore import types

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[4] / "tests/peers/python"))
import powershell_subset
import xpress

SOAP = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
POWERSHELL = "http://schemas.microsoft.com/powershell"
FAULT = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"
TIMED_OUT, BAD_SHELL, BAD_RESOURCE, DISCONNECTED = 2150858793, 2150858843, 2150858752, 2150859230

BOMB = b"\xff\xff\x00\x00\x00" * 1600

shells = {}


class Fault(Exception):
    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class Shell:
    def __init__(self, identifier):
        self.identifier = identifier
        self.changed = threading.Condition()
        self.pool = psrpcore.ServerRunspacePool(application_private_data={"Peer": "psrpcore"})
        self.queues = collections.defaultdict(collections.deque)
        self.done = set()
        self.is_connected = True
        self.is_closed = False
        self.drops = 0
        self.key = None
        self.is_compressed = False
        self.compressed = 0

    def unpack(self, text):
        data = base64.b64decode(text)
        if not self.is_compressed:
            return data
        data, count = xpress.decompress(data)
        self.compressed += count
        return data

    def pack(self, data):
        return base64.b64encode(xpress.compress(data) if self.is_compressed else data).decode()

    def receive(self, data, pipeline=None):
        stream = psrpcore.StreamType.default
        self.pool.receive_data(psrpcore.PSRPPayload(data, stream, pipeline))
        while event := self.pool.next_event():
            self.serve(event)
        self.send()

    def send(self):
        while (payload := self.pool.data_to_send(32768)) is not None:
            self.queues[payload.pipeline_id].append(payload.data)
        self.changed.notify_all()

    def serve(self, event):
        if isinstance(event, psrpcore.GetAvailableRunspacesEvent):
            self.pool.runspace_availability_response(event.ci, 3)
        elif isinstance(event, (psrpcore.SetMaxRunspacesEvent, psrpcore.SetMinRunspacesEvent)):
            self.pool.runspace_availability_response(event.ci, True)
        pipeline = self.pool.pipeline_table.get(event.pipeline_id)
        if isinstance(event, psrpcore.CreatePipelineEvent):
            pipeline.start()
            pipeline.commands = event.pipeline.commands
            self.run(pipeline, event.pipeline)
        elif hasattr(pipeline, "inputs") and isinstance(event, psrpcore.PipelineInputEvent):
            pipeline.inputs.put(event.data)
        elif hasattr(pipeline, "inputs") and isinstance(event, psrpcore.EndOfPipelineInputEvent):
            pipeline.inputs.put(None)
        elif isinstance(event, psrpcore.PipelineInputEvent):
            pipeline.write_output(event.data)
        elif isinstance(event, psrpcore.EndOfPipelineInputEvent):
            self.finish(pipeline)
        elif isinstance(event, psrpcore.PipelineHostResponseEvent):
            if event.error is not None:
                pipeline.write_output(f"refused: {event.error.Exception.Message}")
            else:
                pipeline.write_output(f"answer: {event.result}")
            self.finish(pipeline)

    def evaluate(self, pipeline, command):
        def output(value):
            with self.changed:
                pipeline.write_output(types.PSByteArray(value) if isinstance(value, bytearray) else value)
                self.send()

        parameters = {str(name): powershell_subset.plain(value) for name, value in command.parameters}
        inputs = map(powershell_subset.plain, iter(pipeline.inputs.get, None))
        try:
            powershell_subset.evaluate(command.command_text, parameters, inputs, output)
        except powershell_subset.Failure as failure:
            error = types.ErrorRecord(
                Exception=types.NETException(Message=str(failure)),
                CategoryInfo=types.ErrorCategoryInfo(),
                FullyQualifiedErrorId="Terminated",
            )
            with self.changed:
                pipeline._change_state(types.PSInvocationState.Failed, error=error)
                self.done.add(pipeline.pipeline_id)
                self.send()
            return
        with self.changed:
            self.finish(pipeline)
            self.send()

    def run(self, pipeline, metadata):
        command = metadata.commands[0]
        if command.command_text.startswith("param("):
            pipeline.inputs = queue.Queue()
            threading.Thread(target=self.evaluate, args=(pipeline, command), daemon=True).start()
            return
        word, _, rest = command.command_text.partition(" ")
        number = int(rest) if rest.isdigit() else 0
        method = types.HostMethodIdentifier
        if word == "objects":
            for index in range(number):
                pipeline.write_output(types.PSCustomObject(Name=f"object {index}", Index=index))
        elif word == "text":
            pipeline.write_output("x" * number)
        elif word == "echo":
            pipeline.write_output(rest)
            for name, value in command.parameters:
                pipeline.write_output(f"{name}={value}")
        elif word == "streams":
            pipeline.write_output("output text")
            pipeline.write_error(types.NETException(Message="went wrong"), fully_qualified_error_id="Wrong")
            pipeline.write_debug("debug text")
            pipeline.write_verbose("verbose text")
            pipeline.write_warning("warning text")
            pipeline.write_progress("copying", 4, "half", percent_complete=50)
            pipeline.write_information("information text", "source", tags=["PSHOST"])
        elif word == "error":
            pipeline.write_error(types.NETException(Message="went wrong"), fully_qualified_error_id="Wrong")
        elif word == "fail":
            error = types.ErrorRecord(
                Exception=types.NETException(Message="terminated"),
                CategoryInfo=types.ErrorCategoryInfo(),
                FullyQualifiedErrorId="Terminated",
            )
            pipeline._change_state(types.PSInvocationState.Failed, error=error)
            self.done.add(pipeline.pipeline_id)
            return
        elif word == "read":
            pipeline.host_call(method.ReadLine)
            return
        elif word == "choose":
            choices = [types.PSCustomObject(label="&Yes", helpMessage="do it"),
                       types.PSCustomObject(label="&No", helpMessage="leave it")]
            pipeline.host_call(method.PromptForChoice, ["Title", "Sure?", types.PSList(choices), 1])
            return
        elif word == "exit":
            pipeline.host_call(method.SetShouldExit, [number])
        elif word == "compressed":
            pipeline.write_output(self.compressed)
        elif word == "bomb":
            self.queues[pipeline.pipeline_id].append(BOMB)
            return
        elif word == "print":
            pipeline.host_call(method.WriteLine2, ["printed"])
            pipeline.host_call(method.Write1, ["partly"])
        elif word == "prompt":
            pipeline.write_output("PS peer> ")
        elif word == "$c":
            # TabExpansion2: the place of the replacement, and the completions.
            for value in [0, "print"]:
                pipeline.write_output(value)
        elif word == "secret":
            secret = dict(command.parameters)["Secret"]
            pipeline.write_output(secret.decrypt())
        elif word == "garbage":
            self.queues[pipeline.pipeline_id].append(b"\xff" * 40)
            return
        elif word == "gap":
            pipeline.write_output("y" * 100_000)
            self.send()
            del self.queues[pipeline.pipeline_id][1]
        elif word == "drop":
            self.drops = 1
            pipeline.write_output("after the loss")
        elif word == "silent":
            self.done.add(pipeline.pipeline_id)
            return
        elif word == "vanish":
            self.close()
            return
        elif word in ("wait", "input"):
            if word == "wait":
                pipeline.write_output("waiting")
            return
        else:
            message = f"The term '{word}' is not recognized as a name of a cmdlet."
            pipeline.write_error(
                types.NETException(Message=message), fully_qualified_error_id="CommandNotFoundException"
            )
        self.finish(pipeline)

    def finish(self, pipeline):
        pipeline.complete()
        self.done.add(pipeline.pipeline_id)

    def describe(self):
        mode = "XpressCompression" if self.is_compressed else "NoCompression"
        return (
            f"<rsp:Shell><rsp:ShellId>{self.identifier}</rsp:ShellId><rsp:ResourceUri>{POWERSHELL}/"
            f"Microsoft.PowerShell</rsp:ResourceUri><rsp:Owner>ann</rsp:Owner><rsp:CompressionMode>{mode}"
            f"</rsp:CompressionMode><rsp:State>{'Connected' if self.is_connected else 'Disconnected'}</rsp:State>"
            "</rsp:Shell>"
        )

    def close(self):
        self.is_closed = True
        shells.pop(self.identifier, None)
        self.changed.notify_all()


def named(element, name):
    return next((child for child in element.iter() if child.tag.rpartition("}")[2] == name), None)


def pipeline_of(element):
    text = element.get("CommandId") if element is not None else None
    return uuid.UUID(text) if text else None


def create(request):
    resource = named(request, "ResourceURI").text
    if not resource.startswith(POWERSHELL + "/Microsoft.PowerShell"):
        raise Fault(BAD_RESOURCE, "The resource URI is not a registered configuration.")
    body = named(request, "Shell")
    shell = Shell(body.get("ShellId"))
    with shell.changed:
        shell.receive(base64.b64decode(named(body, "creationXml").text))
    shells[shell.identifier] = shell
    choose_compression(shell, request, resource)
    return (
        f"<x:ResourceCreated><a:Address>http://localhost/wsman</a:Address><a:ReferenceParameters>"
        f"<w:ResourceURI>{resource}</w:ResourceURI><w:SelectorSet><w:Selector Name='ShellId'>{shell.identifier}"
        f"</w:Selector></w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>{shell.describe()}"
    )


def choose_compression(shell, request, resource):
    wanted = named(request, "CompressionType")
    shell.is_compressed = wanted is not None and wanted.text == "xpress" and not resource.endswith(".Plain")


def command(shell, request):
    body = named(request, "CommandLine")
    identifier = uuid.UUID(body.get("CommandId"))
    psrpcore.ServerPipeline(shell.pool, identifier)
    arguments = [child for child in body if child.tag.endswith("}Arguments")]
    assert len(arguments) == 1, arguments
    shell.receive(base64.b64decode(arguments[0].text), identifier)
    return f"<rsp:CommandResponse><rsp:CommandId>{body.get('CommandId')}</rsp:CommandId></rsp:CommandResponse>"


def send(shell, request):
    stream = named(request, "Stream")
    assert stream.get("Name") in ("stdin", "pr"), stream.attrib
    shell.receive(shell.unpack(stream.text), pipeline_of(stream))
    return "<rsp:SendResponse/>"


def receive(shell, request):
    target = pipeline_of(named(request, "DesiredStream"))
    if target is not None and shell.drops:
        shell.drops -= 1
        raise ConnectionError
    queue = shell.queues[target]

    def is_ready():
        return queue or target in shell.done or shell.is_closed or not shell.is_connected

    if not shell.changed.wait_for(is_ready, 1):
        raise Fault(TIMED_OUT, "The operation timed out.")
    if shell.is_closed:
        raise Fault(BAD_SHELL, "The shell was closed.")
    if not shell.is_connected:
        raise Fault(DISCONNECTED, "The stream is disconnected.")
    attribute = f" CommandId='{str(target).upper()}'" if target else ""
    streams = ""
    while queue and len(streams) < 400_000:
        data = queue.popleft()
        data = base64.b64encode(data).decode() if data is BOMB else shell.pack(data)
        streams += f"<rsp:Stream Name='stdout'{attribute}>{data}</rsp:Stream>"
    state = ""
    if not queue and target in shell.done:
        state = (
            f"<rsp:CommandState{attribute} State='{SHELL}/CommandState/Done'><rsp:ExitCode>0</rsp:ExitCode>"
            "</rsp:CommandState>"
        )
    return f"<rsp:ReceiveResponse>{streams}{state}</rsp:ReceiveResponse>"


def signal(shell, request):
    identifier = pipeline_of(named(request, "Signal"))
    code = named(request, "Code").text
    pipeline = shell.pool.pipeline_table.get(identifier)
    if pipeline is not None and identifier not in shell.done:
        pipeline.begin_stop()
        pipeline.stop()
        shell.done.add(identifier)
        shell.send()
    if not code.endswith("crtl_c"):
        shell.queues.pop(identifier, None)
    return "<rsp:SignalResponse/>"


def disconnect(shell, request):
    shell.is_connected = False
    shell.changed.notify_all()
    return "<rsp:DisconnectResponse/>"


def reconnect(shell, request):
    shell.is_connected = True
    return "<rsp:ReconnectResponse/>"


def connect(shell, request):
    body = named(request, "Connect")
    if body.get("CommandId"):
        return "<rsp:ConnectResponse/>"
    # psrpcore expects the pool to be disconnected.
    shell.pool._change_state(types.RunspacePoolState.Disconnected, emit=False)
    shell.pool.connect()
    # Windows answers with its capability, which psrpcore omits.
    shell.pool.prepare_message(shell.pool.our_capability)
    shell.receive(base64.b64decode(named(body, "connectXml").text))
    data = base64.b64encode(b"".join(shell.queues[None])).decode()
    shell.queues[None].clear()
    shell.is_connected = True
    choose_compression(shell, request, named(request, "ResourceURI").text)
    return (
        f"<rsp:ConnectResponse><rsp:InputStreams>stdin pr</rsp:InputStreams><connectResponseXml "
        f"xmlns='{POWERSHELL}'>{data}</connectResponseXml></rsp:ConnectResponse>"
    )


def enumerate_shells():
    items = "".join(shell.describe() for shell in shells.values())
    enumeration = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
    return (
        f"<n:EnumerateResponse xmlns:n='{enumeration}'><n:EnumerationContext/><w:Items>{items}</w:Items>"
        "<w:EndOfSequence/></n:EnumerateResponse>"
    )


VERBS = {
    "Command": command, "Send": send, "Receive": receive, "Signal": signal, "Disconnect": disconnect,
    "Reconnect": reconnect, "Connect": connect,
}


def answer(request):
    verb = named(request, "Action").text.rpartition("/")[2]
    if verb == "Create":
        return create(request)
    if verb == "Enumerate":
        return enumerate_shells()
    selector = named(request, "Selector")
    shell = shells.get(selector.text if selector is not None else None)
    if shell is None:
        raise Fault(BAD_SHELL, "The shell was not found.")
    with shell.changed:
        if not shell.is_connected and verb not in ("Reconnect", "Connect", "Delete"):
            raise Fault(DISCONNECTED, "The shell is disconnected.")
        if verb == "Delete":
            shell.close()
            return ""
        if verb == "Get":
            return shell.describe()
        return VERBS[verb](shell, request)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        request = ElementTree.fromstring(self.rfile.read(int(self.headers["Content-Length"])))
        status, action = 200, "Response"
        try:
            body = answer(request)
        except ConnectionError:
            self.close_connection = True
            return
        except Fault as fault:
            status = 500
            body = (
                f"<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>w:{'TimedOut' if fault.code == TIMED_OUT else 'InvalidSelectors'}"
                f"</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang='en-US'>{fault}</s:Text></s:Reason>"
                f"<s:Detail><f:WSManFault xmlns:f='{FAULT}' Code='{fault.code}' Machine='peer'><f:Message>{fault}"
                "</f:Message></f:WSManFault></s:Detail></s:Fault>"
            )
        relates = named(request, "MessageID").text
        envelope = (
            f"<s:Envelope xmlns:s='{SOAP}' xmlns:a='{ADDRESSING}' xmlns:w='{WSMAN}' xmlns:rsp='{SHELL}' "
            f"xmlns:x='{TRANSFER}'><s:Header><a:Action>{action}</a:Action><a:RelatesTo>{relates}</a:RelatesTo>"
            f"<a:MessageID>uuid:{uuid.uuid4()}</a:MessageID></s:Header><s:Body>{body}</s:Body></s:Envelope>"
        ).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/soap+xml;charset=UTF-8")
        self.send_header("Content-Length", str(len(envelope)))
        self.end_headers()
        self.wfile.write(envelope)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
