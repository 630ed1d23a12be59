"""Evaluates a small part of PowerShell's language, for the stand-ins of `pwsh -s` and of `powershell -EncodedCommand`.

It knows `param`, variables, assignment, `if`, `while`, `foreach`, `try`, `throw`, `break`, `exit`, operators, strings
with variables, elements of arrays, calls of programs and script blocks, and those methods of .NET that TYPES contains.
Everything else is an error.
"""

import base64
import collections
import datetime
import hashlib
import os
import re
import subprocess
import sys

TOKEN = re.compile(
    r"""(?P<space>[ \t\r]+|\#[^\n]*)|(?P<end>[;\n])|(?P<number>\d+)|'(?P<single>(?:[^']|'')*)'|"(?P<double>[^"]*)"
    |\$(?P<variable>\w+)|(?P<type>\[(?:[A-Za-z][\w.]*)(?:\[\])?\])|(?P<operator>-(?:eq|ne|lt|le|gt|ge|and|or|not)\b)
    |(?P<static>::)|(?P<symbol>[{}()\[\]=,.+\-&])|(?P<word>[A-Za-z][\w-]*)""",
    re.VERBOSE,
)
KEYWORDS = ("if", "else", "while", "foreach", "in", "try", "catch", "finally", "throw", "break", "exit", "param")


class Failure(Exception):
    """A terminating error of the script."""


class Break(Exception):
    pass


class Exit(Exception):
    """The script ends the process."""


class ScriptBlock:
    def __init__(self, text):
        self.text = text


class Queue(collections.deque):
    """System.Collections.Queue."""

    Enqueue = collections.deque.append
    Dequeue = collections.deque.popleft
    Count = property(len)


def read_line():
    line = sys.stdin.buffer.readline()
    return line.decode("ascii").rstrip("\r\n") if line else None


def write_line(stream):
    def write(text):
        stream.buffer.write(str(text).encode() + b"\r\n")
        stream.buffer.flush()

    return write


def from_base64(text):
    try:
        return bytearray(base64.b64decode(text, validate=True))
    except ValueError as error:
        raise Failure(f'Exception calling "FromBase64String" with "1" argument(s): "{error}"') from error


def to_base64(data, start=0, count=None):
    return base64.b64encode(bytes(data)[start : None if count is None else start + count]).decode()


class Namespace:
    def __init__(self, **members):
        self.__dict__.update(members)


class Stream:
    """System.IO.FileStream."""

    def __init__(self, path, how, access="ReadWrite", share="Read"):
        flags = {
            "Open": 0, "OpenOrCreate": os.O_CREAT, "CreateNew": os.O_CREAT | os.O_EXCL, "Create": os.O_CREAT | os.O_TRUNC,
        }[how]
        flags |= {"Read": os.O_RDONLY, "Write": os.O_WRONLY, "ReadWrite": os.O_RDWR}[access]
        self.descriptor = os.open(path, flags, 0o666)

    Length = property(lambda self: os.fstat(self.descriptor).st_size)

    def SetLength(self, length):
        os.ftruncate(self.descriptor, length)

    def Seek(self, offset, origin):
        return os.lseek(self.descriptor, offset, {"Begin": os.SEEK_SET, "End": os.SEEK_END}[origin])

    def Read(self, buffer, start, count):
        data = os.read(self.descriptor, min(count, len(buffer) - start))
        buffer[start : start + len(data)] = data
        return len(data)

    def Write(self, buffer, start, count):
        view = memoryview(bytes(buffer))[start : start + count]
        while view:
            view = view[os.write(self.descriptor, view) :]

    def Dispose(self):
        os.close(self.descriptor)


class Sha256:
    def __init__(self):
        self.hash = hashlib.sha256()

    def ComputeHash(self, stream):
        buffer = bytearray(1 << 16)
        while count := stream.Read(buffer, 0, len(buffer)):
            self.hash.update(buffer[:count])
        return self.Hash

    def TransformBlock(self, buffer, start, count, target, at):
        self.hash.update(buffer[start : start + count])
        return count

    def TransformFinalBlock(self, buffer, start, count):
        self.hash.update(buffer[start : start + count])
        return buffer[start : start + count]

    Hash = property(lambda self: bytearray(self.hash.digest()))


EPOCH = datetime.datetime(1970, 1, 1)


class Attributes:
    """System.IO.FileAttributes of a file, of the link itself for a symbolic link."""

    def __init__(self, path):
        self.value = (os.path.isdir(path) and 16) | (os.path.islink(path) and 1024)
        os.lstat(path)

    def HasFlag(self, flag):
        return bool(self.value & flag)


def copy_array(source, target, count):
    target[:count] = source[:count]


TYPES = {
    "Activator": Namespace(CreateInstance=lambda kind: {"[Collections.Queue]": Queue}[kind]()),
    "Console": Namespace(
        In=Namespace(ReadLine=read_line),
        Out=Namespace(WriteLine=write_line(sys.stdout)),
        Error=Namespace(WriteLine=write_line(sys.stderr)),
    ),
    "Convert": Namespace(FromBase64String=from_base64, ToBase64String=to_base64),
    "ScriptBlock": Namespace(Create=ScriptBlock),
    "Text.Encoding": Namespace(
        UTF8=Namespace(
            GetString=lambda data: bytes(data).decode(errors="surrogateescape"),
            GetBytes=lambda text: text.encode(errors="surrogateescape"),
        )
    ),
    "IO.File": Namespace(
        Exists=lambda path: os.path.exists(path) and not os.path.isdir(path),
        Delete=lambda path: os.unlink(path) if os.path.lexists(path) else None,
        Open=Stream,
        OpenRead=lambda path: Stream(path, "Open", "Read"),
        Move=lambda source, target: os.link(source, target) or os.unlink(source),
        Replace=lambda source, target, backup: os.rename(source, target),
        SetLastWriteTimeUtc=lambda path, time: os.utime(path, ((time - EPOCH).total_seconds(),) * 2),
        GetAttributes=Attributes,
        GetLastWriteTimeUtc=lambda path: EPOCH + datetime.timedelta(seconds=os.stat(path).st_mtime),
    ),
    "IO.Directory": Namespace(
        Exists=os.path.isdir,
        CreateDirectory=os.makedirs,
        GetFileSystemEntries=lambda path: [os.path.join(path, name) for name in os.listdir(path)],
    ),
    "IO.FileAttributes": Namespace(Directory=16, ReparsePoint=1024),
    "IO.Path": Namespace(
        Combine=os.path.join,
        GetDirectoryName=os.path.dirname,
        GetFileName=os.path.basename,
        GetFullPath=os.path.abspath,
        IsPathRooted=os.path.isabs,
        DirectorySeparatorChar="/",
    ),
    "Math": Namespace(Min=min, Floor=lambda number: float(number // 1)),
    "Array": Namespace(Copy=copy_array, CreateInstance=lambda kind, length: {"[byte]": bytearray}[kind](length)),
    "BitConverter": Namespace(ToString=lambda data: data.hex("-").upper()),
    "NullString": Namespace(Value=None),
    "Security.Cryptography.SHA256": Namespace(Create=Sha256),
}
CASTS = {"long": int, "string": str, "DateTime": datetime.datetime.fromisoformat}
MEMBERS = {
    (str, "Replace"): lambda text: text.replace,
    (str, "Split"): lambda text: text.split,
    (str, "ToLowerInvariant"): lambda text: text.lower,
    (str, "ToString"): lambda text: lambda: text,
    (str, "Length"): len,
    (bytes, "Length"): len,
    (bytearray, "Length"): len,
    (datetime.datetime, "AddSeconds"): lambda time: lambda seconds: time + datetime.timedelta(seconds=seconds),
    (datetime.timedelta, "TotalSeconds"): lambda span: span.total_seconds(),
}


def is_true(value):
    return bool(value) and value != 0


def compare(operator, left, right):
    if isinstance(left, str):
        left, right = left.lower(), str(right).lower()
    return {
        "-eq": lambda: left == right, "-ne": lambda: left != right, "-lt": lambda: left < right,
        "-le": lambda: left <= right, "-gt": lambda: left > right, "-ge": lambda: left >= right,
    }[operator]()


class Script:
    """Parser that evaluates while it reads; blocks that do not run are skipped by their brackets."""

    def __init__(self, text):
        self.tokens, at = [], 0
        while at < len(text):
            match = TOKEN.match(text, at)
            if not match:
                raise Failure(f"unexpected text: {text[at : at + 20]!r}")
            if match.lastgroup != "space":
                self.tokens.append((match.lastgroup, match.group(match.lastgroup), match.end(), match.start()))
            at = match.end()
        self.at = 0

    def peek(self, offset=0):
        at = self.at + offset
        return self.tokens[at][:2] if at < len(self.tokens) else ("eof", "")

    def accept(self, text, kinds=("symbol", "word", "operator", "static")):
        kind, value = self.peek()
        if kind in kinds and value.lower() == text:
            self.at += 1
            return True
        return False

    def expect(self, text):
        if not self.accept(text):
            raise Failure(f"expected {text}, found {self.peek()[1]!r}")

    def skip_ends(self):
        while self.peek()[0] == "end":
            self.at += 1

    def skip_block(self):
        self.skip_ends()
        self.expect("{")
        depth = 1
        while depth:
            kind, value = self.peek()
            if kind == "eof":
                raise Failure("unclosed block")
            depth += (kind == "symbol") * ((value == "{") - (value == "}"))
            self.at += 1

    def run(self, parameters, inputs, output):
        self.output, self.inputs = output, inputs
        self.variables = {"null": None, "true": True, "false": False, "home": os.path.expanduser("~"), "input": inputs}
        self.variables["executioncontext"] = Namespace(SessionState=Namespace(LanguageMode="FullLanguage"))
        self.skip_ends()
        if self.accept("param"):
            self.expect("(")
            given = {name.lower(): value for name, value in parameters.items()}
            while not self.accept(")"):
                kind, name = self.peek()
                self.at += 1
                if kind == "variable":
                    self.variables[name.lower()] = given.get(name.lower())
        self.statements("eof")

    def statements(self, end):
        self.skip_ends()
        while not (self.peek()[0] == "eof" if end == "eof" else self.accept(end)):
            self.statement()
            self.skip_ends()

    def block(self):
        self.skip_ends()
        self.expect("{")
        self.statements("}")

    def condition(self):
        self.expect("(")
        value = is_true(self.expression())
        self.expect(")")
        return value

    def statement(self):
        kind, value = self.peek()
        word = value.lower() if kind == "word" else ""
        if word == "if":
            self.at += 1
            is_done = self.condition()
            (self.block if is_done else self.skip_block)()
            if self.accept("else"):
                (self.skip_block if is_done else self.block)()
        elif word == "while":
            start = self.at + 1
            while True:
                self.at = start
                if not self.condition():
                    return self.skip_block()
                body = self.at
                try:
                    self.block()
                except Break:
                    self.at = body
                    return self.skip_block()
        elif word == "foreach":
            self.at += 1
            self.expect("(")
            name = self.peek()[1].lower()
            self.at += 1
            self.expect("in")
            items = self.expression()
            self.expect(")")
            body = self.at
            for item in items:
                self.at, self.variables[name] = body, item
                self.block()
            self.at = body
            self.skip_block()
        elif word == "try":
            self.at += 1
            self.attempt()
        elif word == "break":
            self.at += 1
            raise Break
        elif word == "exit":
            self.at += 1
            raise Exit(self.expression())
        elif word == "throw":
            self.at += 1
            raise Failure(str(self.expression()))
        elif kind == "variable" and self.peek(1) == ("symbol", "="):
            self.at += 2
            result = self.pipeline()
            if value.lower() != "null":
                self.variables[value.lower()] = result
        else:
            result = self.pipeline()
            if result is not None:
                self.output(result)

    def attempt(self):
        """Runs the blocks of `try`, after that word."""
        body = self.at
        self.skip_block()
        is_caught = self.accept("catch")
        if not is_caught:
            self.expect("finally")
        other, self.at = self.at, body
        if not is_caught:
            try:
                self.block()
            finally:
                self.at = other
                self.block()
            return
        try:
            self.block()
        except Failure as failure:
            self.at = other
            self.variables["_"] = Namespace(Exception=Namespace(Message=str(failure)))
            self.block()
        else:
            self.at = other
            self.skip_block()

    def pipeline(self):
        if self.accept(","):
            return self.expression()
        if self.accept("&"):
            return self.call_block() if self.peek() == ("symbol", "(") else self.program()
        return self.expression()

    def call_block(self):
        block = self.primary()
        if not isinstance(block, ScriptBlock):
            raise Failure("only script blocks are called")
        Script(block.text).run({}, self.inputs, self.output)

    def program(self):
        words = []
        while self.peek()[0] not in ("end", "eof") and self.peek() != ("symbol", "}"):
            kind, value = self.peek()
            if kind in ("single", "double", "variable", "number"):
                words.append(str(self.primary()))
                continue
            # A bare word ends at a blank.
            text, end = value, self.tokens[self.at][2]
            self.at += 1
            while self.at < len(self.tokens) and self.tokens[self.at][3] == end and self.peek()[0] != "end":
                text, end = text + self.peek()[1], self.tokens[self.at][2]
                self.at += 1
            words.append(text)
        ended = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.variables["lastexitcode"] = ended.returncode
        return ended.stdout.rstrip("\n") or None

    def expression(self):
        value = self.comparison()
        while self.peek()[1].lower() in ("-and", "-or"):
            operator = self.peek()[1].lower()
            self.at += 1
            right = self.comparison()
            value = is_true(value) and is_true(right) if operator == "-and" else is_true(value) or is_true(right)
        return value

    def comparison(self):
        value = self.sum()
        while self.peek()[0] == "operator" and self.peek()[1].lower() not in ("-and", "-or", "-not"):
            operator = self.peek()[1].lower()
            self.at += 1
            value = compare(operator, value, self.sum())
        return value

    def sum(self):
        value = self.unary()
        while self.peek() in (("symbol", "+"), ("symbol", "-")):
            sign = self.peek()[1]
            self.at += 1
            right = self.unary()
            value = value + right if sign == "+" else value - right
        return value

    def unary(self):
        if self.accept("-not"):
            return not is_true(self.unary())
        if self.accept("-"):
            return -self.unary()
        kind, value = self.peek()
        if kind == "type" and self.peek(1)[0] != "static":
            self.at += 1
            if self.peek() in (("symbol", ","), ("symbol", ")")):
                return value
            return CASTS[value[1:-1]](self.unary())
        return self.primary()

    def arguments(self):
        values = []
        while not self.accept(")"):
            values.append(self.expression())
            self.accept(",")
        return values

    def primary(self):
        kind, value = self.peek()
        self.at += 1
        if kind == "number":
            result = int(value)
        elif kind == "single":
            result = value.replace("''", "'")
        elif kind == "double":
            result = re.sub(r"\$(\w+)", lambda match: str(self.variables.get(match[1].lower(), "")), value)
        elif kind == "variable":
            result = self.variables.get(value.lower())
        elif kind == "type":
            self.expect("::")
            result = self.member(TYPES[value[1:-1]])
        elif (kind, value) == ("symbol", "("):
            result = self.expression()
            self.expect(")")
        else:
            raise Failure(f"The term '{value}' is not recognized as a name of a cmdlet.")
        while self.peek() in (("symbol", "."), ("symbol", "[")):
            if self.accept("."):
                result = self.member(result)
                continue
            self.expect("[")
            result = result[self.expression()]
            self.expect("]")
        return result

    def member(self, owner):
        name = self.peek()[1]
        self.at += 1
        found = MEMBERS.get((type(owner), name))
        value = found(owner) if found else getattr(owner, name)
        if not self.accept("("):
            return value
        try:
            return value(*self.arguments())
        except OSError as error:
            raise Failure(f'Exception calling "{name}": "{error.strerror}: {error.filename}"') from error


def plain(value):
    """Returns a value without psrpcore's classes."""
    for kind in (bool, int, str, bytes):
        if isinstance(value, kind):
            return kind(value)
    return value


def evaluate(script, parameters, inputs, output):
    """Runs a script; `output` receives each object."""
    Script(script).run(parameters, inputs, output)
