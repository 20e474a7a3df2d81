"""Checks the repository's settings that are in no file: environments, reviewers, branch rules."""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nova_infra.config import Config
from nova_infra.errors import NovaError, RefusedError
from nova_infra.machine import git
from nova_infra.machine.scratch import scratch_directory
from nova_infra.machine.tools import ACTIONS, digest_of_tools
from nova_infra.names import REGISTRY_ENVIRONMENT
from nova_infra.operations.doctor.check import Check

Ask = Callable[[str], Any]
"""Answers a GET of GitHub's API, as parsed JSON; raises NovaError where it is refused."""

REQUIRED_CHECKS = ("Test", "CDK Synth", "Wider access")
_TOOLS = "APPROVED_TOOLS"
_SETTINGS = "docs/delivery.md, Settings of the repository"


def ask_github(path: str) -> Any:
    """GitHub's answer, by the ``gh`` command with its signed-in user.

    Raises:
        RefusedError: There is no such command, nobody is signed in, or GitHub refuses.
    """
    try:
        result = subprocess.run(["gh", "api", path], check=False, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        raise RefusedError(
            "gh: not found, or no answer: install GitHub's command line and run `gh auth login`"
        ) from None
    if result.returncode:
        raise RefusedError(f"gh: {(result.stderr.strip().splitlines() or ['refused'])[-1]}")
    try:
        return json.loads(result.stdout)
    except ValueError:
        raise RefusedError("gh: answered no JSON") from None


def committed_tools(root: Path) -> str | None:
    """The digest of the release tools in the last commit, without edits since.

    Returns:
        None where git has no commit of it.

    Raises:
        NovaError: Git cannot read the commit, or there is no room for its files.
    """
    if git.why_unreadable(root) is not None:
        return None
    with scratch_directory("tools") as directory:
        git.check_out(root, "HEAD", Path(directory))
        return digest_of_tools(Path(directory), also=(ACTIONS,))


def github_checks(config: Config, ask: Ask, *, tools: str | None) -> Iterator[Check]:
    """Checks whether the repository's settings are as the delivery needs them.

    Args:
        tools: The digest of the last commit's tools, with which an environment's ``APPROVED_TOOLS`` is compared; None
            where nothing is committed.
    """
    repository = f"repos/{config.source.repository}"
    try:
        found = ask(repository)
    except NovaError as error:
        yield Check(None, f"not checked: {error}")
        return
    yield from _repository(config, found)
    yield _branch(config, ask)
    if config.delivery.engine == "github-actions":
        try:
            environments = {each["name"]: each for each in ask(f"{repository}/environments")["environments"]}
        except (NovaError, KeyError, TypeError) as error:
            yield Check(None, f"the environments: not known: {error}")
            return
        approvals = {each.name: each.approval for each in config.environments} | {REGISTRY_ENVIRONMENT: True}
        for name, approval in approvals.items():
            yield _environment(name, environments.get(name), approval=approval)
            if approval and name in environments:
                yield _approved_tools(f"{repository}/environments/{name}/variables", name, ask, tools)


def _repository(config: Config, found: Mapping[str, Any]) -> Iterator[Check]:
    branch = config.source.branch
    right = found.get("default_branch") == branch
    yield Check(
        right,
        f"the default branch is {found.get('default_branch')}",
        "" if right else f"make it {branch}: pull requests are judged by the default branch's code",
    )
    ids = config.delivery.github_ids
    if ids is not None:
        own = (found.get("owner", {}).get("id"), found.get("id"))
        right = own == (ids.owner, ids.repository)
        remedy = f"write github_ids = {{ owner = {own[0]}, repository = {own[1]} }} under [delivery]"
        yield Check(right, f"the ids of owner and repository are {own[0]} and {own[1]}", "" if right else remedy)


def _branch(config: Config, ask: Ask) -> Check:
    """Rules of both kinds: those of rulesets, and the older protection of one branch, which only administrators see."""
    branch = config.source.branch
    place = f"repos/{config.source.repository}"
    reviewed, checked, unknown = False, set[str](), []
    try:
        for rule in ask(f"{place}/rules/branches/{branch}"):
            given = rule.get("parameters", {})
            reviewed |= rule["type"] == "pull_request" and bool(given.get("require_code_owner_review"))
            checked |= {each["context"] for each in given.get("required_status_checks", ())}
    except (NovaError, KeyError, TypeError) as error:
        unknown.append(str(error))
    try:
        protection = ask(f"{place}/branches/{branch}/protection")
        reviewed |= bool(protection.get("required_pull_request_reviews", {}).get("require_code_owner_reviews"))
        checked |= set(protection.get("required_status_checks", {}).get("contexts", ()))
    except (NovaError, AttributeError) as error:
        unknown.append(str(error))
    missing = [name for name in REQUIRED_CHECKS if name not in checked]
    if reviewed and not missing:
        return Check(True, f"{branch} accepts only reviewed pull requests with {', '.join(REQUIRED_CHECKS)}")
    if len(unknown) == 2:
        return Check(None, f"the rules of {branch}: not known: {unknown[0]}")
    lacks = [*([] if reviewed else ["a review by code owners"]), *(f"the check {name}" for name in missing)]
    return Check(False, f"{branch} does not require {', '.join(lacks)}", f"protect the branch: {_SETTINGS}")


def _environment(name: str, found: Mapping[str, Any] | None, *, approval: bool) -> Check:
    if found is None:
        return Check(False, f"no environment {name}", f"create it: {_SETTINGS}")
    faults = []
    rules = [rule for rule in found.get("protection_rules", ()) if rule.get("type") == "required_reviewers"]
    if approval and not any(rule.get("reviewers") for rule in rules):
        faults.append("has no required reviewers")
    elif approval and not any(rule.get("prevent_self_review") for rule in rules):
        faults.append("lets people approve what they started")
    if approval and found.get("can_admins_bypass"):
        faults.append("lets administrators go past its rules")
    if not found.get("deployment_branch_policy"):
        faults.append("accepts deployments from any branch")
    if faults:
        return Check(False, f"the environment {name} {' and '.join(faults)}", f"set it up: {_SETTINGS}")
    approved = ", after an approval" if approval else ""
    return Check(True, f"the environment {name} accepts deployments from chosen branches{approved}")


def _approved_tools(place: str, name: str, ask: Ask, tools: str | None) -> Check:
    """Whether the jobs of an environment run only approved tools, and whether these are the last commit's."""
    what = f"{_TOOLS} of the environment {name}"
    if tools is None:
        return Check(None, f"{what}: not compared: nothing is committed here", "commit first")
    setting = f"read what has changed in them, then: gh variable set {_TOOLS} --env {name} --body {tools}"
    try:
        values = {each["name"]: each["value"] for each in ask(f"{place}?per_page=30")["variables"]}
    except (NovaError, KeyError, TypeError) as error:
        return Check(None, f"{what}: not known: {error}")
    approved = values.get(_TOOLS)
    if not approved:
        return Check(None, f"{what} is not set: its jobs run the tools of every commit", f"to compare them, {setting}")
    if approved == tools:
        return Check(True, f"{what} names the tools of the last commit here")
    return Check(False, f"{what} names other tools than the last commit here: {name} refuses that", setting)
