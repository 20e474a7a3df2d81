"""The commands of a build share a shell."""

import subprocess
from pathlib import Path

import pytest

from nova_infra.rehearsal.delivery.build_spec import in_one_shell


@pytest.mark.parametrize(
    ("install", "commands", "run"),
    [
        ([], ["make a", "make b"], ("make a", "make b")),
        ([], ["A=1 make a", "make b"], ("A=1 make a", "make b")),
        (["cd infra", "npm ci"], ["npx x"], ("{ cd infra\n} && { npx x\n}",)),
        ([], ["make a", "URL=$(echo x)", "echo $URL"], ("make a", "{ URL=$(echo x)\n} && { echo $URL\n}")),
        ([], ["export A=1"], ("export A=1",)),
        ([], [], ()),
    ],
)
def test_what_changes_the_shell_is_run_with_what_follows(
    install: list[str], commands: list[str], run: tuple[str, ...]
) -> None:
    assert in_one_shell(install, commands) == run


def test_the_first_failure_ends_them(tmp_path: Path) -> None:
    [script] = in_one_shell([], [f"cd {tmp_path}", "touch a || true", "false", "touch b"])
    assert subprocess.run(["/bin/sh", "-c", script], check=False).returncode == 1
    assert [each.name for each in tmp_path.iterdir()] == ["a"]
