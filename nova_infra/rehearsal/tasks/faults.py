"""Runs a service with something wrong with it.

``python -m nova_infra.rehearsal.tasks.faults errors:0.8 nova_kit.serve audio_service.main:app`` runs what
``python -m nova_kit.serve audio_service.main:app`` does, with a fault around it. The service's code is left alone: its
application is wrapped, or its process is.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import itertools
import os
import runpy
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Callable[..., Awaitable[Any]], Callable[..., Awaitable[Any]]], Awaitable[None]]

_HEALTH = "/health"
_WATCHED = (_HEALTH, "/version")
_FOR_EVER = 86_400.0


def command_with_fault(command: list[str], fault: str) -> list[str]:
    """The container's command with a fault around it.

    Args:
        command: ``python -m <module> <package>:<application>``.
        fault: Name of the fault, with a value after a colon where it takes one.

    Raises:
        ValueError: The command has another form.
    """
    match command:
        case [python, "-m", module, application] if ":" in application:
            return [python, "-m", __name__, fault, module, application]
    raise ValueError(f"Command {command!r} is not `python -m MODULE PACKAGE:APP`, so no fault can be put around it")


def main(arguments: list[str]) -> None:
    """Put the fault in place and run the module."""
    fault, module, application = arguments
    name, _, value = fault.partition(":")
    match name:
        case "crash":
            sys.exit("fault drill: the service crashes while it starts")
        case "deaf-to-sigterm":
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        case "cpu":
            threading.Thread(target=_burn, daemon=True).start()
        case "memory":
            _wrap(application, _leak(int(value)))
        case "unhealthy":
            _wrap(application, lambda path: 500 if path == _HEALTH else None)
        case "slow":
            _wrap(application, lambda _: None, delay=lambda: float(value))
        case "deadlock":
            asked = itertools.count(1)
            _wrap(application, lambda _: None, delay=lambda: _FOR_EVER if _hit(float(value), next(asked)) else 0)
        case "errors":
            every = itertools.count(1)
            share = float(value)
            _wrap(application, lambda path: 500 if path != _HEALTH and _hit(share, next(every)) else None)
        case "wrong-answers":
            _wrap(application, lambda path: None if path.endswith(_WATCHED) else 404)
        case "errors-after":
            answered = itertools.count(1)
            patience = int(value)
            _wrap(application, lambda path: 500 if path != _HEALTH and next(answered) > patience else None)
        case _:
            sys.exit(f"faults: {name!r} is not a fault")
    sys.argv = [module, application]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _hit(share: float, number: int) -> bool:
    """Whether a request is one of that share of them, spread evenly: a drill's outcome must not depend on chance."""
    return int(number * share) > int((number - 1) * share)


def _wrap(application: str, status_for: Callable[[str], int | None], *, delay: Callable[[], float] = lambda: 0) -> None:
    """Replace the application by one that answers some requests itself.

    Args:
        application: ``module:attribute``.
        status_for: The status to answer a path with, None to leave it to the service.
        delay: Seconds before the next answer that is not one to a health check.
    """
    module_name, _, attribute = application.partition(":")
    module = importlib.import_module(module_name)
    service: Application = getattr(module, attribute)

    async def faulty(scope: Scope, receive: Callable[..., Awaitable[Any]], send: Callable[..., Awaitable[Any]]) -> None:
        if scope["type"] != "http":
            return await service(scope, receive, send)
        if scope["path"] != _HEALTH:
            await asyncio.sleep(delay())
        status = status_for(scope["path"])
        if status is None:
            return await service(scope, receive, send)
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})
        return None

    setattr(module, attribute, faulty)


def _burn() -> None:
    """Keep a processor busy without keeping the interpreter's lock; others on this machine go first."""
    os.nice(10)
    while True:
        hashlib.pbkdf2_hmac("sha256", b"fault", b"drill", 200_000)


def _leak(step: int) -> Callable[[str], None]:
    """Keep some MiB of memory with every request: what it holds then depends on the traffic, not on the machine."""
    held: list[bytearray] = []

    def take(path: str) -> None:
        if path != _HEALTH:
            held.append(bytearray(os.urandom(4096)) * (step * 2**20 // 4096))

    return take


if __name__ == "__main__":
    main(sys.argv[1:])
