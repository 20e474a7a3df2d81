import json
import re
import shutil
from pathlib import Path

import pytest

from nova_infra.locks import LockDriftError, check

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path):
    """A copy of the project's manifests and locks, to be edited: edit(file, pattern, replacement)."""
    for pattern in ("requirements*", "p*.toml", "package*.json", "services/*/Dockerfile", "services/*/*.t*t"):
        for file in ROOT.glob(pattern):
            copy = tmp_path / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    for file in ROOT.glob("services/*/pyproject.toml"):
        (tmp_path / file.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, tmp_path / file.relative_to(ROOT))
    return tmp_path


def edit(project, file, pattern, replacement):
    text, count = re.subn(pattern, replacement, (project / file).read_text(), count=1)
    assert count, f"{pattern} is not in {file}"
    (project / file).write_text(text)


def test_the_locks_of_the_project_are_what_its_manifests_ask_for():
    check(ROOT)


@pytest.mark.parametrize(
    ("file", "pattern", "replacement", "lines"),
    [
        (
            "pyproject.toml",
            '"boto3>=',
            '"left-pad>=1", "boto3>=',
            ["requirements-dev.txt: does not pin left-pad", "requirements.txt: does not pin left-pad"],
        ),
        (
            "pyproject.toml",
            '"aws-cdk-lib==[^"]*"',
            '"aws-cdk-lib==2.1.0"',
            ["requirements-dev.txt: pins aws-cdk-lib", "requirements.txt: pins aws-cdk-lib"],
        ),
        (
            "pyproject.toml",
            r'\n *"psutil[^"]*",',
            "",
            ["requirements-dev.txt: pins psutil for a manifest", "requirements.txt: pins psutil for a manifest"],
        ),
        ("pyproject.toml", '"hypothesis[^"]*"', '"hypothesis>=99"', ["requirements-dev.txt: pins hypothesis"]),
        (
            "services/audio-service/pyproject.toml",
            '"av>=[^"]*"',
            '"av>=99"',
            ["requirements-dev.txt: pins av", "services/audio-service/requirements.txt: pins av"],
        ),
        (
            "requirements.txt",
            "(?m)^click==.*",
            "click==8.3.99 \\\\",
            ["requirements.txt: pins click 8.3.99, and the tests run with another version"],
        ),
        (
            "services/agent-service/requirements.txt",
            "(?m)^fastapi==(.*\n)(    --hash.*\n)+",
            r"fastapi==\1",
            ["services/agent-service/requirements.txt: pins fastapi without a hash"],
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
        "a newer tool asked for",
        "a service asks for a newer version",
        "a lock edited by hand",
        "no hash",
        "another uv",
        "another CDK CLI",
    ],
)
def test_a_manifest_or_lock_edited_without_the_other_is_named_with_the_remedy(
    project, file, pattern, replacement, lines
):
    edit(project, file, pattern, replacement)
    with pytest.raises(LockDriftError) as refused:
        check(project)
    found = str(refused.value).splitlines()
    assert len(found) == len(lines)
    for line, start in zip(found, lines, strict=True):
        assert line.startswith(start)
        assert line.endswith(": run `make lock` and commit what it writes")


def test_what_npm_installs_is_compared_too(project):
    lock = json.loads((project / "package-lock.json").read_text())
    lock["packages"]["node_modules/aws-cdk"]["version"] = "3.0.0"
    (project / "package-lock.json").write_text(json.dumps(lock))
    with pytest.raises(LockDriftError, match=r"package-lock.json: pins aws-cdk 3\.0\.0, and 2\.\d+\.\d+ is asked for"):
        check(project)
