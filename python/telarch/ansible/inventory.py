"""``telarch-inventory``: the hosts that ``winrm hosts save`` has saved, as a dynamic inventory of Ansible."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_USAGE = """\
usage: telarch-inventory --list | --host NAME

Prints the saved hosts of winrm as an inventory of Ansible, for example:
  ansible-playbook -i "$(command -v telarch-inventory)" play.yml

TELARCH_HOSTS names another file of saved hosts.
"""

_KEYS = ("Address", "Transport", "Port", "Authentication", "UserName")


class InventoryError(Exception):
    """The saved hosts cannot be read."""


def main() -> int:
    """Run the program; return its exit status."""
    arguments = sys.argv[1:]
    try:
        if arguments == ["--list"]:
            result = inventory(saved_hosts())
        elif len(arguments) == 2 and arguments[0] == "--host":
            hosts = saved_hosts()
            result = _variables(arguments[1], hosts[arguments[1]]) if arguments[1] in hosts else {}
        else:
            sys.stderr.write(_USAGE)
            return 0 if arguments in (["-h"], ["--help"]) else 2
    except InventoryError as error:
        sys.stderr.write(f"telarch-inventory: {error}\n")
        return 1
    print(json.dumps(result, indent=2))
    return 0


def inventory(hosts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the inventory: the group ``telarch`` with every host, and the variables of the hosts."""
    variables = {name: _variables(name, host) for name, host in hosts.items()}
    return {"telarch": {"hosts": list(hosts)}, "_meta": {"hostvars": variables}}


def saved_hosts() -> dict[str, dict[str, Any]]:
    """Read the file of saved hosts. A missing file has no hosts."""
    path = _hosts_file()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise InventoryError(f"cannot read {path}: {error}") from error
    try:
        import tomllib
    except ImportError as error:
        raise InventoryError("reading saved hosts requires Python 3.11 or newer") from error
    try:
        hosts = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InventoryError(f"{path}: {error}") from error
    for name, host in hosts.items():
        if not isinstance(host, dict):
            raise InventoryError(f"{path}: [{name}]: must be a table")
        unknown = [key for key in host if key not in _KEYS]
        if unknown:
            raise InventoryError(f"{path}: [{name}]: unknown key {unknown[0]}; valid keys: {', '.join(_KEYS)}")
        if not isinstance(host.get("Address"), str):
            raise InventoryError(f"{path}: [{name}]: Address is missing or no string")
    return hosts


def _hosts_file() -> Path:
    explicit = os.environ.get("TELARCH_HOSTS")
    if explicit:
        return Path(explicit)
    folder = os.environ.get("XDG_CONFIG_HOME")
    if folder and Path(folder).is_absolute():
        return Path(folder) / "telarch" / "hosts.toml"
    return Path.home() / ".config" / "telarch" / "hosts.toml"


def _variables(name: str, host: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables of a host. As for ``winrm``, the default is HTTP."""
    address = host["Address"]
    try:
        url = urlsplit(address if "://" in address else f"//{address}")
        explicit = url.port
    except ValueError as error:
        raise InventoryError(f"[{name}]: Address {address!r} is invalid: {error}") from error
    variables = {
        "ansible_connection": "telarch",
        "ansible_host": url.hostname or address,
        "ansible_telarch_scheme": (url.scheme or host.get("Transport", "http")).lower(),
    }
    port = explicit or host.get("Port")
    if port is not None:
        variables["ansible_port"] = port
    path = url.path.strip("/")
    if path:
        variables["ansible_telarch_path"] = path
    if "Authentication" in host:
        variables["ansible_telarch_auth"] = host["Authentication"].lower()
    if "UserName" in host:
        variables["ansible_user"] = host["UserName"]
    return variables


if __name__ == "__main__":
    raise SystemExit(main())
