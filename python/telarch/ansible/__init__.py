"""The connection plug-in of Ansible."""

from __future__ import annotations

from pathlib import Path


def connection_plugins() -> str:
    """Return the directory of the connection plug-in, for ``connection_plugins`` in ``ansible.cfg``."""
    return str(Path(__file__).parent / "connection")
