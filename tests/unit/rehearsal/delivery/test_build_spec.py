"""The commands of a build share a shell."""

import subprocess
from pathlib import Path

import pytest

from nova_infra.rehearsal.delivery.build_spec import in_one_shell

OR_ENDS = "\n(exit $?) || exit\n"


@pytest.mark.parametrize(
    ("install", "commands", "run"),
    [
        ([], ["make a", "make b"], ("make a", "make b")),
        ([], ["A=1 make a", "make b"], ("A=1 make a", "make b")),
        (["cd infra", "npm ci"], ["npx x"], (f"cd infra{OR_ENDS}npx x",)),
        ([], ["make a", "URL=$(echo x)", "echo $URL"], ("make a", f"URL=$(echo x){OR_ENDS}echo $URL")),
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


@pytest.mark.parametrize(
    ("commands", "status", "said"),
    [
        (["set -e\nfalse\necho tests-done", "echo next"], 1, ""),
        (["set -e", "(exit 3)", "echo next"], 3, ""),
        (["(exit 3)\n", "echo next"], 3, ""),
        (["echo a && false", "echo next"], 1, "a\n"),
        (["# a comment", "echo a # another", "# the last"], 0, "a\n"),
        (["cat <<END\na\nEND", "echo $CI"], 0, "a\ntrue\n"),
        (["echo a; false; echo b", "test -f none || true"], 0, "a\nb\n"),
    ],
)
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_each_command_fails_or_not_as_it_does_alone(shell: str, commands: list[str], status: int, said: str) -> None:
    [script] = in_one_shell([], ["export CI=true", *commands])
    run = subprocess.run([shell, "-c", script], check=False, capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (status, said, "")
