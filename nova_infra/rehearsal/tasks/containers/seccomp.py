"""Denies containers the system calls that Fargate denies them, and Podman does not.

Fargate lets nobody make namespaces or mounts, so that a browser's or Bubblewrap's own sandbox does not start there.
Docker's default profile denies the same; Podman's allows it, for containers within containers:
https://github.com/aws/containers-roadmap/issues/2102, https://docs.docker.com/engine/security/seccomp/
"""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nova_infra.containers.engine import Engine

_DENIED = ("mount", "pivot_root", "setns", "umount", "umount2", "unshare")
_NEW_NAMESPACES = 0x7E020000
"""The flags of ``clone`` that make namespaces: https://man7.org/linux/man-pages/man2/clone.2.html"""
_NOT_PERMITTED, _NO_SUCH_CALL = 1, 38
_FILE = "seccomp.json"
_own: dict[tuple[str, str], str] = {}
"""Where an engine's own profile is: to say that takes Podman as long as to start a container, so it is asked once."""


def as_fargate(profile: Mapping[str, Any]) -> dict[str, Any]:
    """Podman's default profile without what makes namespaces and mounts, which Fargate does not allow."""
    denied = {*_DENIED, "clone", "clone3"}
    rules = []
    for rule in profile["syscalls"]:
        if (rule.get("includes") or {}).get("caps"):
            rules.append(rule)
        elif names := [name for name in rule["names"] if name not in denied]:
            rules.append({**rule, "names": names})
    threads = {"index": 0, "value": _NEW_NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
    rules += [
        {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [threads]},
        # Its flags are out of a filter's sight: C libraries that do not find it call clone instead.
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": _NO_SUCH_CALL},
        {"names": list(_DENIED), "action": "SCMP_ACT_ERRNO", "errnoRet": _NOT_PERMITTED},
    ]
    return {**profile, "syscalls": rules}


async def write_profile(engine: Engine, directory: str) -> None:
    """Write a profile into a directory, for the containers created there: only for Podman, if its own can be read."""
    if engine.is_docker:
        return
    kind = (engine.program, engine.architecture)
    if (path := _own.get(kind)) is None:
        code, path, _ = await engine.attempt("info", "--format={{.Host.Security.SECCOMPProfilePath}}")
        if not code:
            _own[kind] = path
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # Then Podman's own counts.
        profile = as_fargate(json.loads(Path(path).read_text(encoding="utf-8")))  # noqa: ASYNC240 - read once
        Path(directory, _FILE).write_text(json.dumps(profile), encoding="ascii")  # noqa: ASYNC240 - written once


def profile_option(directory: str) -> list[str]:
    """The option that gives a container the profile in a directory; none if the directory has none."""
    path = Path(directory, _FILE)
    return [f"--security-opt=seccomp={path}"] if path.is_file() else []
