"""Set-up from the archive of tools that a delivery packs, by stand-ins: without a registry, and by the locks."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.exhaustive import one_of_each
from helpers.set_up import add_python, project_of_stand_ins, setup

Packing = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return project_of_stand_ins(tmp_path)


@pytest.fixture
def packing(project: Path) -> Packing:
    """What packs the archive of tools in a project, as Build does, for other machines besides."""
    for name in ("requirements.txt", "package-lock.json"):
        (project / name).write_text(f"{name}\n")
    assert setup(project).returncode == 0
    environment = {"PATH": f"{project / '.venv' / 'bin'}:{os.environ['PATH']}", "HOME": str(project.parent)}

    def pack(*machines: str) -> subprocess.CompletedProcess[str]:
        command = [str(project / "scripts" / "setup.sh"), "tools", *machines]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True)

    return pack


@pytest.fixture
def packed(project: Path, packing: Packing) -> Path:
    """A new checkout, with the archive of tools that Build has made."""
    made = packing()
    digest = (project / ".nova/tools/sha256").read_text().strip()
    assert re.fullmatch(rf"tools: \d+ MB, sha256 {digest}\n", made.stdout)
    shutil.rmtree(project / ".venv")
    return project


def from_archive(root: Path, kind: str = "runtime") -> subprocess.CompletedProcess[str]:
    return setup(root, NOVA_SETUP=kind, NOVA_TOOLS=".nova/tools")


@pytest.mark.parametrize("kind", one_of_each(["runtime", "tests"]))
def test_a_step_that_has_the_archive_of_tools_asks_no_registry(packed: Path, kind: str) -> None:
    done = from_archive(packed, kind)
    assert (done.returncode, done.stderr) == (0, "")
    digest = (packed / ".nova/tools/sha256").read_text().strip()
    assert f"setting up: from the archive of tools, sha256 {digest}" in done.stdout
    called = (packed / "called").read_text().splitlines()
    assert len(called) == 3
    assert [line for line in called if not line.endswith(("no index", "offline"))] == []


@pytest.mark.exhaustive("test_a_step_that_has_the_archive_of_tools_asks_no_registry")
def test_a_step_that_tests_installs_the_lock_of_these_tests(packed: Path) -> None:
    from_archive(packed, "tests")
    called = (packed / "called").read_text()
    assert "requirements-uv.txt requirements-tests.txt" in called
    assert "--editable" not in called


@pytest.mark.exhaustive("test_a_step_that_has_the_archive_of_tools_asks_no_registry")
def test_the_archive_fits_the_other_kind_of_machine_that_builds_images(project: Path, packing: Packing) -> None:
    packing("riscv")
    here, other = (project / ".nova/tools/made-for").read_text().splitlines()
    assert other == re.sub(r"Linux \S+", "Linux riscv", here)
    assert "--platform=manylinux_2_28_riscv" in (project / "downloaded").read_text()


@pytest.mark.exhaustive("test_a_step_that_has_the_archive_of_tools_asks_no_registry")
def test_the_archive_has_the_cli_that_the_pipeline_updates_itself_by(packing: Packing, project: Path) -> None:
    packing()
    assert "--pack-destination ../cli aws-cdk@2.1.0" in (project / ".nova/tools/cli/packed").read_text()


@pytest.mark.exhaustive("test_a_step_that_has_the_archive_of_tools_asks_no_registry")
def test_a_package_without_a_wheel_costs_nothing_but_the_tests_their_independence(
    project: Path, packing: Packing
) -> None:
    (project / "no-wheel").touch()
    made = packing()
    assert made.stderr == (
        "tools: not all packages of requirements-tests.txt have wheels: tests of a deployed environment ask PyPI\n"
    )
    shutil.rmtree(project / ".venv")
    done = from_archive(project, "tests")
    assert done.returncode == 0
    assert done.stderr == "setting up: .nova/tools: lacks packages, see above: asking PyPI\n"
    synced = [line for line in (project / "called").read_text().splitlines() if "pip sync" in line]
    assert [line.endswith("no index") for line in synced] == [True, False]


@pytest.mark.exhaustive("test_a_step_that_has_the_archive_of_tools_asks_no_registry")
def test_what_the_archive_gives_is_still_checked_by_the_locks_hashes(packed: Path) -> None:
    from_archive(packed)
    assert "--require-hashes" in (packed / "called").read_text()


def without_archive(root: Path) -> None:
    shutil.rmtree(root / ".nova")


def for_another_lock(root: Path) -> None:
    (root / "requirements.txt").write_text("another\n")


def for_another_python(root: Path) -> None:
    add_python(root.parent, "python3", "3.13.0")


def damaged(root: Path) -> None:
    (root / ".nova/tools/wheels/a.whl").write_text("another wheel")


@pytest.mark.exhaustive("test_a_step_that_has_the_archive_of_tools_asks_no_registry")
@pytest.mark.parametrize(
    ("fault", "why"),
    one_of_each(
        [
            (without_archive, "there is none"),
            (for_another_lock, "it was made for other locks, another Python or another kind of machine"),
            (for_another_python, "it was made for other locks, another Python or another kind of machine"),
            (damaged, "it is damaged"),
        ],
        kind=lambda case: case[1],
    ),
)
def test_an_archive_that_does_not_fit_is_named_and_the_registries_are_asked(
    packed: Path, fault: Callable[[Path], None], why: str
) -> None:
    fault(packed)
    done = from_archive(packed)
    assert done.returncode == 0
    assert done.stderr == (
        f"setting up: .nova/tools: no archive of tools to install from, {why}: asking PyPI and npm\n"
    )
    called = (packed / "called").read_text()
    assert "pip" in called
    assert "no index" not in called
    assert "offline" not in called


@pytest.mark.exhaustive("test_a_step_that_has_the_archive_of_tools_asks_no_registry")
def test_a_developer_s_packages_do_not_come_from_the_archive_which_lacks_them(packed: Path) -> None:
    done = setup(packed, NOVA_TOOLS=".nova/tools")
    assert (done.returncode, done.stderr) == (0, "")
    assert "no index" not in (packed / "called").read_text()
