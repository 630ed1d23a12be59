# mypy: ignore-errors
"""Ansible's connection over WS-Management to machines with a POSIX shell."""

from __future__ import annotations

DOCUMENTATION = r"""
name: telarch
short_description: Run tasks over WS-Management on machines with a POSIX shell
description:
  - Runs modules on Linux machines with the service of Telarch, over HTTP or HTTPS, without SSH.
  - The machine needs Python, like every machine that Ansible manages with its modules.
  - Windows machines are managed by the connections winrm and psrp of Ansible.
author: the Telarch developers
requirements:
  - the Python package telarch on the controller
options:
  remote_addr:
    description: Name or address of the machine.
    default: inventory_hostname
    vars:
      - name: inventory_hostname
      - name: ansible_host
      - name: ansible_telarch_host
  port:
    description: Port of the service.
    type: int
    vars:
      - name: ansible_port
      - name: ansible_telarch_port
  scheme:
    description: Protocol; HTTP is sealed by Negotiate or Kerberos.
    default: https
    choices: [https, http]
    vars:
      - name: ansible_telarch_scheme
  path:
    description: URL prefix of the listener, if it is not C(wsman).
    vars:
      - name: ansible_telarch_path
  remote_user:
    description: User on the machine. Without one, Kerberos uses the ticket of the controller's user.
    vars:
      - name: ansible_user
      - name: ansible_telarch_user
    keyword:
      - name: remote_user
  password:
    description: Password of the user.
    vars:
      - name: ansible_password
      - name: ansible_telarch_password
  auth:
    description: Authentication scheme.
    default: auto
    choices: [auto, none, basic, digest, negotiate, ntlm, kerberos, certificate, credssp]
    vars:
      - name: ansible_telarch_auth
  ca:
    description: PEM file with the certificate of the service or of its authority.
    vars:
      - name: ansible_telarch_ca
  certificate:
    description: PEM file with a client certificate and its key.
    vars:
      - name: ansible_telarch_certificate
  pin:
    description: Thumbprint of the certificate of the service, which is then accepted without an authority.
    vars:
      - name: ansible_telarch_pin
  trust_host:
    description: Over HTTP, accept a machine whose identity is not verified.
    type: bool
    default: false
    vars:
      - name: ansible_telarch_trust_host
  connect_timeout:
    description: Time limit for connecting, in seconds.
    type: float
    default: 30
    vars:
      - name: ansible_telarch_connect_timeout
"""

import telarch
from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.plugins.connection import ConnectionBase


class Connection(ConnectionBase):
    """A session with one shell, in which the commands of all tasks run."""

    transport = "telarch"
    has_pipelining = True
    module_implementation_preferences = ("",)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._session = None
        self._remote_shell = None

    def _connect(self):
        if self._connected:
            return self
        settings = {
            name: self.get_option(name) for name in ("ca", "certificate", "pin", "connect_timeout", "port", "path")
        }
        settings = {name: value for name, value in settings.items() if value is not None}
        if self.get_option("trust_host"):
            settings["trust_host"] = True
        address = self.get_option("remote_addr")
        if ":" in address and not address.startswith("["):
            address = f"[{address}]"
        try:
            self._session = telarch.Session(
                f"{self.get_option('scheme')}://{address}",
                username=self.get_option("remote_user"),
                password=self.get_option("password"),
                auth=self.get_option("auth"),
                **settings,
            )
            self._remote_shell = self._session.shell()
        except telarch.Error as error:
            raise AnsibleConnectionFailure(str(error)) from error
        self._connected = True
        return self

    def exec_command(self, cmd, in_data=None, sudoable=True):
        """Run a command; returns its exit code, output and error output."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        self._connect()
        try:
            with self._remote_shell.start(cmd) as command:
                if in_data:
                    command.write(in_data, end=True)
                stdout, stderr, code = command.wait()
        except telarch.Error as error:
            raise AnsibleConnectionFailure(str(error)) from error
        return code, stdout, stderr

    def put_file(self, in_path, out_path):
        """Copy a file of the controller to the machine."""
        super().put_file(in_path, out_path)
        self._connect()
        try:
            self._session.copy(in_path, out_path)
        except FileNotFoundError as error:
            raise AnsibleFileNotFound(str(error)) from error
        except telarch.Error as error:
            raise AnsibleError(str(error)) from error

    def fetch_file(self, in_path, out_path):
        """Copy a file of the machine to the controller."""
        super().fetch_file(in_path, out_path)
        self._connect()
        try:
            self._session.fetch(in_path, out_path)
        except telarch.Error as error:
            raise AnsibleError(str(error)) from error

    def reset(self):
        """Open a new shell with the next command."""
        self.close()

    def close(self):
        """Close the shell."""
        shell, self._remote_shell = self._remote_shell, None
        if shell is not None:
            try:
                shell.close()
            except telarch.Error:
                # The machine ends the shell of a connection that is gone.
                pass
        self._session = None
        self._connected = False
