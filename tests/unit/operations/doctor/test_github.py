"""The repository's settings, as GitHub's API answers them."""

import copy
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nova_infra.config import Config, GitHubIds
from nova_infra.errors import RefusedError
from nova_infra.machine.tools import ACTIONS, digest_of_tools
from nova_infra.operations.doctor.github import ask_github, committed_tools, github_checks

PLACE = "repos/org/nova-platform"
TOOLS = "ab" * 32
VARIABLES, OF_REGISTRY = (f"{PLACE}/environments/{name}/variables?per_page=30" for name in ("prod", "registry"))
BRANCHES = {"protected_branches": False, "custom_branch_policies": True}
GOOD: dict[str, Any] = {
    PLACE: {"default_branch": "main", "id": 345, "owner": {"id": 12}},
    f"{PLACE}/rules/branches/main": [
        {"type": "pull_request", "parameters": {"require_code_owner_review": True}},
        {
            "type": "required_status_checks",
            "parameters": {
                "required_status_checks": [{"context": c} for c in ("Test", "CDK Synth", "Wider access", "Rehearse")]
            },
        },
    ],
    OF_REGISTRY: {"total_count": 0, "variables": []},
    VARIABLES: {"total_count": 1, "variables": [{"name": "APPROVED_TOOLS", "value": TOOLS}]},
    f"{PLACE}/environments": {
        "environments": [
            # No approval, so nothing for an administrator to go past.
            {
                "name": "dev",
                "protection_rules": [],
                "deployment_branch_policy": BRANCHES,
                "can_admins_bypass": True,
            },
            {"name": "staging", "protection_rules": [], "deployment_branch_policy": BRANCHES},
            {
                "name": "prod",
                "protection_rules": [
                    {"type": "required_reviewers", "reviewers": [{"type": "Team"}], "prevent_self_review": True}
                ],
                "deployment_branch_policy": BRANCHES,
                "can_admins_bypass": False,
            },
            {
                "name": "registry",
                "protection_rules": [
                    {"type": "required_reviewers", "reviewers": [{"type": "User"}], "prevent_self_review": True}
                ],
                "deployment_branch_policy": BRANCHES,
                "can_admins_bypass": False,
            },
        ]
    },
}


def look(config: Config, answers: Mapping[str, Any], *, tools: str | None = TOOLS) -> list[tuple[bool | None, str]]:
    def ask(path: str) -> Any:
        if path not in answers:
            raise RefusedError("gh: Not Found (HTTP 404)")
        return answers[path]

    return [(check.right, check.what) for check in github_checks(config, ask, tools=tools)]


@pytest.fixture
def answers() -> dict[str, Any]:
    return copy.deepcopy(GOOD)


def test_settings_as_they_should_be(github_config: Config, answers: dict[str, Any]) -> None:
    assert look(github_config, answers) == [
        (True, "the default branch is main"),
        (True, "main accepts only reviewed pull requests with Test, CDK Synth, Wider access"),
        (True, "the environment dev accepts deployments from chosen branches"),
        (True, "the environment staging accepts deployments from chosen branches"),
        (True, "the environment prod accepts deployments from chosen branches, after an approval"),
        (True, "APPROVED_TOOLS of the environment prod names the tools of the last commit here"),
        (True, "the environment registry accepts deployments from chosen branches, after an approval"),
        (None, "APPROVED_TOOLS of the environment registry is not set: its jobs run the tools of every commit"),
    ]


def test_the_older_protection_of_a_branch_counts_as_well(config: Config, answers: dict[str, Any]) -> None:
    answers[f"{PLACE}/rules/branches/main"] = []
    answers[f"{PLACE}/branches/main/protection"] = {
        "required_pull_request_reviews": {"require_code_owner_reviews": True},
        "required_status_checks": {"contexts": ["Test", "CDK Synth", "Wider access"]},
    }
    assert look(config, answers)[1][0] is True


def test_without_rules_what_is_missing_is_named(config: Config, answers: dict[str, Any]) -> None:
    answers[f"{PLACE}/rules/branches/main"] = [{"type": "pull_request", "parameters": {}}]
    assert look(config, answers)[1] == (
        False,
        "main does not require a review by code owners, the check Test, the check CDK Synth, the check Wider access",
    )


def test_rules_that_nobody_may_read_are_not_known(config: Config, answers: dict[str, Any]) -> None:
    del answers[f"{PLACE}/rules/branches/main"]
    assert look(config, answers)[1] == (None, "the rules of main: not known: gh: Not Found (HTTP 404)")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"protection_rules": []}, "has no required reviewers"),
        ({"protection_rules": [{"type": "required_reviewers", "reviewers": []}]}, "has no required reviewers"),
        (
            {"protection_rules": [{"type": "required_reviewers", "reviewers": [1], "prevent_self_review": False}]},
            "lets people approve what they started",
        ),
        ({"can_admins_bypass": True}, "lets administrators go past its rules"),
        ({"deployment_branch_policy": None}, "accepts deployments from any branch"),
    ],
)
def test_an_environment_that_protects_nothing(
    github_config: Config, answers: dict[str, Any], change: dict[str, Any], fault: str
) -> None:
    for place, name in ((2, "prod"), (3, "registry")):
        answers[f"{PLACE}/environments"]["environments"][place] |= change
        assert (False, f"the environment {name} {fault}") in look(github_config, answers)


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ([], (None, " is not set: its jobs run the tools of every commit")),
        ([{"name": "OTHER", "value": TOOLS}], (None, " is not set: its jobs run the tools of every commit")),
        (
            [{"name": "APPROVED_TOOLS", "value": "cd" * 32}],
            (False, " names other tools than the last commit here: prod refuses that"),
        ),
        (
            [{"name": "APPROVED_TOOLS", "value": "unset"}],
            (False, " names other tools than the last commit here: prod refuses that"),
        ),
    ],
)
def test_approved_tools_that_are_missing_or_of_another_commit(
    github_config: Config, answers: dict[str, Any], variables: list[dict[str, str]], found: tuple[bool | None, str]
) -> None:
    answers[VARIABLES] = {"variables": variables}
    right, what = found
    assert (right, f"APPROVED_TOOLS of the environment prod{what}") in look(github_config, answers)


def test_edits_that_are_not_committed_are_not_what_jobs_run(tmp_path: Path) -> None:
    for name in ("Makefile", f"{ACTIONS}/set-up/action.yml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("first\n")
    assert committed_tools(tmp_path) is None, "there is no repository"
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    for arguments in (["init", "--quiet"], ["add", "."], [*identity, "commit", "--quiet", "--message=first"]):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    committed = digest_of_tools(tmp_path, also=(ACTIONS,))
    (tmp_path / "Makefile").write_text("edited\n")
    (tmp_path / ACTIONS / "set-up" / "action.yml").write_text("edited\n")
    assert committed_tools(tmp_path) == committed != digest_of_tools(tmp_path, also=(ACTIONS,))


def test_without_a_commit_approved_tools_are_not_compared(github_config: Config, answers: dict[str, Any]) -> None:
    said = "APPROVED_TOOLS of the environment prod: not compared: nothing is committed here"
    assert (None, said) in look(github_config, answers, tools=None)


def test_approved_tools_that_nobody_may_read_are_not_known(github_config: Config, answers: dict[str, Any]) -> None:
    del answers[VARIABLES]
    said = "APPROVED_TOOLS of the environment prod: not known: gh: Not Found (HTTP 404)"
    assert (None, said) in look(github_config, answers)


def test_an_environment_that_does_not_exist(github_config: Config, answers: dict[str, Any]) -> None:
    del answers[f"{PLACE}/environments"]["environments"][0]
    assert (False, "no environment dev") in look(github_config, answers)


def test_another_default_branch_and_other_ids(github_config: Config, answers: dict[str, Any]) -> None:
    answers[PLACE] |= {"default_branch": "develop", "id": 346}
    delivery = github_config.delivery.model_copy(update={"github_ids": GitHubIds(owner=12, repository=345)})
    found = look(github_config.model_copy(update={"delivery": delivery}), answers)
    assert found[:2] == [
        (False, "the default branch is develop"),
        (False, "the ids of owner and repository are 12 and 346"),
    ]


def test_without_access_nothing_is_said_to_be_wrong(config: Config) -> None:
    assert look(config, {}) == [(None, "not checked: gh: Not Found (HTTP 404)")]


def test_without_the_command_line_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RefusedError, match="run `gh auth login`"):
        ask_github(PLACE)
