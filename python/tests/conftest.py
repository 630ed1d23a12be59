"""Address of the service under test, which `tests/peers` starts."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import telarch


@dataclass(frozen=True)
class Service:
    """A local service that also allows Basic in plain text."""

    http: str
    https: str
    pem: str
    user: str
    password: str

    @property
    def https_port(self) -> int:
        return int(self.https.rsplit(":", 1)[1].split("/")[0])

    @property
    def login(self) -> dict[str, str]:
        return {"username": self.user, "password": self.password}


@pytest.fixture(scope="session")
def service() -> Service:
    names = ("HTTP", "HTTPS", "PEM", "USER", "PASSWORD")
    try:
        return Service(*(os.environ[f"TELARCH_TEST_{name}"] for name in names))
    except KeyError as missing:
        pytest.skip(f"{missing} is not set: tests/peers starts the service and these tests")


@pytest.fixture
def session(service: Service) -> telarch.Session:
    return telarch.Session(service.https, ca=service.pem, auth="basic", **service.login)


@pytest.fixture
def make(service: Service) -> Callable[..., telarch.AsyncSession]:
    def make(**settings: object) -> telarch.AsyncSession:
        return telarch.AsyncSession(service.https, ca=service.pem, **(service.login | settings))  # type: ignore[arg-type]

    return make


def until_released(folder: Path) -> str:
    """Returns a command that creates the file `begun` and ends once the file `release` exists."""
    return f"touch {folder}/begun; while [ ! -e {folder}/release ]; do sleep 0.02; done"


def together(folder: Path, number: int, count: int) -> str:
    """Returns a command that prints its number once as many commands run at the same time."""
    waiting = f"while [ $(ls {folder} | wc -l) -lt {count} ]; do sleep 0.05; done"
    return f"touch {folder}/{number}; {waiting}; echo {number}"


def wait_until_gone(process: int) -> None:
    """Waits until a local process has ended."""
    deadline = time.monotonic() + 60
    while Path(f"/proc/{process}").exists():
        assert time.monotonic() < deadline, "the command still runs"
        time.sleep(0.02)
