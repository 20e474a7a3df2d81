"""What the workflows may do, and who may have them do it."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from helpers.workflow_steps import ACTION_TEXTS, WORKFLOWS, commands, steps
from helpers.workflows import (
    CONFIGURATIONS,
    PINNED,
    ROOT,
    TEXTS,
    parsed,
    two,
)
from nova_infra.config import parse_config
from nova_infra.machine.tools import ACTIONS, digest_of_tools
from nova_infra.scaffold import workflows as generator


def test_a_pull_request_is_judged_by_the_code_of_its_target_branch() -> None:
    """What it made is an artifact of a job without rights; what judges it checks nothing of it out."""
    review, judge = WORKFLOWS["pull-request.yml"]["jobs"], WORKFLOWS["judge.yml"]
    assert judge["on"] == {
        "workflow_run": {"workflows": [WORKFLOWS["pull-request.yml"]["name"]], "types": ["completed"]}
    }
    for job in review.values():
        assert job["permissions"] == {"contents": "read"}
    [upload] = [s["with"] for s in review["synth"]["steps"] if "upload-artifact" in s.get("uses", "")]
    diff = judge["jobs"]["diff"]["steps"]
    [download] = [step["with"] for step in diff if "download-artifact" in step.get("uses", "")]
    assert download["name"] == upload["name"]
    assert download["path"].startswith("${{ runner.temp }}"), "beside the checkout, not in it"
    assert [step["run"] for step in diff if "run" in step][:1] == ["make synth"]
    for job in judge["jobs"].values():
        for step in job["steps"]:
            if "checkout" in step.get("uses", ""):
                assert step["with"] == {"persist-credentials": False}
            assert step.get("with", {}).get("cache") is None, "a cache of the default branch's runs"


def test_what_may_write_runs_one_script_of_the_default_branch() -> None:
    job = WORKFLOWS["judge.yml"]["jobs"]["verdict"]
    assert job["permissions"] == {"contents": "read", "pull-requests": "write", "statuses": "write"}
    assert [step["run"] for step in job["steps"] if "run" in step] == ['scripts/judge.sh verdict "$VERDICT"']


def test_every_action_is_pinned_to_the_commit_of_its_release() -> None:
    """Those of the templates were compared with the actions' repositories; the others are for Dependabot to move."""
    used = set()
    for file, text in {**TEXTS, **ACTION_TEXTS}.items():
        for action, reference, comment in re.findall(r"uses: ([\w/.-]+)(?:@(\S+)(?: # (\S+))?)?$", text, re.MULTILINE):
            if action.startswith("./"):
                continue
            assert re.fullmatch(r"[0-9a-f]{40}", reference), (file, action)
            assert re.fullmatch(r"v[\d.]+", comment), (file, action)
            if file in generator.NAMES:
                assert PINNED[action] == (reference, comment), (file, action)
                used.add(action)
    assert used == set(PINNED)


def test_every_local_action_exists() -> None:
    for place, _, step in steps():
        if (action := step.get("uses", "")).startswith("./"):
            assert (ROOT / action / "action.yml").exists(), (place, action)


def test_nothing_runs_with_a_repositorys_rights_for_a_stranger() -> None:
    for file, workflow in WORKFLOWS.items():
        allowed = {"push", "pull_request", "pull_request_review", "schedule", "workflow_dispatch"}
        assert set(workflow["on"]) <= allowed | ({"workflow_run"} if file == "judge.yml" else set()), file


def test_nothing_that_a_person_writes_is_part_of_a_command() -> None:
    for place, line in commands():
        assert "${{" not in line, (place, line)


def test_no_secret_is_used_but_the_token_of_the_run_and_one_for_codecov_where_it_is_set() -> None:
    for file, text in {**TEXTS, **ACTION_TEXTS}.items():
        known = re.sub(r"\$\{\{ secrets\.CODECOV_TOKEN( != '')? \}\}", "", text)
        assert not re.search(r"secrets\.|AWS_ACCESS_KEY|AWS_SECRET", known), file


def test_a_job_that_gets_credentials_takes_no_cache_and_runs_for_no_pull_request() -> None:
    for _, job, step in steps():
        if job is not None and "id-token" in job.get("permissions", {}):
            assert step.get("with", {}).get("cache") is None
    assert "id-token" not in TEXTS["pull-request.yml"]


def test_no_checkout_leaves_a_token_behind() -> None:
    found = [step for _, _, step in steps() if step.get("uses", "").startswith("actions/checkout@")]
    assert len(found) > 8
    assert {step["with"]["persist-credentials"] for step in found} == {False}


def test_only_jobs_that_may_read_other_runs_ask_for_their_tools_by_the_api() -> None:
    """download-artifact asks the API where it has a token, and then needs the right; else it takes this run's own."""
    setup = parsed((ROOT / ".github/actions/setup/action.yml").read_text(encoding="utf-8"))
    [download] = [step["with"] for step in setup["runs"]["steps"] if "download-artifact" in step.get("uses", "")]
    assert download["github-token"] == "${{ inputs.tools != format('{0}', github.run_id) && github.token || '' }}"
    asking = {
        (name, job["permissions"].get("actions"), step["with"]["tools"] == "${{ github.run_id }}")
        for workflow in WORKFLOWS.values()
        for name, job in workflow["jobs"].items()
        for step in job["steps"]
        if step.get("with", {}).get("tools")
    }
    assert {own for *_, own in asking} == {True, False}
    assert {right for _, right, own in asking if not own} == {"read"}


def test_the_repositories_of_releases_change_only_in_the_environment_whose_reviewers_agreed() -> None:
    for delivered in CONFIGURATIONS.values():
        deploy = parsed(generator.workflows(delivered, {})["deploy.yml"])["jobs"]
        comparing, changing = deploy["registry"], deploy["repositories"]
        changed = "needs.registry.outputs.changed == 'true'"
        assert changing["environment"] == {"name": f"${{{{ {changed} && 'registry' || 'registry-unchanged' }}}}"}
        conditions = [step["if"] for step in changing["steps"]]
        assert conditions == [changed, f"{changed} && vars.APPROVED_TOOLS != ''", *[changed] * 4]
        assert changing["steps"][-1]["run"] == "nova registry"
        assert "environment" not in comparing
        early = ["nova registry --early"] if delivered.delivery.early_branch else []
        compared = [*early, 'nova registry --compare >> "$GITHUB_OUTPUT"']
        assert [step["run"] for step in comparing["steps"] if "run" in step] == compared
        # The early branch's role may not even look at them.
        branch = delivered.source.branch if early else None
        assert comparing["steps"][-1].get("if") == (branch and f"github.ref == 'refs/heads/{branch}'")


def approved_tools(jobs: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The steps of a job until its set-up, the first thing of the commit that it runs."""
    found = jobs[name]["steps"]
    place = next(at for at, step in enumerate(found) if step.get("uses") == "./.github/actions/setup")
    given: list[dict[str, Any]] = found[:place]
    return given


def refused(directory: Path, digest: str) -> str:
    """What the step says of a commit's tools; nothing where it lets them run."""
    [_, step] = approved_tools(WORKFLOWS["deploy.yml"]["jobs"], "deploy-prod")
    command = ["bash", "-e", "-c", step["run"]]
    done = subprocess.run(
        command,
        cwd=directory,
        env={"PATH": "/usr/bin:/bin", "APPROVED_TOOLS": digest},
        check=False,
        capture_output=True,
    )
    assert done.returncode == bool(done.stdout)
    return done.stdout.decode()


@pytest.fixture
def commit(tmp_path: Path) -> tuple[Path, str]:
    """A commit with tools, and the digest that its first refusal shows."""
    for name in (
        "Makefile",
        "requirements.txt",
        "scripts/setup.sh",
        "nova_infra/cli.py",
        ".github/actions/x/action.yml",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    digest = re.search(r"the commit is ([0-9a-f]{64}), and unset is approved", refused(tmp_path, "unset"))
    assert digest is not None
    return tmp_path, digest[1]


def test_the_doctor_knows_tools_by_the_digest_that_the_jobs_compare(commit: tuple[Path, str]) -> None:
    directory, digest = commit
    assert digest_of_tools(directory, also=(ACTIONS,)) == digest
    assert digest_of_tools(directory) != digest, "the actions count"
    (directory / ".venv" / "bin").mkdir(parents=True)
    (directory / ".venv" / "bin" / "python").write_text("of this machine")
    assert digest_of_tools(directory, also=(ACTIONS,)) == digest


NOT_COMPARED = {("rollback.yml", "rollback")}
"""Jobs with production's credentials that compare no tools: SECURITY.md says why, and what is left."""


@pytest.mark.exhaustive("test_workflows.py::test_a_suite_that_answers_a_gate_has_a_job_beside_the_deployment")
def test_jobs_with_productions_credentials_compare_the_tools_of_a_commit_before_they_run_any() -> None:
    """The job's text is the commit's, too, but the digest is not: SECURITY.md says what is left."""
    gated = two()
    gated["environments"][1] |= {"tests": "e2e", "rollout": {"strategy": "canary", "gate": "suite"}}
    compared = set()
    for delivered in (*CONFIGURATIONS.values(), parse_config(gated)):
        approval = {each.name: each.approval for each in delivered.environments}
        for file, text in generator.workflows(delivered, {}).items():
            for name, job in parsed(text)["jobs"].items():
                where = job.get("environment")
                if "id-token" not in job["permissions"] or where is None:
                    continue
                assert any(step.get("uses") == "./.github/actions/sign-in" for step in job["steps"]), name
                environment = where["name"] if isinstance(where, dict) else where
                compares = approval.get(environment, True) and (file, name) not in NOT_COMPARED
                checkout, *steps_before = approved_tools({name: job}, name)
                compare = [step for step in steps_before if "APPROVED_TOOLS" in str(step)]
                assert "checkout" in checkout["uses"]
                when = "needs.registry.outputs.changed == 'true' && " if name == "repositories" else ""
                assert [step["if"] for step in compare] == [f"{when}vars.APPROVED_TOOLS != ''"] * compares, (file, name)
                assert all(step["env"] == {"APPROVED_TOOLS": "${{ vars.APPROVED_TOOLS }}"} for step in compare)
                compared |= {name.partition("-")[0]} if compare else set()
    assert compared == {"deploy", "gate", "repositories"}, "a configuration of the tests has each of them"


@pytest.mark.parametrize(
    "name", one_of_each(["services/audio/main.py", "nova.toml", "docs/delivery.md", "tests/test_new.py"])
)
def test_a_commit_with_the_approved_tools_is_let_through(commit: tuple[Path, str], name: str) -> None:
    directory, digest = commit
    (directory / name).parent.mkdir(parents=True, exist_ok=True)
    (directory / name).write_text("changed")
    assert refused(directory, digest) == ""


@pytest.mark.parametrize(
    "name",
    one_of_each(
        [
            *(
                "Makefile",
                "GNUmakefile",
                "requirements.txt",
                "requirements-dev.txt",
                "package-lock.json",
                ".npmrc",
                "uv.toml",
            ),
            *(
                "scripts/setup.sh",
                "nova_infra/cli.py",
                "nova_infra/__pycache__/cli.pyc",
                ".github/actions/x/action.yml",
            ),
            *(".venv/bin/python", "node_modules/.bin/cdk"),
        ]
    ),
)
def test_a_commit_with_other_tools_is_refused_and_the_line_says_what_to_do(commit: tuple[Path, str], name: str) -> None:
    directory, digest = commit
    (directory / name).parent.mkdir(parents=True, exist_ok=True)
    (directory / name).write_text("changed")
    [line] = refused(directory, digest).splitlines()
    assert line.startswith("::error::tools: what this job would run")
    assert f"and {digest} is approved: read what has changed in it, then set the variable" in line
