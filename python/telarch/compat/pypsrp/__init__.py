"""API of pypsrp: ``from telarch.compat.pypsrp.client import Client``.

What it does with WinRS runs over telarch. PowerShell remoting (PSRP) is not spoken: ``execute_ps``, ``copy`` and ``fetch``
go through a shell, and ``RunspacePool`` and ``PowerShell`` say that they are not there.
"""
