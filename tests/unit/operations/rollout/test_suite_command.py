"""A suite's command: what it is given, what it is not, and how it ends."""

import os
import re
from pathlib import Path

import pytest

from nova_infra.operations.rollout.suite.command import SuiteCommand


def suite(command: str, tmp_path: Path, told: list[str]) -> SuiteCommand:
    return SuiteCommand(command, "https://x.example", tmp_path, tmp_path / "log", told.append, 0.05)


@pytest.mark.exhaustive("test_it_gets_no_credentials")
def test_it_gets_an_address_that_leads_to_new_revisions_and_the_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "intranet.example")
    told: list[str] = []
    command = 'echo "$BASE_URL $NO_PROXY $no_proxy $NOVA_TEST_HEADER"'
    assert suite(command, tmp_path, told).run(lambda: True, 60) == ""
    [(address, *rest)] = [line.split(maxsplit=3) for line in told]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address)
    assert rest == ["intranet.example,127.0.0.1", "127.0.0.1", "x-nova-test: new-revision"]


def test_it_gets_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("AWS_SECRET_ACCESS_KEY", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
    for name in names:
        monkeypatch.setenv(name, "secret")
    told: list[str] = []
    assert suite("env", tmp_path, told).run(lambda: True, 60) == ""
    assert not [line for line in told if "secret" in line]
    assert all(os.environ[name] == "secret" for name in names)


def test_red_tests_are_named(tmp_path: Path) -> None:
    lines = "FAILED a.py::test_one - assert 0\\nFAILED a.py::test_two\\nFAILED a.py::test_three"
    why = suite(f"printf '{lines}\\n'; exit 1", tmp_path, []).run(lambda: True, 60)
    assert why.startswith("FAILED a.py::test_one")
    assert why.endswith("and 1 more")


@pytest.mark.exhaustive("test_red_tests_are_named")
def test_a_command_that_fails_before_any_test_says_so(tmp_path: Path) -> None:
    assert suite("exit 3", tmp_path, []).run(lambda: True, 60) == "`exit 3` exited with 3"


def test_it_is_stopped_when_nobody_waits_for_it_any_more(tmp_path: Path) -> None:
    why = suite("echo $$ > pid; sleep 600", tmp_path, []).run(lambda: not (tmp_path / "pid").exists(), 60)
    assert "was stopped: nobody waits for it any more" in why
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_it_is_red_when_its_time_is_over(tmp_path: Path) -> None:
    assert suite("sleep 600", tmp_path, []).run(lambda: True, 0) == "`sleep 600` did not end within 1 min"
