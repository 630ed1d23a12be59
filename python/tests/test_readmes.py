"""Examples from the README files of other clients, with changed imports and hosts."""

from __future__ import annotations

import os
import re
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from conftest import Service

SOURCES = os.environ.get("TELARCH_TEST_SOURCES", "")
IMPORTS = {
    "import winrm\n": "import telarch.compat.pywinrm as winrm\n",
    "from winrm.": "from telarch.compat.pywinrm.",
    "from pypsrp.": "from telarch.compat.pypsrp.",
}


def test_pywinrm_runs_a_process_on_a_remote_host(service: Service) -> None:
    names = run("pywinrm-0.5.0", "s.run_cmd('ipconfig'", hosts_of_pywinrm(service) | {"'ipconfig', ['/all']": "'uname', ['-s']"})
    assert (names["r"].status_code, names["r"].std_out, names["r"].std_err) == (0, b"Linux\n", b"")


def test_pywinrm_runs_a_script_of_powershell(service: Service) -> None:
    names = run("pywinrm-0.5.0", "s.run_ps(ps_script)", hosts_of_pywinrm(service))
    assert names["r"].status_code == 0
    assert names["r"].std_out.startswith(b"pwsh runs: $strComputer = $Host\n")
    assert names["r"].std_err == b""


def test_pywinrm_runs_a_process_with_its_low_level_api(service: Service) -> None:
    words = {
        "https://windows-host:5986/wsman": service.https,
        r"r'somedomain\someuser'": repr(service.user),
        "'secret'": repr(service.password),
        "'ipconfig', ['/all']": "'uname', ['-s']",
    }
    names = run("pywinrm-0.5.0", "from winrm.protocol import Protocol", words)
    assert (names["std_out"], names["std_err"], names["status_code"]) == (b"Linux\n", b"", 0)


def test_pypsrp_works_with_its_high_level_client(service: Service, tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("from here")
    words = hosts_of_pypsrp(service) | {
        '"dir"': '"uname"',
        '"powershell.exe gci $pwd"': '"pwd"',
        "~/file.txt": str(tmp_path / "file.txt"),
        r"C:\\temp\\file.txt": str(tmp_path / "there.txt"),
    }
    names = run("pypsrp-0.9.1", "from pypsrp.client import Client", words, {"path": "/x"})
    assert names["rc"] == 0 and names["sanitised_stderr"] == ""
    assert names["output"].startswith("New-Item -Path") and not names["had_errors"]
    assert (tmp_path / "there.txt").read_text() == "from here"


def test_pypsrp_executes_commands_in_a_shell(service: Service) -> None:
    words = {
        '"server", ssl=False': f'"127.0.0.1", port={service.http.rsplit(":", 1)[1].split("/")[0]}, ssl=False',
        'username="vagrant", password="vagrant"': f"username={service.user!r}, password={service.password!r}",
        '"dir"': '"uname"',
        '"powershell", ["gci", "$pwd"]': '"echo", ["a", "b"]',
    }
    names = run("pypsrp-0.9.1", "from pypsrp.shell import Process", words)
    assert (names["process"].stdout, names["process"].rc) == (b"a b\n", 0)


def test_pypsrp_runs_pipelines_in_a_runspace_pool(service: Service) -> None:
    login = f"username={service.user!r}, password={service.password!r}"
    here = f'"127.0.0.1", port={service.https_port}, {login}, auth="basic", cert_validation={service.pem!r})'
    names = run(
        "pypsrp-0.9.1",
        "from pypsrp.powershell import",
        {
            '"server", auth="kerberos", cert_validation=False))': here,
            # The stand-in for PowerShell returns scripts that it does not know.
            "ps.add_script(script)": 'ps.clear_commands(); ps.add_script("readinput")',
            "    ps.clear_streams()\n": "    seen = list(ps.output)\n    ps.clear_streams()\n",
        },
    )
    assert names["output"][:1] == ["Get-Process; Select-Object"]
    assert names["seen"][-2:] == ["string", 1]
    assert names["ps"].output == [] and names["ps"].commands == [] and not names["ps"].had_errors


def hosts_of_pywinrm(service: Service) -> dict[str, str]:
    login = f"auth=({service.user!r}, {service.password!r})"
    return {"'windows-host.example.com', auth=('john.smith', 'secret')": f"{service.http!r}, {login}"}


def hosts_of_pypsrp(service: Service) -> dict[str, str]:
    login = f"username={service.user!r}, password={service.password!r}"
    here = f'"127.0.0.1", port={service.https_port}, cert_validation={service.pem!r}, {login}'
    return {'"server", username="user", password="password"': here}


def run(distribution: str, marker: str, words: Mapping[str, str], names: dict[str, Any] | None = None) -> dict[str, Any]:
    """Runs the example that contains ``marker``, with changed imports and words; returns its variables."""
    if not SOURCES:
        pytest.skip("TELARCH_TEST_SOURCES is not set")
    with tarfile.open(Path(SOURCES) / f"{distribution}.tar.gz") as archive:
        readme = archive.extractfile(f"{distribution}/README.md")
        assert readme is not None
        blocks = re.findall(r"```python\n(.*?)```", readme.read().decode(), re.DOTALL)
    [example] = [block for block in blocks if marker in block]
    # The output of the interpreter is not part of the script.
    example = re.split(r"^>>>", example, maxsplit=1, flags=re.MULTILINE)[0]
    for old, new in words.items():
        assert old in example, old
        example = example.replace(old, new)
    for old, new in IMPORTS.items():
        example = example.replace(old, new)
    names = names or {}
    exec(compile(example, f"{distribution}/README.md", "exec"), names)
    assert "winrm" not in sys.modules and "pypsrp" not in sys.modules
    return names


def test_the_examples_of_the_readme_run(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = Path(os.environ["TELARCH_TEST_README"]).read_text()
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert len(blocks) >= 4
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.tar").write_bytes(b"octets")
    (tmp_path / "machines.txt").write_text(f"{service.https}\n")
    (tmp_path / "site.pem").write_text(Path(service.pem).read_text())
    for example in blocks:
        changed = example.replace('"https://node7:5986"', f'"{service.https}", ca="{service.pem}"')
        changed = changed.replace('"https://node7:5986/wsman"', f'"{service.https}"')
        changed = changed.replace('"ann"', repr(service.user)).replace('"a secret"', repr(service.password))
        changed = changed.replace("/srv/app.tar", str(tmp_path / "there.tar"))
        assert changed != example, example
        exec(compile(changed, "README.md", "exec"), {"__name__": "__main__"})
