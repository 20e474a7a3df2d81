"""What a step refuses to run of a commit: everything that would run there and was not approved with the pipeline."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.exhaustive import one_of_each
from nova_infra.constructs.pipeline.built_assembly import refuse_others
from nova_infra.machine.tools import digest_of_tools

FILES = {
    "Makefile": "preflight:\n",
    "requirements.txt": "click==8\n",
    "package.json": "{}",
    "scripts/setup.sh": "set -eu\n",
    "nova_infra/__init__.py": "",
    "nova_infra/cli/é main.py": "def main(): ...\n",
    "services/audio/main.py": "serve()\n",
    "nova.toml": "[platform]\n",
}


def _write(root: Path, name: str, content: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(content, encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        _write(tmp_path, name, content)
    return tmp_path


def _step(project: Path, digest: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", "-c", refuse_others(digest)]
    return subprocess.run(command, cwd=project, check=False, capture_output=True, text=True)


def test_a_step_runs_what_was_synthesized_and_what_set_up_and_python_leave_counts_for_nothing(project: Path) -> None:
    """Build synthesizes after its set-up; a later step begins with what is in the commit."""
    for made in (".venv/bin/python", "node_modules/cdk.js", "nova_infra/__pycache__/main.pyc", "scripts/__pycache__/a"):
        _write(project, made, "made")
    digest = digest_of_tools(project)
    for made in (".venv", "node_modules", "nova_infra/__pycache__", "scripts/__pycache__"):
        subprocess.run(["rm", "-r", made], cwd=project, check=True)
    assert (_step(project, digest).returncode, digest) == (0, digest_of_tools(project))


@pytest.mark.parametrize(
    "name", ["services/audio/main.py", "nova.toml", "docs/new.md", "tests/test_new.py", "app/a.py"]
)
def test_what_is_delivered_is_no_tool(project: Path, name: str) -> None:
    digest = digest_of_tools(project)
    _write(project, name, "changed")
    assert _step(project, digest).returncode == 0


def test_a_case_insensitive_disk_gives_the_same_digest(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = digest_of_tools(project)
    exact, is_file = Path.exists, Path.is_file

    def stored(path: Path) -> Path:
        names = {each.name.lower(): each.name for each in path.parent.iterdir()} if path.parent.is_dir() else {}
        return path.with_name(names.get(path.name.lower(), path.name))

    monkeypatch.setattr(Path, "exists", lambda path, **_: exact(stored(path)))
    monkeypatch.setattr(Path, "is_file", lambda path, **_: is_file(stored(path)))
    assert digest_of_tools(project) == digest


@pytest.mark.parametrize("name", ["nova_infra/a\\b.py", "scripts/a\nb", "scripts/\\n", " Makefile", "scripts/é\\\n"])
def test_an_odd_name_counts_as_sha256sum_writes_it(project: Path, name: str) -> None:
    _write(project, name, "")
    assert _step(project, digest_of_tools(project)).returncode == 0


def _into_services(project: Path, name: str) -> None:
    (project / name).symlink_to(project / "services" / "audio")


ATTACKS: dict[str, Callable[[Path], object]] = {
    "another command": lambda root: _write(root, "nova_infra/cli/é main.py", "print('OK')\n"),
    "a module more": lambda root: _write(root, "nova_infra/boto3.py", ""),
    "a file less": lambda root: (root / "scripts/setup.sh").unlink(),
    "another target": lambda root: _write(root, "Makefile", "preflight:\n\ttrue\n"),
    "what make reads first": lambda root: _write(root, "GNUmakefile", ""),
    "what make reads second": lambda root: _write(root, "makefile", ""),
    "another lock": lambda root: _write(root, "requirements.txt", "click==7\n"),
    "a lock more": lambda root: _write(root, "requirements-uv.txt", "uv==0\n"),
    "what npm installs from": lambda root: _write(root, "npm-shrinkwrap.json", "{}"),
    "where npm asks": lambda root: _write(root, ".npmrc", "registry=http://evil"),
    "where uv asks": lambda root: _write(root, "uv.toml", "[pip]\nindex-url='http://evil'"),
    "another Python": lambda root: _write(root, ".python-version", "3.9"),
    "an environment that is ready": lambda root: _write(root, ".venv/ready", "x"),
    "packages that are ready": lambda root: _write(root, "node_modules/.bin/cdk", "x"),
    "compiled code": lambda root: _write(root, "nova_infra/__pycache__/x.pyc", "x"),
    "a link to code that is delivered": lambda root: _into_services(root, "nova_infra/audio"),
}


@pytest.mark.parametrize("change", one_of_each(ATTACKS.values()), ids=ATTACKS.keys())
def test_a_step_refuses_to_run_what_was_not_approved(project: Path, change: Callable[[Path], object]) -> None:
    digest = digest_of_tools(project)
    change(project)
    refused = _step(project, digest)
    assert refused.returncode == 1
    assert refused.stdout.startswith("tools: what this step would run of the commit is not what was approved")


def test_what_a_link_leads_to_counts(project: Path) -> None:
    _into_services(project, "nova_infra/audio")
    digest = digest_of_tools(project)
    assert _step(project, digest).returncode == 0
    _write(project, "services/audio/main.py", "evil()\n")
    assert _step(project, digest).returncode == 1
    assert digest_of_tools(project) != digest
