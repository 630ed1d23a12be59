"""Stands in for `pwsh -s`: PowerShell remoting on standard input and output, with a toy language.

A script is a list of steps, one a line or separated by semicolons; see STEPS. A script that is no step is returned as a
string. A script that begins with `param(` is evaluated by powershell_subset.py. `--mode MODE` before the arguments of pwsh selects a process that misbehaves; see the end of the file.
"""

import base64
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import uuid

import powershell_subset
import psrpcore
from psrpcore import types

ZERO = uuid.UUID(int=0)
FRAGMENT = 32768


class Failure(Exception):
    """A terminating error of a script."""


class Stopped(Exception):
    """The client has stopped the pipeline."""


class Server:
    """The process: one pool with its pipelines."""

    def __init__(self):
        self.lock = threading.RLock()
        self.pool = psrpcore.ServerRunspacePool(
            application_private_data={"PSVersionTable": {"PSVersion": types.PSVersion("7.4.6")}}
        )
        self.pipelines = {}
        self.out = sys.stdout.buffer
        self.is_restricted = False

    def line(self, text):
        with self.lock:
            self.out.write(text.encode("utf-8") + b"\n")
            self.out.flush()

    def acknowledge(self, name, target):
        self.line(f"<{name}Ack PSGuid='{target}' />")

    def flush(self):
        """Takes and writes fragments under one lock, because their order matters."""
        with self.lock:
            while True:
                payload = self.pool.data_to_send(FRAGMENT)
                if payload is None:
                    return
                target = payload.pipeline_id or ZERO
                data = base64.b64encode(payload.data).decode("ascii")
                self.line(f"<Data Stream='Default' PSGuid='{target}'>{data}</Data>")

    def receive(self, stream, target, data):
        stream = psrpcore.StreamType.prompt_response if stream == "PromptResponse" else psrpcore.StreamType.default
        with self.lock:
            pipeline = None if target == ZERO else target
            self.pool.receive_data(psrpcore.PSRPPayload(data, stream, pipeline))
            while True:
                event = self.pool.next_event()
                if event is None:
                    break
                self.dispatch(event)
            self.flush()

    def dispatch(self, event):
        run = self.pipelines.get(event.pipeline_id)
        if isinstance(event, psrpcore.CreatePipelineEvent) and run:
            run.begin(event.pipeline)
        elif isinstance(event, psrpcore.PipelineInputEvent) and run:
            run.feed(event.data)
        elif isinstance(event, psrpcore.EndOfPipelineInputEvent) and run:
            run.feed(END)
        elif isinstance(event, psrpcore.PipelineHostResponseEvent) and run:
            run.answer(event.result)
        elif isinstance(event, psrpcore.SetMaxRunspacesEvent):
            self.pool.runspace_availability_response(event.ci, True)
        elif isinstance(event, psrpcore.SetMinRunspacesEvent):
            self.pool.runspace_availability_response(event.ci, True)
        elif isinstance(event, psrpcore.GetAvailableRunspacesEvent):
            self.pool.runspace_availability_response(event.ci, self.pool.max_runspaces)

    def serve(self):
        for line in sys.stdin.buffer:
            match = re.match(r"<(\w+)((?: \w+='[^']*')*) ?(?:/>|>([^<]*)</\1>)\r?\n", line.decode("utf-8"))
            if not match:
                raise SystemExit(f"invalid line: {line[:80]!r}")
            name, attributes, text = match.groups()
            attributes = dict(re.findall(r"(\w+)='([^']*)'", attributes))
            target = uuid.UUID(attributes["PSGuid"])
            if name == "Data":
                if not text:
                    raise SystemExit("empty data")
                self.receive(attributes["Stream"], target, base64.b64decode(text))
            elif name == "Command":
                with self.lock:
                    self.pipelines[target] = Run(self, target)
            elif name == "Signal":
                self.pipelines[target].stop()
            elif name == "Close":
                if target == ZERO and self.pipelines:
                    # PowerShell waits for every pipeline.
                    continue
                with self.lock:
                    run = self.pipelines.pop(target, None)
                if run:
                    run.stop()
            else:
                raise SystemExit(f"unexpected packet {name}")
            self.acknowledge(name, target)
        print("standard input was closed", file=sys.stderr)
        sys.stderr.flush()
        os._exit(160)


END = object()


class Run:
    """A pipeline."""

    def __init__(self, server, identifier):
        self.server = server
        self.id = identifier
        self.pipeline = psrpcore.ServerPipeline(server.pool, identifier)
        self.changed = threading.Condition()
        self.input = []
        self.answers = []
        self.stopped = False
        self.thread = None

    def begin(self, powershell):
        commands = powershell.commands
        self.parameters = {str(name): value for command in commands for name, value in command.parameters}
        self.positional = [value for command in commands for name, value in command.parameters if name is None]
        # pypsrp's Client.execute_ps runs `Invoke-Expression SCRIPT | Out-String -Stream`.
        scripts = [command.command_text for command in commands if command.command_text != "Out-String"]
        if scripts == ["Invoke-Expression"]:
            scripts = [self.parameters["Command"]]
        self.is_nested = powershell.is_nested
        self.is_script = any(command.is_script for command in commands)
        self.as_text = len(scripts) < len(commands)
        script = "; ".join(scripts)
        self.thread = threading.Thread(target=self.run, args=(script,), daemon=True)
        self.thread.start()

    def feed(self, value):
        with self.changed:
            self.input.append(value)
            self.changed.notify_all()

    def answer(self, value):
        with self.changed:
            self.answers.append(value)
            self.changed.notify_all()

    def stop(self):
        with self.changed:
            self.stopped = True
            self.changed.notify_all()

    def wait(self, queue, seconds=None):
        """Waits for an element of a queue, for the end of the time, or for the client's stop."""
        until = None if seconds is None else time.monotonic() + seconds
        with self.changed:
            while not queue:
                if self.stopped:
                    raise Stopped
                left = None if until is None else until - time.monotonic()
                if left is not None and left <= 0:
                    return None
                self.changed.wait(left)
            return queue.pop(0)

    def write(self, method, *arguments, **named):
        if self.stopped:
            raise Stopped
        with self.server.lock:
            getattr(self.pipeline, method)(*arguments, **named)
            self.server.flush()

    def output(self, value):
        self.write("write_output", str(value) if self.as_text else value)

    def evaluate(self, script):
        try:
            parameters = {name: powershell_subset.plain(value) for name, value in self.parameters.items()}
            powershell_subset.evaluate(script, parameters, self.objects(), lambda value: self.output(wire(value)))
        except powershell_subset.Failure as failure:
            raise Failure(str(failure)) from failure

    def objects(self):
        while (value := self.wait(self.input)) is not END:
            yield powershell_subset.plain(value)

    def run(self, script):
        server = self.server
        try:
            with server.lock:
                self.pipeline.start()
                server.flush()
            if self.server.is_restricted and self.is_script:
                # As PowerShell in the language mode NoLanguage.
                raise Failure("The syntax is not supported by this runspace.")
            if script.lstrip().startswith("param("):
                self.evaluate(script)
                script = ""
            elif "SHA1CryptoServiceProvider" in script:
                # The scripts of pypsrp's Client.copy and Client.fetch.
                (receive_file if "FromBase64String" in script else send_file)(self)
                script = ""
            steps = [step.strip() for step in re.split(r"[;\n]", script) if step.strip()]
            names = [re.match(r"[a-z-]*", step).group() for step in steps]
            if script and not all(name in STEPS for name in names):
                steps, names = [script], ["text"]
            for name, step in zip(names, steps):
                rest = step[len(name) :].lstrip(":") if name != "text" else step
                (STEPS.get(name) or text)(self, rest)
            with server.lock:
                self.pipeline.complete()
                self.pipeline.close()
                server.flush()
        except Stopped:
            with server.lock:
                self.pipeline.begin_stop()
                self.pipeline.stop()
                self.pipeline.close()
                server.flush()
        except Failure as failure:
            with server.lock:
                error = types.ErrorRecord(
                    Exception=types.NETException(Message=str(failure)),
                    CategoryInfo=types.ErrorCategoryInfo(Category=types.ErrorCategory.OperationStopped),
                    FullyQualifiedErrorId="stand-in",
                )
                message = types.PipelineState(
                    PipelineState=types.PSInvocationState.Failed.value, ExceptionAsErrorRecord=error
                )
                self.pipeline.prepare_message(message, message_type=types.PSRPMessageType.PipelineState)
                server.flush()
        except Exception:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)


def receive_file(run):
    """Does what copy.ps1 of pypsrp does: the input is the content in Base64, and its SHA-1 at the end."""
    path = run.positional[0]
    digest, last = hashlib.sha1(), None
    descriptor, temporary = tempfile.mkstemp()
    with open(descriptor, "wb") as file:
        while (piece := run.wait(run.input)) is not END:
            if last is not None:
                digest.update(last)
                file.write(last)
            last = base64.b64decode(piece)
    if last is None or last.decode() != digest.hexdigest():
        os.unlink(temporary)
        raise Failure("Transport failure, hash mismatch")
    shutil.move(temporary, path)
    run.output(os.path.abspath(path))


def send_file(run):
    """Does what fetch.ps1 of pypsrp does: returns the content in Base64, and its SHA-1."""
    with open(run.positional[0], "rb") as file:
        content = file.read()
    run.output(base64.b64encode(content).decode("ascii"))
    run.output(hashlib.sha1(content).hexdigest())


def wire(value):
    return types.PSByteArray(value) if isinstance(value, bytearray) else value


def text(run, script):
    run.output(script)


def objs(run, rest):
    """objs:N returns N objects with three properties."""
    for number in range(int(rest)):
        value = types.PSCustomObject(Number=number, Name=f"name {number}", Even=number % 2 == 0)
        run.output(value)


def blob(run, rest):
    """blob:N:SIZE returns N strings of SIZE characters."""
    count, size = rest.split(":")
    for _ in range(int(count)):
        run.output("x" * int(size))


def streams(run, rest):
    """Writes one record to each stream."""
    run.output("output")
    run.write("write_error", types.NETException(Message="an error"), fully_qualified_error_id="stand-in")
    run.write("write_warning", "a warning")
    run.write("write_verbose", "some details")
    run.write("write_debug", "more details")
    run.write("write_information", "a fact", "stand-in")
    run.write("write_progress", "an activity", 1, "half", percent_complete=50)


def throw(run, rest):
    """throw:TEXT ends the pipeline with an error."""
    raise Failure(rest)


def readinput(run, rest):
    """Returns each input object."""
    while True:
        value = run.wait(run.input)
        if value is END:
            return
        run.output(value)


def countinput(run, rest):
    """Returns the number of input objects."""
    count = 0
    while run.wait(run.input) is not END:
        count += 1
    run.output(count)


def prompt(run, rest):
    """prompt:TEXT asks the client's host for a line and returns it."""
    run.write("host_call", types.HostMethodIdentifier.Write1, [rest or "? "])
    run.write("host_call", types.HostMethodIdentifier.ReadLine, [])
    run.output(run.wait(run.answers))


def say(run, rest):
    """say:TEXT writes a line with the client's host."""
    run.write("host_call", types.HostMethodIdentifier.WriteLine2, [rest])


def exit_code(run, rest):
    """exit:N asks the client's host to end, as `exit N` does."""
    run.write("host_call", types.HostMethodIdentifier.SetShouldExit, [int(rest or 0)])


def sleep(run, rest):
    """sleep:SECONDS waits; the client can stop it."""
    run.wait([], float(rest))


def nested(run, rest):
    """Returns whether the client has created the pipeline as a nested one."""
    run.output(run.is_nested)


def env(run, rest):
    """env:NAME returns a variable."""
    run.output(os.environ.get(rest))


def cwd(run, rest):
    run.output(os.getcwd())


def pid(run, rest):
    run.output(os.getpid())


def uid(run, rest):
    run.output(os.getuid())


def arguments(run, rest):
    run.output(" ".join(sys.argv[1:]))


def parameters(run, rest):
    """Returns the parameters of the command as text."""
    run.output(", ".join(f"{name}={value}" for name, value in run.parameters.items()))


def child(run, rest):
    """Starts a program in a session of its own, which outlives this process, and returns its ID."""
    process = subprocess.Popen(["sleep", "1000"], start_new_session=True, stdin=subprocess.DEVNULL)
    run.output(process.pid)


def die(run, rest):
    """die:CODE ends the process."""
    print("the process dies", file=sys.stderr)
    sys.stderr.flush()
    os._exit(int(rest or 1))


def junk(run, rest):
    """Writes lines that are no packets, as programs that inherit standard output do."""
    with run.server.lock:
        run.server.out.write(b"hello\n<html>\n\xff\xfe\n" + b"y" * 3_000_000 + b"\n")
        run.server.out.write(b"without a line feed")
        run.server.out.flush()


def garbage(run, rest):
    """Writes a packet that is malformed."""
    run.server.line("<Data Stream='Default' PSGuid='1'>****</Data>")
    run.wait([], 1000)


def flood(run, rest):
    """flood:N writes N megabytes of output as fast as it can."""
    for _ in range(int(rest) * 32):
        run.output("x" * 31_000)


def hang(run, rest):
    """Neither ends nor reacts to a stop."""
    while True:
        time.sleep(1000)


STEPS = {
    "objs": objs,
    "blob": blob,
    "streams": streams,
    "throw": throw,
    "readinput": readinput,
    "countinput": countinput,
    "prompt": prompt,
    "say": say,
    "exit": exit_code,
    "sleep": sleep,
    "env": env,
    "nested": nested,
    "cwd": cwd,
    "pid": pid,
    "uid": uid,
    "arguments": arguments,
    "parameters": parameters,
    "child": child,
    "die": die,
    "junk": junk,
    "garbage": garbage,
    "flood": flood,
    "hang": hang,
}


def main():
    mode = "normal"
    if sys.argv[1:2] == ["--mode"]:
        mode = sys.argv[2]
        del sys.argv[1:3]
    if "-s" not in sys.argv:
        raise SystemExit(f"unexpected arguments: {sys.argv[1:]}")
    server = Server()
    if mode == "dead":
        # Ends before it has read anything.
        print("cannot load the runtime", file=sys.stderr)
        raise SystemExit(3)
    server.is_restricted = mode == "restricted"
    if mode == "mute":
        # Reads and never acknowledges.
        for _ in sys.stdin.buffer:
            pass
        raise SystemExit(0)
    if mode == "stubborn":
        # Ignores the end of its input and SIGTERM, and never closes the pool.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        acknowledge = server.acknowledge
        server.acknowledge = lambda name, target: name == "Close" or acknowledge(name, target)
        try:
            server.serve()
        finally:
            time.sleep(1000)
    server.serve()


main()
