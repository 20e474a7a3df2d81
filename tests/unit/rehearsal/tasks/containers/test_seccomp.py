"""The profile of system calls is Podman's, without namespaces and mounts: Fargate allows neither."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import pytest

from nova_infra.containers.engine import Engine
from nova_infra.rehearsal.tasks.containers.seccomp import as_fargate, profile_option, write_profile

ALLOW, DENY = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"
OF_ADMIN = {"names": ["mount", "bpf"], "action": ALLOW, "includes": {"caps": ["CAP_SYS_ADMIN"]}}
PODMANS = {
    "defaultAction": DENY,
    "defaultErrnoRet": 38,
    "syscalls": [
        {"names": ["read", "clone", "clone3", "unshare", "write"], "action": ALLOW, "includes": {}, "args": []},
        {"names": ["mount", "umount2", "setns", "pivot_root"], "action": ALLOW, "includes": None},
        OF_ADMIN,
    ],
}


def rules_of(name: str, profile: dict[str, Any]) -> list[dict[str, Any]]:
    """The rules for a call that need no capability."""
    rules = [rule for rule in profile["syscalls"] if name in rule["names"]]
    return [{k: v for k, v in rule.items() if k != "names"} for rule in rules if not (rule.get("includes") or {})]


@pytest.mark.parametrize("call", ["unshare", "mount", "umount2", "setns", "pivot_root"])
def test_namespaces_and_mounts_are_not_permitted(call: str) -> None:
    assert rules_of(call, as_fargate(PODMANS)) == [{"action": DENY, "errnoRet": 1}]


def test_processes_and_threads_are_made_without_namespaces_and_by_the_call_whose_flags_show() -> None:
    made = as_fargate(PODMANS)
    [rule] = rules_of("clone", made)
    [flags] = rule["args"]
    assert (rule["action"], flags["op"], flags["valueTwo"]) == (ALLOW, "SCMP_CMP_MASKED_EQ", 0)
    of_a_thread, new_user = 0x003D0F00, 0x10000000
    assert (of_a_thread & flags["value"], new_user & flags["value"]) == (0, new_user)
    assert rules_of("clone3", made) == [{"action": DENY, "errnoRet": 38}]


def test_everything_else_stays_as_podman_has_it() -> None:
    made = as_fargate(PODMANS)
    assert made["syscalls"][0]["names"] == ["read", "write"]
    assert OF_ADMIN in made["syscalls"]
    assert [len(rule["names"]) for rule in made["syscalls"] if not rule["names"]] == []
    assert (made["defaultAction"], made["defaultErrnoRet"]) == (DENY, 38)


class Says(Engine):
    """An engine whose own profile is somewhere, and how often it has said where."""

    asked: ClassVar[Counter[str]] = Counter()

    async def attempt(self, *_: str, **__: Any) -> tuple[int, str, str]:
        self.asked[self.architecture] += 1
        return 0, self.architecture, ""


def option(program: str, own: Path, directory: Path) -> list[str]:
    directory.mkdir()
    asyncio.run(write_profile(Says(program, str(own)), str(directory)))
    return profile_option(str(directory))


def test_podman_gets_the_profile_and_docker_which_has_its_own_does_not(tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    own.write_text(json.dumps(PODMANS))
    assert option("docker", own, tmp_path / "d") == []
    assert option("podman", own, tmp_path / "p") == [f"--security-opt=seccomp={tmp_path / 'p' / 'seccomp.json'}"]
    assert json.loads((tmp_path / "p" / "seccomp.json").read_text()) == as_fargate(PODMANS)
    assert option("podman", own, tmp_path / "again") != []
    assert Says.asked[str(own)] == 1


@pytest.mark.parametrize("own", ["", "{", "[]", '{"syscalls": [{}]}'])
def test_where_podmans_own_cannot_be_read_it_counts(own: str, tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text(own)
    assert option("podman", path if own else tmp_path / "missing", tmp_path / "p") == []
