"""``python -m telarch.ansible`` prints the section of ``ansible.cfg`` that makes the plug-in known."""

from . import connection_plugins

print(f"[defaults]\nconnection_plugins = {connection_plugins()}")
