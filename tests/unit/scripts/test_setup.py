"""Set-up by stand-ins: Pythons that only say their version and make a .venv of stand-ins."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.exhaustive import one_of_each
from helpers.set_up import DONE, SCRIPTS, add_python, project_of_stand_ins, setup
from nova_infra.machine.pythons import SUPPORTED


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return project_of_stand_ins(tmp_path)


def python_of(root: Path) -> str:
    return (root / ".venv" / "made").read_text().split()[0]


def test_it_sets_up_once(project: Path) -> None:
    for service in ("kit", "audio", "in-typescript"):
        (project / "services" / service / "src").mkdir(parents=True)
    first = setup(project)
    assert first.returncode == 0
    assert first.stdout == DONE
    called = (project / "called").read_text()
    assert "imports nova_infra.app" in called
    assert "mypy app.py examples nova_infra services/kit/src services/audio/src\n" in called, "the types' own list"
    assert python_of(project) == "3.12.1"
    again = setup(project)
    assert (again.returncode, again.stdout, (project / "called").exists()) == (0, "", False)


def test_a_changed_lock_is_installed(project: Path) -> None:
    setup(project)
    (project / "requirements-dev.txt").write_text("six==1.17\n")
    assert "Python packages" in setup(project).stdout


def test_a_cli_that_is_gone_is_installed_again(project: Path) -> None:
    setup(project)
    shutil.rmtree(project / "node_modules")
    assert "the CDK CLI" in setup(project).stdout
    assert (project / "node_modules/.bin/cdk").exists()
    assert setup(project).stdout == ""


def test_a_step_with_credentials_installs_the_lock_of_the_commands_and_keeps_it(project: Path) -> None:
    (project / "requirements.txt").write_text("click==8.3\n")
    assert setup(project, NOVA_SETUP="runtime").returncode == 0
    called = (project / "called").read_text()
    assert "requirements-uv.txt requirements.txt" in called
    assert "requirements-dev.txt" not in called
    assert "--editable" not in called
    assert "mypy" not in called
    assert "imports nova_infra.app" not in called, "a step runs a command or two: it compiles what that needs"
    assert (setup(project).stdout, (project / "called").exists()) == ("", False)
    (project / "requirements.txt").write_text("click==8.4\n")
    setup(project)
    assert "requirements-dev.txt" not in (project / "called").read_text()


def test_a_steps_program_is_run_by_its_python_in_a_path_with_spaces(project: Path) -> None:
    (project / "requirements.txt").write_text("click==8.3\n")
    setup(project, NOVA_SETUP="runtime")
    (project / ".venv/bin/python").write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    program = project / ".venv/bin/nova"
    ran = subprocess.run([program, "brief", "a b"], cwd=project, check=True, capture_output=True, text=True)
    assert ran.stdout.splitlines() == [str(program), "brief", "a b"]


def test_a_step_with_credentials_imports_only_the_tools(project: Path) -> None:
    """Python asks for sitecustomize, botocore for awscrt, and others for more: a commit could bring any of them."""
    (project / "requirements.txt").write_text("click==8.3\n")
    setup(project, NOVA_SETUP="runtime")
    (project / "nova_infra" / "cli").mkdir(parents=True)
    (project / "nova_infra" / "cli" / "entry.py").write_text(
        "def main():\n    try:\n        import awscrt\n    except ImportError:\n        print('the tools')\n"
    )
    for name in ("awscrt", "sitecustomize", "usercustomize"):
        (project / f"{name}.py").write_text("print('something else')\n")
    # Without the packages of this very environment, which has Nova itself.
    ran = subprocess.run(
        [sys.executable, "-S", project / ".venv/bin/nova"], cwd=project, check=True, capture_output=True, text=True
    )
    assert ran.stdout == "the tools\n"
    assert not list(project.glob(".venv/**/*.pth"))


@pytest.mark.exhaustive("test_it_sets_up_once")
def test_python_imports_nothing_that_lies_in_the_projects_directory(project: Path) -> None:
    """The digest of the tools does not cover the root: what lies there must not run in a step with credentials."""
    real = f"""given="$*"
case $given in
  *"-m venv .venv") {sys.executable} ${{given% .venv}} --without-pip ../another ;;
  *"-m pip "*) {sys.executable} ${{given%%pip *}}pip --version ;;
  *) {sys.executable} "$@" ;;
esac >/dev/null
"""
    python = project.parent / "bin" / "python3"
    python.write_text(python.read_text().replace("#!/bin/sh\n", f"#!/bin/sh\n{real}"))
    for module in ("venv", "ensurepip", "subprocess", "sitecustomize", "nova_infra", "pip/__init__", "pip/__main__"):
        (project / module).parent.mkdir(exist_ok=True)
        (project / f"{module}.py").write_text(f"open({str(project / 'ran')!r}, 'a').write({module!r})\n")
    (project / "requirements.txt").touch()
    done = setup(project, NOVA_SETUP="runtime")
    assert (done.returncode, "pip" in (project / "called").read_text()) == (0, True)
    assert not (project / "ran").exists()


@pytest.mark.exhaustive("test_it_sets_up_once")
def test_a_developers_packages_are_never_taken_away(project: Path) -> None:
    setup(project)
    (project / "package.json").write_text("{}")
    setup(project, NOVA_SETUP="runtime")
    assert "requirements.txt" not in (project / "called").read_text()
    (project / "requirements-dev.txt").write_text("six==1.17\n")
    setup(project, NOVA_SETUP="runtime")
    assert "requirements-uv.txt requirements-dev.txt" in (project / "called").read_text()


@pytest.mark.parametrize("version", one_of_each(["2.7.18", "3.9.18", "3.10.13", "3.14.0"]))
@pytest.mark.parametrize("variables", one_of_each([{}, {"PYTHON": "python3"}]))
def test_an_unsupported_python_is_refused_in_a_line_and_nothing_is_written(
    project: Path, version: str, variables: dict[str, str]
) -> None:
    add_python(project.parent, "python3", version)
    before = sorted(project.rglob("*"))
    refused = setup(project, **variables)
    assert refused.returncode == 2
    [line] = refused.stderr.splitlines()
    assert f"python3 is Python {version}: Nova needs Python " in line
    assert line.endswith(": run `make setup PYTHON=python3.13`")
    assert (refused.stdout, sorted(project.rglob("*"))) == ("", before)


def test_a_python_that_is_not_there_is_refused(project: Path) -> None:
    refused = setup(project, PYTHON="python3.99")
    assert (refused.returncode, refused.stderr[:18]) == (2, "PYTHON=python3.99:")
    assert not (project / ".venv").exists()


def test_after_a_refusal_the_next_run_sets_up(project: Path) -> None:
    setup(project, PYTHON="python3.9")
    assert setup(project).returncode == 0
    assert python_of(project) == "3.12.1"


def test_what_says_which_pythons_are_supported_agrees() -> None:
    script = (SCRIPTS / "setup.sh").read_text()
    assert tuple(re.findall(r"\b(3\.\d+)\.\*", script)) == SUPPORTED
    [needed] = re.findall(r'^needed="Nova needs Python (.*)"$', script, re.MULTILINE)
    assert tuple(re.split(r", | or ", needed)) == SUPPORTED


def made_by_an_old_python(project: Path) -> tuple[Path, str]:
    add_python(project.parent, "python3", "3.10.13")
    subprocess.run([project.parent / "bin" / "python3", "-I", "-m", "venv", ".venv"], cwd=project, check=True)
    add_python(project.parent, "python3", "3.12.1")
    return project, "Python 3.10.13 made it"


def made_by_a_python_that_is_gone(project: Path) -> tuple[Path, str]:
    setup(project)
    (project / ".venv" / "bin" / "python").unlink()
    (project / ".venv" / "bin" / "python").symlink_to("/nowhere/python3.12")
    return project, "its Python is gone"


def made_elsewhere(project: Path) -> tuple[Path, str]:
    setup(project)
    return project.rename(project.with_name("moved")), f"it was made in another directory, {project}"


def not_made_to_the_end(project: Path) -> tuple[Path, str]:
    setup(project)
    (project / ".venv" / "made").unlink()
    (project / ".venv" / "ready").unlink()
    return project, "set-up did not make it"


@pytest.mark.parametrize(
    "fault", one_of_each([made_by_an_old_python, made_by_a_python_that_is_gone, made_elsewhere, not_made_to_the_end])
)
def test_a_venv_that_is_of_no_use_is_made_again_and_says_why(
    project: Path, fault: Callable[[Path], tuple[Path, str]]
) -> None:
    root, why = fault(project)
    healed = setup(root)
    assert healed.returncode == 0, healed.stderr
    assert healed.stdout.startswith(f"setting up: .venv is made again: {why}")
    assert python_of(root) == "3.12.1"
    assert setup(root).stdout == ""


@pytest.mark.exhaustive("test_it_sets_up_once")
def test_another_python_that_is_asked_for_takes_the_place_of_the_first_and_stays(project: Path) -> None:
    setup(project)
    other = setup(project, PYTHON="python3.13")
    assert "it has Python 3.12.1, and PYTHON=python3.13 is asked for" in other.stdout
    assert python_of(project) == "3.13.0"
    assert setup(project, PYTHON="python3.13").stdout == ""
    assert setup(project).stdout == ""
    assert python_of(project) == "3.13.0"


def test_pyenv_s_own_python_stands_in_for_a_shim_that_does_not_run(project: Path) -> None:
    (project.parent / "bin" / "python3.13").write_text("#!/bin/sh\nexit 127\n")
    versions = project.parent / ".pyenv" / "versions" / "3.13.0"
    versions.mkdir(parents=True)
    shutil.copytree(project.parent / "bin", versions / "bin")
    add_python(versions, "python3.13", "3.13.0")
    assert setup(project, PYTHON="python3.13").returncode == 0
    assert python_of(project) == "3.13.0"
