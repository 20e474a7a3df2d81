import json
import re
from pathlib import Path
from typing import Any

import pytest

from helpers.scripts import load_script
from nova_infra.machine.pythons import SUPPORTED

SCRIPT = load_script("locks")
LockDriftError = SCRIPT.LockDriftError
check, read_lock, split_packages, splits = SCRIPT.check, SCRIPT.read_lock, SCRIPT.split_packages, SCRIPT.splits

# A project that asks for little, with the locks that uv and npm write for it: what anybody's own asks for is not here.
FILES = {
    "pyproject.toml": """
[project]
dependencies = ["boto3>=1.42", "aws-cdk-lib==2.275.0", "click>=8.3", "psutil>=7"]
[dependency-groups]
deployed = ["httpx>=0.28"]
dev = [{include-group = "deployed"}, "hypothesis>=6.170"]
""",
    "nova.toml": '[[services]]\nname = "carts-service"\nkit = true\n[[services]]\nname = "bills-service"\nkit = true\n',
    "services/kit/pyproject.toml": '[project]\ndependencies = ["fastapi>=0.120"]\n',
    "services/carts-service/pyproject.toml": '[project]\ndependencies = ["av>=17"]\n',
    "services/bills-service/pyproject.toml": "[project]\ndependencies = []\n",
    "requirements-uv.in": "uv==0.9.1\n",
    "package.json": '{"devDependencies": {"aws-cdk": "2.1130.0"}}',
    "package-lock.json": json.dumps(
        {
            "packages": {
                "": {"devDependencies": {"aws-cdk": "2.1130.0"}},
                "node_modules/aws-cdk": {"version": "2.1130.0"},
            }
        }
    ),
}
PINS = {
    "aws-cdk-lib": "2.275.0",
    "av": "17.1.0",
    "boto3": "1.42.3",
    "botocore": "1.42.3",
    "click": "8.3.1",
    "fastapi": "0.121.0",
    "httpx": "0.28.1",
    "hypothesis": "6.170.2",
    "psutil": "7.1.0",
    "uv": "0.9.1",
}


OWN = ("requirements-dev.txt", "requirements.txt", "requirements-tests.txt")
"""The locks of what is delivered by."""


def lock(manifest: str, names: list[str], *, reasons: bool = True) -> str:
    """A lock as uv writes it, with the reason for each package, or without any."""
    lines = []
    for name in names:
        lines += [f"{name}=={PINS[name]} \\", f"    --hash=sha256:{'a' * 64} \\", f"    --hash=sha256:{'b' * 64}"]
        if reasons:
            lines += [f"    # via {'boto3' if name == 'botocore' else manifest}"]
    return "\n".join([*lines, ""])


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """That project, to be edited."""
    infra = ["aws-cdk-lib", "boto3", "botocore", "click", "psutil"]
    own = "nova-infra (pyproject.toml)"
    locks = {
        "requirements-dev.txt": lock(own, [*infra, "av", "fastapi", "httpx", "hypothesis"]),
        "requirements-tests.txt": lock(own, [*infra, "av", "fastapi", "httpx"]),
        "requirements.txt": lock(own, infra),
        "requirements-uv.txt": lock("-r requirements-uv.in", ["uv"]),
        "services/carts-service/requirements.txt": lock("", ["av", "fastapi"], reasons=False),
        "services/bills-service/requirements.txt": lock("", ["fastapi"], reasons=False),
        "nova_infra/scaffold/service_template/requirements.txt": lock("", ["fastapi"], reasons=False),
    }
    for name, content in (FILES | locks).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


def test_what_a_service_of_another_framework_asks_for_is_its_own_affair(project: Path) -> None:
    place = project / "services" / "ledger"
    place.mkdir()
    (place / "pyproject.toml").write_text('[project]\nname = "ledger"\n')  # not even a table of dependencies
    (place / "requirements.txt").write_text(
        "flask\nav==16 ; python_version < '3.12'\nav==17 ; python_version > '3.11'\n"
    )
    check(project)
    assert split_packages(project) == []


def edit(project: Path, file: str, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, (project / file).read_text(), count=1)
    assert count, f"{pattern} is not in {file}"
    (project / file).write_text(text)


def test_locks_that_are_what_the_manifests_ask_for_pass(project: Path) -> None:
    check(project)


@pytest.mark.parametrize(
    ("file", "pattern", "replacement", "lines"),
    [
        (
            "pyproject.toml",
            '"boto3>=',
            '"left-pad>=1", "boto3>=',
            [f"{lock}: does not pin left-pad" for lock in OWN],
        ),
        (
            "pyproject.toml",
            '"aws-cdk-lib==[^"]*"',
            '"aws-cdk-lib==2.1.0"',
            [f"{lock}: pins aws-cdk-lib" for lock in OWN],
        ),
        (
            "pyproject.toml",
            r', "psutil[^"]*"',
            "",
            [f"{lock}: pins psutil for a manifest" for lock in OWN],
        ),
        (
            "pyproject.toml",
            '"httpx[^"]*"',
            '"httpx>=99"',
            ["requirements-dev.txt: pins httpx", "requirements-tests.txt: pins httpx"],
        ),
        ("pyproject.toml", '"hypothesis[^"]*"', '"hypothesis>=99"', ["requirements-dev.txt: pins hypothesis"]),
        (
            "services/carts-service/pyproject.toml",
            '"av>=[^"]*"',
            '"av>=99"',
            [
                "requirements-dev.txt: pins av",
                "requirements-tests.txt: pins av",
                "services/carts-service/requirements.txt: pins av",
            ],
        ),
        (
            "requirements.txt",
            "(?m)^click==.*",
            "click==8.3.99 \\\\",
            ["requirements.txt: pins click 8.3.99, but the tests run with another version"],
        ),
        (
            "services/bills-service/requirements.txt",
            "(?m)^fastapi==(.*\n)(    --hash.*\n)+",
            r"fastapi==\1",
            ["services/bills-service/requirements.txt: pins fastapi without a hash"],
        ),
        ("requirements-uv.in", "uv==.*", "uv==0.0.1", ["requirements-uv.txt: pins uv"]),
        (
            "package.json",
            '"aws-cdk": "[^"]*"',
            '"aws-cdk": "2.1.0"',
            ["package-lock.json: was written for other devDependencies", "package-lock.json: pins aws-cdk"],
        ),
    ],
    ids=[
        "asked for, not locked",
        "another version asked for",
        "no longer asked for",
        "a newer package asked for by tests of what is deployed",
        "a newer tool asked for",
        "a service asks for a newer version",
        "a lock edited by hand",
        "no hash",
        "another uv",
        "another CDK CLI",
    ],
)
def test_a_manifest_or_lock_edited_without_the_other_is_named_with_the_remedy(
    project: Path, file: str, pattern: str, replacement: str, lines: list[str]
) -> None:
    edit(project, file, pattern, replacement)
    with pytest.raises(LockDriftError) as refused:
        check(project)
    found = str(refused.value).splitlines()
    assert len(found) == len(lines)
    for line, start in zip(found, lines, strict=True):
        assert line.startswith(start)
        assert line.endswith(": run `make lock` and commit what it writes")


def test_what_npm_installs_is_compared_too(project: Path) -> None:
    lock = json.loads((project / "package-lock.json").read_text())
    lock["packages"]["node_modules/aws-cdk"]["version"] = "3.0.0"
    (project / "package-lock.json").write_text(json.dumps(lock))
    with pytest.raises(LockDriftError, match=r"package-lock.json: pins aws-cdk 3\.0\.0, but 2\.\d+\.\d+ is required"):
        check(project)


def lock_of(*entries: str) -> Any:
    return read_lock("".join(f"{entry} \\\n    --hash=sha256:{'0' * 64}\n" for entry in entries))


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (
            ["av==18.1.0 ; python_full_version < '3.12'", "av==19.0.2 ; python_full_version >= '3.12'"],
            "pins av 18.1.0 (python_full_version < '3.12') and 19.0.2 (python_full_version >= '3.12')",
        ),
        (["numpy==2.4.6 ; sys_platform == 'darwin'", "numpy==2.5.5 ; sys_platform != 'darwin'"], "pins numpy 2.4.6 ("),
        (["numpy==2.4.6 ; sys_platform == 'win32'", "numpy==2.5.5"], "pins numpy 2.4.6 ("),
        (["tomli==2.3 ; python_version < '3.12'"], "pins tomli only where python_version < '3.12'"),
        (["async-timeout==5.0.1 ; python_full_version < '3.11.3'"], "pins async-timeout only where"),
        (["six==1.17 ; sys_platform == 'linux'"], "pins six only where sys_platform == 'linux'"),
        (["six==1.17 ; platform_system == 'Darwin'"], "pins six only where"),
        (["greenlet==3.5.6 ; platform_machine == 'x86_64'"], "pins greenlet only where"),
        (["greenlet==3.5.6 ; platform_machine == 'aarch64' or platform_machine == 'x86_64'"], "pins greenlet only"),
    ],
)
def test_a_lock_that_differs_by_python_or_platform_is_refused_by_the_package_s_name(
    entries: list[str], said: str
) -> None:
    [line] = splits("requirements.txt", lock_of("click==8.5.1", *entries))
    assert line.startswith(f"requirements.txt: {said}")
    assert line.endswith(" and commit what it writes")


@pytest.mark.parametrize(
    "entries",
    [
        ["av==18.1.0"],
        ["colorama==0.4.6 ; sys_platform == 'win32'"],
        ["httpx2-jsfetch==1.0 ; python_full_version >= '3.12' and sys_platform == 'emscripten'"],
        ["cffi==2.1.1 ; platform_python_implementation != 'PyPy'"],
        ["uvloop==0.23.0 ; sys_platform != 'win32'"],
        ["tomli==2.3 ; python_version < '3.11'"],
        # uv writes one version twice where its dependencies differ.
        ["six==1.17 ; python_version < '3.12'", "six==1.17 ; python_version >= '3.12'"],
    ],
)
def test_what_only_other_platforms_install_or_leave_out_is_no_split(entries: list[str]) -> None:
    assert not list(splits("requirements.txt", lock_of(*entries)))


def test_the_resolver_is_told_to_choose_again_what_is_split(project: Path) -> None:
    assert split_packages(project) == []
    other = r"av==17.0.9 ; python_version < '3.12' \\\n"
    edit(project, "services/carts-service/requirements.txt", "(?m)^av==", other + "av==")
    assert split_packages(project) == ["av"]


@pytest.mark.parametrize(
    "name",
    [
        "requirements-dev.txt",
        "requirements.txt",
        "requirements-tests.txt",
        "services/bills-service/requirements.txt",
        "nova_infra/scaffold/service_template/requirements.txt",
    ],
)
def test_every_lock_is_looked_at_for_splits(project: Path, name: str) -> None:
    edit(project, name, r"(?m)^(click|fastapi)==(\S+)", rf"\1==\2 ; python_version < '{SUPPORTED[-1]}'")
    with pytest.raises(LockDriftError, match=rf"{re.escape(name)}: pins \w+ only where python_version < "):
        check(project)
