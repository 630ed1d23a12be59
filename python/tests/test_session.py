"""Tests of synchronous sessions."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

import telarch
from conftest import Service, together, until_released, wait_until_gone


def test_every_authentication_scheme_works(service: Service) -> None:
    for settings in (
        {"auth": "basic", "ca": service.pem},
        {"auth": "negotiate", "verify": False},
        {"auth": "ntlm", "ca": service.pem},
        {"ca": service.pem},
    ):
        session = telarch.Session(service.https, **service.login, **settings)  # type: ignore[arg-type]
        answer = session.identify()
        assert answer.name == "IdentifyResponse"
        assert str(answer["ProductVendor"]), settings
    assert telarch.Session(service.http, trust_host=True, **service.login).identify()
    assert telarch.Session(service.http, auth="none").identify()["ProductVersion"] == "OS: 0.0.0 SP: 0.0 Stack: 3.0"


def test_a_resource_is_a_mapping_of_its_content(session: telarch.Session) -> None:
    config = session.get("winrm/config")
    assert isinstance(config, Mapping)
    assert list(config)[:2] == ["MaxEnvelopeSizekb", "MaxTimeoutms"]
    assert config["MaxTimeoutms"] == "60000" == config.get("MaxTimeoutms")
    service = config["Service"]
    assert isinstance(service, telarch.Resource)
    assert service["Auth"]["Basic"] == "true" == config.value("Service/Auth/Basic")  # type: ignore[index,call-overload]
    assert config.to_dict()["Service"]["Auth"]["Basic"] == "true"  # type: ignore[index]
    assert str(config).startswith("Config\n    MaxEnvelopeSizekb = ")
    assert config == telarch.Resource(config.xml)
    with pytest.raises(KeyError):
        config["Nothing"]
    assert config.get("Nothing", 7) == 7 and "Nothing" not in config


def test_repeated_names_are_lists_and_nil_is_none() -> None:
    resource = telarch.Resource(
        "<A xmlns:i='http://www.w3.org/2001/XMLSchema-instance' x='1'><B>1</B><B>2</B><C i:nil='true'/><D/></A>"
    )
    assert dict(resource.items()) == {"B": ["1", "2"], "C": None, "D": ""}
    assert resource.attributes == {"x": "1"}


def test_listeners_are_created_read_changed_and_deleted(session: telarch.Session) -> None:
    place = telarch.Locator("winrm/config/listener", {"Address": "IP:127.0.0.7", "Transport": "HTTP"})
    created = session.create(place, {"Port": 5999, "Enabled": False})
    try:
        assert created.reference is not None
        listener = session.get(created.reference)
        assert listener["Enabled"] == "false"
        assert session.get(created) == listener
        changed = session.put(place, listener.xml.replace(">wsman<", ">other<"))
        assert changed is not None and changed["URLPrefix"] == "other"
        found = [item for item in session.enumerate("winrm/config/listener") if item["URLPrefix"] == "other"]
        assert len(found) == 1
    finally:
        session.delete(place)
    with pytest.raises(telarch.Fault):
        session.get(place)


def test_references_are_enumerated_and_followed(session: telarch.Session) -> None:
    session.batch_items = 1
    references = list(session.enumerate("winrm/config/listener", flags=telarch.EnumerationFlag.RETURN_EPR))
    assert len(references) == 2
    for reference in references:
        assert reference.reference is not None
        assert session.get(reference)["Address"] == reference.reference.selectors["Address"]


def test_a_command_returns_both_streams_and_its_exit_code(session: telarch.Session) -> None:
    finished = session.run("echo out; echo err >&2; exit 3")
    assert (finished.stdout, finished.stderr, finished.exit_code) == (b"out\n", b"err\n", 3)
    with pytest.raises(telarch.CommandError) as error:
        finished.check()
    assert error.value.finished.exit_code == 3 and "err" in str(error.value)
    environment = {"GREETING": "ünïcode $HOME"}
    assert session.run('echo "$GREETING"', environment=environment).check().text == "ünïcode $HOME\n"
    assert session.run("pwd", directory="/usr").text == "/usr\n"


def test_a_command_receives_input(session: telarch.Session) -> None:
    with session.shell() as shell, shell.start("cat; echo end >&2") as command:
        command.write("first\n")
        assert next(command) == ("stdout", b"first\n")
        command.write(b"second", end=True)
        assert command.wait() == (b"second", b"end\n", 0)


def test_signals_reach_a_command(session: telarch.Session) -> None:
    with session.shell() as shell, shell.start("trap 'echo caught; exit 7' INT; echo ready; while :; do sleep 0.05; done") as command:
        assert next(command) == ("stdout", b"ready\n")
        command.signal("ctrl_c")
        stdout, _, exit_code = command.wait()
        assert (stdout, exit_code) == (b"caught\n", 7)


def test_files_are_copied_unchanged_in_both_directions(session: telarch.Session, tmp_path: Path) -> None:
    for name, octets in (("empty", b""), ("it's a $name", os.urandom(700_001)), ("ünïcode", b"\r\n\0\xff" * 9)):
        local, remote, back = tmp_path / name, tmp_path / f"{name}.there", tmp_path / f"{name}.back"
        local.write_bytes(octets)
        assert session.copy(local, str(remote)) == str(remote.resolve())
        assert remote.read_bytes() == octets
        session.fetch(str(remote), back)
        assert back.read_bytes() == octets
    assert not [left.name for left in tmp_path.iterdir() if "part" in left.name]


def test_failed_copies_report_the_reason_and_leave_no_file(session: telarch.Session, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(telarch.CopyError, match="No such file"):
        session.copy(tmp_path / "missing", str(tmp_path / "x"))
    (tmp_path / "here").write_bytes(b"x" * 300_000)
    with pytest.raises(telarch.CopyError, match="is a directory"):
        session.copy(tmp_path / "here", str(tmp_path / "folder"))
    with pytest.raises(telarch.CopyError):
        session.copy(tmp_path / "here", str(tmp_path / "no" / "such" / "folder"))
    (tmp_path / "kept").write_bytes(b"old")
    with pytest.raises(telarch.CopyError):
        session.fetch(str(tmp_path / "missing"), tmp_path / "kept")
    assert (tmp_path / "kept").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "here", "kept"]


def test_missing_powershell_is_reported(session: telarch.Session) -> None:
    # The replacement is in the PATH of the service.
    assert session.run_ps("'hello'").text == "pwsh runs: 'hello'\n"
    failed = session.run_ps("Write-Error x")
    assert (failed.stderr, failed.exit_code) == (b"no such thing\nAt line:1", 1)
    with pytest.raises(telarch.ArgumentError, match="no PowerShell on .*: pwsh was not found"):
        session.run_ps("1", environment={"PATH": "/nonexistent"})


def test_errors_have_classes_and_details(service: Service, session: telarch.Session) -> None:
    with pytest.raises(telarch.Fault) as fault:
        session.get("winrm/nothing/like/it")
    error = fault.value
    assert isinstance(error, telarch.Error)
    assert error.code is not None and error.code > 2**31
    assert error.hresult is not None and error.hresult < 0 and error.symbol is not None
    assert error.subcode and error.fix and error.xml and f'Code="{error.code}"' in error.xml
    assert error.symbol in str(error)

    wrong = telarch.Session(service.https, ca=service.pem, auth="basic", username=service.user, password="not-the-password")
    with pytest.raises(telarch.AuthenticationError) as refused:
        wrong.identify()
    assert refused.value.tried == "Basic" and "Negotiate" in refused.value.offered
    assert "not-the-password" not in str(refused.value)

    with pytest.raises(ConnectionError) as nobody:
        telarch.Session("http://127.0.0.1:9", auth="none").identify()
    assert nobody.value.symbol == "ERROR_WSMAN_DESTINATION_UNREACHABLE"  # type: ignore[attr-defined]
    with pytest.raises(telarch.ConnectError, match="certificate"):
        telarch.Session(service.https, auth="basic", **service.login).identify()
    with pytest.raises(telarch.AccessDenied):
        telarch.Session(service.http.replace("127.0.0.1", "localhost"), auth="basic", **service.login).get("winrm/config")
    with pytest.raises(telarch.TimeoutError) as late:
        telarch.Session(service.https, ca=service.pem, timeout=0.2, **service.login).run("sleep 30")
    assert isinstance(late.value, TimeoutError)
    for wrong_argument in (
        lambda: telarch.Session("node7", auth="basic"),
        lambda: telarch.Session("node7", auth="nonsense"),  # type: ignore[arg-type]
        lambda: telarch.Session("ftp://node7"),
        lambda: telarch.Locator("winrn/config"),
        lambda: session.get("shell?x"),
        lambda: telarch.Session("", port=5985),
        lambda: telarch.Session("node7", proxy="socks5://proxy"),
        lambda: telarch.Session("node7", proxy_username="ann"),
        lambda: telarch.Session("node7", proxy_access=3),
    ):
        with pytest.raises(ValueError):
            wrong_argument()
    with pytest.raises(TypeError):
        telarch.Session("node7", nonsense=1)  # type: ignore[call-arg]


def test_other_threads_run_while_one_waits(session: telarch.Session, tmp_path: Path) -> None:
    # The command ends only if this thread runs during the call.
    thread = threading.Thread(target=lambda: session.run(until_released(tmp_path)))
    thread.start()
    while not (tmp_path / "begun").exists():
        time.sleep(0.001)
    (tmp_path / "release").touch()
    thread.join()


def test_threads_share_a_session(session: telarch.Session, tmp_path: Path) -> None:
    seen: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: seen.append(session.run(together(tmp_path, n, 8)).text)) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [f"{n}\n" for n in range(8)]


def test_ctrl_c_interrupts_a_call_and_ends_the_command(session: telarch.Session, tmp_path: Path) -> None:
    mark = tmp_path / "alive"
    interrupting = threading.Thread(target=_interrupt_once_it_runs, args=(mark,))
    interrupting.start()
    with pytest.raises(KeyboardInterrupt):
        session.run(f"echo $$ > {mark}.new; mv {mark}.new {mark}; exec sleep 60")
    interrupting.join()
    wait_until_gone(int(mark.read_text()))
    assert session.run("echo on").text == "on\n"


def _timer(name: str, milliseconds: int) -> str:
    return (
        '<p:__IntervalTimerInstruction xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/'
        f'__IntervalTimerInstruction"><p:TimerId>{name}</p:TimerId><p:IntervalBetweenEvents>{milliseconds}'
        "</p:IntervalBetweenEvents></p:__IntervalTimerInstruction>"
    )


def test_events_arrive_in_order_and_end_with_the_statement(session: telarch.Session) -> None:
    timer = "wmicimv2/__IntervalTimerInstruction"
    session.create(timer, _timer("python", 200))
    with session.subscribe("SELECT * FROM __TimerEvent WHERE TimerId = 'python'") as events:
        for _ in range(2):
            assert next(events)["TimerId"] == "python"
        # A pending wait ends, too.
        session.delete(f"{timer}?TimerId=python")
        with pytest.raises(TimeoutError):
            while True:
                events.wait(timeout=1)
        waiting = threading.Thread(target=lambda: list(events))
        waiting.start()
    waiting.join(60)
    assert not waiting.is_alive() and events.wait() is None and events.dropped == 0
    with pytest.raises(telarch.Fault):
        session.subscribe("SELECT * FROM Win32_Process")


def _interrupt_once_it_runs(mark: Path) -> None:
    while not mark.exists():
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)


def test_a_child_of_fork_creates_its_own_sessions(service: Service, session: telarch.Session) -> None:
    assert session.run("echo before").exit_code == 0
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=_in_child, args=(service, session, answers))
    child.start()
    assert answers.get(timeout=60) == ["made before fork", "after\n"]
    child.join(timeout=60)
    assert child.exitcode == 0
    assert session.run("echo still").text == "still\n"


def test_dropping_a_session_in_a_child_does_not_affect_the_parent(session: telarch.Session) -> None:
    assert session.run("echo before").exit_code == 0
    process = os.fork()
    if process == 0:
        del session
        # Unlike exit(), this does not run the exit handlers of the parent.
        os._exit(0)
    assert os.waitpid(process, 0)[1] == 0
    assert session.run("sleep 0.2; echo after").text == "after\n"


def test_unreferenced_shells_are_closed_at_interpreter_exit(
    service: Service, session: telarch.Session
) -> None:
    script = (
        "import sys, telarch\n"
        "url, pem, user, password = sys.argv[1:]\n"
        "shell = telarch.Session(url, ca=pem, username=user, password=password).shell()\n"
        "print(shell.id)\n"
    )
    login = [service.https, service.pem, service.user, service.password]
    ended = subprocess.run([sys.executable, "-c", script, *login], capture_output=True, text=True, check=True)
    deadline = time.monotonic() + 60
    while any(item["ShellId"] == ended.stdout.strip() for item in session.enumerate("shell")):
        assert time.monotonic() < deadline, "the shell is still there"
        time.sleep(0.02)


def _in_child(service: Service, session: telarch.Session, answers: multiprocessing.Queue[list[str]]) -> None:
    try:
        session.identify()
        first = "nothing was raised"
    except RuntimeError as error:
        first = "made before fork" if "fork" in str(error) else str(error)
    own = telarch.Session(service.https, ca=service.pem, **service.login)
    answers.put([first, own.run("echo after").text])


def test_a_configured_proxy_is_used(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"ca": service.pem, **service.login}
    with pytest.raises(telarch.ConnectError, match="proxy"):
        telarch.Session(service.https, proxy="http://127.0.0.1:9", **settings).identify()  # type: ignore[arg-type]
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    assert telarch.Session(service.https, **settings).identify()  # type: ignore[arg-type]
    looking = telarch.Session(service.https, proxy_access=telarch.ProxyAccess.AUTO_DETECT, **settings)  # type: ignore[arg-type]
    with pytest.raises(telarch.ConnectError, match="proxy"):
        looking.identify()
    monkeypatch.setenv("no_proxy", "127.0.0.0/8")
    looking = telarch.Session(service.https, proxy_access=telarch.ProxyAccess.AUTO_DETECT, **settings)  # type: ignore[arg-type]
    assert looking.identify()


def test_nothing_shows_the_password(service: Service, session: telarch.Session) -> None:
    assert service.password not in repr(session)


def test_messages_are_sent_unchanged(session: telarch.Session) -> None:
    status, body = session.post(
        "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' "
        "xmlns:i='http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd'>"
        "<s:Header/><s:Body><i:Identify/></s:Body></s:Envelope>"
    )
    assert status == 200 and b"IdentifyResponse" in body
    status, body = session.post("<nonsense/>")
    assert status == 500 and b"Fault" in body


def test_error_numbers_have_texts() -> None:
    assert telarch.error_message(5) == "access denied"
    assert telarch.error_message(-2144108526) == telarch.error_message(2150858770) == "cannot connect"


def test_the_wheel_supports_all_python_versions() -> None:
    from telarch import _telarch

    assert _telarch.__file__ is not None and _telarch.__file__.endswith(".abi3.so")
