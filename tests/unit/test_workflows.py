"""The workflows, held against what they call: commands, options, outputs, roles, the configuration and the design."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from helpers.assembly import Assembly
from helpers.workflow_steps import ACTION_TEXTS, WORKFLOWS, commands
from helpers.workflows import (
    CONFIGURATIONS,
    EXAMPLE,
    example,
    parsed,
)
from nova_infra.cli.main import nova
from nova_infra.config import Config, parse_config
from nova_infra.github import deploy_session_seconds, outputs
from nova_infra.scaffold.workflows import workflows

# What the deployment design draws: job to the jobs that it waits for; `cdk-synth` says what the assembly is known by.
NEEDS = {
    "test": [],
    "coverage": [],
    "cdk-synth": ["test"],
    "registry": ["test", "cdk-synth"],
    "repositories": ["registry"],
    "build": ["test", "repositories"],
    "deploy-dev": ["build", "cdk-synth"],
    "integration-test": ["deploy-dev"],
    "deploy-staging": ["integration-test", "cdk-synth"],
    "e2e-test": ["deploy-staging"],
    "deploy-prod": ["e2e-test", "cdk-synth"],
}

BUILT = '--outputs "$GITHUB_OUTPUT" --assembly "$BUILT" --digest "$ASSEMBLY"'


@pytest.fixture(params=CONFIGURATIONS)
def delivered(request: pytest.FixtureRequest) -> Config:
    """One of several configurations: environments of other names, more of them and fewer, with other tests."""
    return CONFIGURATIONS[request.param]


@pytest.fixture
def deploy(delivered: Config) -> dict[str, Any]:
    """The jobs that deliver that configuration."""
    found: dict[str, Any] = parsed(workflows(delivered, {})["deploy.yml"])["jobs"]
    return found


DEPLOY = WORKFLOWS["deploy.yml"]["jobs"]


def needs(job: dict[str, Any]) -> list[str]:
    found = job.get("needs", [])
    return [found] if isinstance(found, str) else found


def test_the_jobs_wait_for_each_other_as_the_design_draws_it() -> None:
    assert {name: needs(job) for name, job in DEPLOY.items()} == NEEDS


def test_every_environment_waits_for_the_tests_of_the_one_before(delivered: Config, deploy: dict[str, Any]) -> None:
    before = ["build", "cdk-synth"]
    for each in delivered.environments:
        assert needs(deploy[f"deploy-{each.name}"]) == before
        after = [name for name, job in deploy.items() if needs(job) == [f"deploy-{each.name}"] and "-test" in name]
        assert len(after) == (each.tests is not None)
        before = [*(after or [f"deploy-{each.name}"]), "cdk-synth"]
    assert len(deploy) == 6 + len(delivered.environments) + sum(
        each.tests is not None for each in delivered.environments
    )


def test_every_environment_is_deployed_in_the_order_of_the_configuration(
    delivered: Config, deploy: dict[str, Any]
) -> None:
    deployed = [job["environment"]["name"] for name, job in deploy.items() if name.startswith("deploy-")]
    assert deployed == [each.name for each in delivered.environments]
    for each in delivered.environments:
        job = deploy[f"deploy-{each.name}"]
        lines = [step["run"] for step in job["steps"] if "run" in step and "vars." not in step.get("if", "")]
        assert lines == [
            *([f"make preflight ENVIRONMENT={each.name}"] if each.approval else []),
            f"nova deploy {each.name} {BUILT}",
            f"make verify ENVIRONMENT={each.name}",
        ]
        assert job["env"] == {"BUILT": "cdk.out", "ASSEMBLY": "${{ needs.cdk-synth.outputs.assembly }}"}
        [sign_in] = [step for step in job["steps"] if step.get("uses") == "./.github/actions/sign-in"]
        assert sign_in["with"] == {"environment": each.name}


def test_every_environment_is_tested_by_the_suite_that_the_configuration_names(
    delivered: Config, deploy: dict[str, Any]
) -> None:
    reports = []
    for each in delivered.environments:
        if each.tests is None:
            continue
        [job] = [job for name, job in deploy.items() if "-test" in name and needs(job) == [f"deploy-{each.name}"]]
        [step] = [step for step in job["steps"] if step.get("run") == f"make {each.tests}"]
        assert step["env"]["BASE_URL"] == f"${{{{ needs.deploy-{each.name}.outputs.url }}}}"
        assert ("make browser" in [step.get("run") for step in job["steps"]]) == (each.tests == "e2e")
        [report] = [step["with"] for step in job["steps"] if "upload-artifact" in step.get("uses", "")]
        assert step["env"]["PYTEST_ADDOPTS"] == f"--junit-xml={report['path']}"
        reports.append(report["name"])
    assert len(set(reports)) == len(reports), "an artifact's name can be used once in a run"


def test_both_engines_run_the_same_commands(assembly: Assembly) -> None:
    """But for what only one of them can: the brief is the pipeline's, whose approval comes with a message."""
    specs = [
        json.loads(project["Source"]["BuildSpec"])["phases"]
        for project in assembly.properties("NovaPipelineStack", "AWS::CodeBuild::Project")
    ]
    phases = [phase["commands"] for spec in specs for phase in spec.values() if "commands" in phase]
    piped = {command for lines in phases for command in lines if command.startswith(("make ", "nova "))}
    # A job for each service there, one build for all of them here: CodeBuild refuses builds over its quota.
    assert "make images ARCHITECTURE=x86-64" in piped
    piped = {'make image SERVICE="$SERVICE"' if "make images" in each else each for each in piped}
    delivering = [job for name, job in DEPLOY.items() if name != "coverage"]
    flowing = {step["run"] for job in delivering for step in job["steps"] if "run" in step}
    assert piped - flowing == {"make setup", "make brief ENVIRONMENT=prod"}
    assert {each for each in flowing - piped if "\n" not in each} == {
        # The pipeline deploys it when it updates itself.
        *("nova registry --early", 'nova registry --compare >> "$GITHUB_OUTPUT"', "nova registry"),
        *(f"nova deploy {name} {BUILT}" for name in ("dev", "staging", "prod")),
        'nova github outputs --built cdk.out >> "$GITHUB_OUTPUT"',  # the pipeline computes it itself
    }


def test_only_the_delivered_branch_goes_past_the_first_environment(delivered: Config, deploy: dict[str, Any]) -> None:
    branch, early = delivered.source.branch, delivered.delivery.early_branch
    made = {name: parsed(text)["on"] for name, text in workflows(delivered, {}).items()}
    push = made["deploy.yml"]["push"]
    assert push["branches"] == [branch, *([early] if early else [])]
    assert push.get("paths-ignore", []) == list(delivered.source.ignore_paths)
    assert [made[f"{each}.yml"]["pull_request"]["branches"] for each in ("deploy", "pull-request")] == [[branch]] * 2
    first, *others = delivered.environments
    assert "if" not in deploy[f"deploy-{first.name}"]
    for each in others:
        assert deploy[f"deploy-{each.name}"]["if"] == f"github.ref == 'refs/heads/{branch}'"


def test_nothing_is_built_or_deployed_while_another_engine_delivers(deploy: dict[str, Any]) -> None:
    gate = "github.event_name == 'push' && needs.test.outputs.engine == 'github-actions'"
    assert deploy["build"]["if"] == deploy["registry"]["if"] == gate
    # Every other job with credentials waits for that one, and is skipped with it: none asks to run all the same.
    for name, job in deploy.items():
        if "id-token" in job["permissions"] and name not in ("build", "registry", "repositories"):
            assert not re.search(r"always|cancelled|failure", job.get("if", ""))
            waits = set(needs(job))
            while waits - {"build"} and "build" not in waits:
                waits = {other for each in waits for other in needs(deploy[each])}
            assert "build" in waits, name


def test_one_image_is_built_for_each_service_of_the_configuration_where_it_can_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = DEPLOY["build"]
    assert build["strategy"]["matrix"] == {"service": "${{ fromJSON(needs.test.outputs.services) }}"}
    (tmp_path / "nova.toml").write_text(
        EXAMPLE.read_text().partition("[[services]]")[0]
        + '[[services]]\nname = "pictures"\n[[services]]\nname = "letters"\narchitecture = "arm64"\n'
    )
    for name in ("pictures", "letters"):
        (tmp_path / "services" / name).mkdir(parents=True)
        (tmp_path / "services" / name / "Dockerfile").touch()
    monkeypatch.chdir(tmp_path)
    printed = CliRunner().invoke(nova, ["services", "--json"], catch_exceptions=False)
    assert json.loads(printed.output) == [
        {"name": "pictures", "architecture": "x86-64"},
        {"name": "letters", "architecture": "arm64"},
    ]
    runners = dict(re.findall(r"architecture == '(\S+)' && '(\S+)'", build["runs-on"]))
    assert runners == {"arm64": "ubuntu-24.04-arm"}


def test_the_assembly_is_made_once_and_deployed_as_it_is() -> None:
    assert sum("synth" in line for place, line in commands() if place.startswith("deploy.yml")) == 1
    uploads = [s["with"] for s in DEPLOY["cdk-synth"]["steps"] if "upload-artifact" in s.get("uses", "")]
    assert {each["name"]: each["path"] for each in uploads} == {"cdk-out": "cdk.out", "tools": ".nova/tools"}
    for name, job in DEPLOY.items():
        if name.startswith("deploy-") or name in ("registry", "repositories"):
            [download] = [s["with"] for s in job["steps"] if "download-artifact" in s.get("uses", "")]
            assert download == {"name": "cdk-out", "path": "cdk.out"}


def test_every_output_that_is_read_is_written(delivered: Config, deploy: dict[str, Any]) -> None:
    written = {"project": {*outputs(delivered), "services"}, "target": set(outputs(delivered))}
    written |= {
        "deploy": {"url"},
        "diff": {"verdict"},
        "assembly": {"assembly"},
        "tools": {"run"},
        "repositories": {"changed"},
    }
    for file, text in {**workflows(delivered, {}), **ACTION_TEXTS}.items():
        for step, output in re.findall(r"steps\.(\S+?)\.outputs\.([\w-]+)", text):
            assert output in written[step], (file, step, output)
    for name, job in deploy.items():
        for other, output in re.findall(r"needs\.([\w-]+)\.outputs\.([\w-]+)", json.dumps(job)):
            assert other in needs(job), (name, other)
            assert output in deploy[other]["outputs"], (name, other, output)


def test_the_rollback_offers_every_environment(delivered: Config) -> None:
    inputs = parsed(workflows(delivered, {})["rollback.yml"])["on"]["workflow_dispatch"]["inputs"]
    assert inputs["environment"]["options"] == [each.name for each in delivered.environments]


def test_coverage_is_kept_and_shown_and_goes_to_codecov_where_there_is_a_token(deploy: dict[str, Any]) -> None:
    steps_ = {step["name"]: step for step in deploy["coverage"]["steps"] if "name" in step}
    assert steps_["Coverage"]["run"] == "make coverage"
    assert steps_["Show the figure"]["run"].endswith('>> "$GITHUB_STEP_SUMMARY"')
    kept = steps_["Keep the report"]["with"]["path"].split()
    assert kept == ["coverage.xml", ".nova/coverage/html"]
    upload = steps_["Upload Coverage"]
    assert upload["if"] == "env.CODECOV == 'true'"
    assert deploy["coverage"]["env"] == {"CODECOV": "${{ secrets.CODECOV_TOKEN != '' }}"}
    assert upload["with"] == {"files": "coverage.xml", "token": "${{ secrets.CODECOV_TOKEN }}"}


def test_every_job_has_what_it_needs_and_a_limit() -> None:
    allowed = {"contents": "read", "id-token": "write"}
    for file, workflow in WORKFLOWS.items():
        assert workflow["permissions"] == {}, file
        for name, job in workflow["jobs"].items():
            assert 0 < job["timeout-minutes"] <= 360, (file, name)
            if file == "judge.yml":
                continue
            # It reads the artifacts of another run.
            more = {"actions": "read"} if file == "rollback.yml" else {}
            assert job["permissions"].items() <= {**allowed, **more}.items(), (file, name)
            signs_in = any(step.get("uses") == "./.github/actions/sign-in" for step in job["steps"])
            assert signs_in == ("id-token" in job["permissions"]), (file, name)


def test_a_suite_that_answers_a_gate_has_a_job_beside_the_deployment() -> None:
    raw = example()
    raw["environments"][-1] |= {"tests": "e2e"}
    raw["environments"][-1]["rollout"] |= {"gate": "suite"}
    delivered = parse_config(raw)
    jobs = parsed(workflows(delivered, {})["deploy.yml"])["jobs"]
    name = delivered.environments[-1].name
    gate, deployment = jobs[f"gate-{name}"], jobs[f"deploy-{name}"]
    assert [each for each in jobs if each.startswith("gate-")] == [f"gate-{name}"]
    for key in ("needs", "if", "permissions", "timeout-minutes"):
        assert gate[key] == deployment[key]
    assert gate["environment"]["name"] == deployment["environment"]["name"]  # asked with the same approval
    assert gate["concurrency"] != deployment["concurrency"]  # or one would wait for the other
    run = [step.get("run") for step in gate["steps"] if "run" in step and "vars." not in step.get("if", "")]
    assert run == ["make browser", f"make gate ENVIRONMENT={name}"]
    assert gate["steps"][-1]["env"] == {
        "GATED": " ".join(service.name for service in delivered.services),
        "SUITE": "make e2e",
    }


def test_a_suite_that_is_load_alone_has_the_same_job(raw: dict[str, Any]) -> None:
    raw["environments"][-1]["tests"] = "e2e"
    raw["services"][1]["environments"] = {raw["environments"][-1]["name"]: {"rollout": {"load": "suite"}}}
    delivered = parse_config(raw)
    gate = parsed(workflows(delivered, {})["deploy.yml"])["jobs"][f"gate-{delivered.environments[-1].name}"]
    assert gate["steps"][-1]["env"] == {"LOADED": delivered.services[1].name, "SUITE": "make e2e"}


def test_a_job_that_gets_credentials_installs_what_the_commands_need_and_no_other_job_does(delivered: Config) -> None:
    for file, text in workflows(delivered, {}).items():
        for name, job in parsed(text)["jobs"].items():
            set_up = [step for step in job["steps"] if step.get("uses") == "./.github/actions/setup"]
            runtime = [step.get("with", {}).get("runtime") == "true" for step in set_up]
            # The suite that answers for new revisions needs both: credentials, and what tests import.
            credentials = "id-token" in job["permissions"] and not name.startswith("gate-")
            assert all(each is credentials for each in runtime), (file, name)


def test_the_tools_are_packed_and_kept_for_the_jobs_that_follow() -> None:
    [upload] = [s["with"] for s in DEPLOY["cdk-synth"]["steps"] if s.get("with", {}).get("name") == "tools"]
    assert upload["path"] == ".nova/tools"
    assert upload["include-hidden-files"]
    [packs] = [n for n, s in enumerate(DEPLOY["cdk-synth"]["steps"]) if s.get("run") == "make tools"]
    assert DEPLOY["cdk-synth"]["steps"][packs + 1]["with"] == upload


def test_no_job_after_build_needs_a_registry_of_packages(delivered: Config) -> None:
    texts = workflows(delivered, {})
    jobs = parsed(texts["deploy.yml"])["jobs"]
    packed, names = {"cdk-synth"}, set()
    while more := {name for name, job in jobs.items() if packed & {*needs(job)}} - packed:
        packed |= more
        names |= more
    after = {name: (jobs[name], "${{ github.run_id }}") for name in names}
    assert {"registry", "build", *(f"deploy-{each.name}" for each in delivered.environments)} <= after.keys()
    back = parsed(texts["rollback.yml"])["jobs"]["rollback"]
    after["rollback"] = (back, "${{ steps.tools.outputs.run || 'none' }}")
    for name, (job, tools) in after.items():
        [set_up] = [s["with"] for s in job["steps"] if s.get("uses") == "./.github/actions/setup"]
        assert set_up.keys() - {"tools"} <= {"runtime", "tests"}, name
        assert set_up["tools"] == tools, name
        assert "true" in (set_up.get("runtime"), set_up.get("tests")), name
        run = "\n".join(step.get("run", "") for step in job["steps"])
        assert not re.search(r"\b(pip|npm|npx|uvx?|pipx|yarn|curl|wget) ", run), name


def test_no_deployment_is_ever_cancelled(deploy: dict[str, Any]) -> None:
    flow = WORKFLOWS["deploy.yml"]["concurrency"]
    assert flow["cancel-in-progress"] == "${{ github.event_name == 'pull_request' }}"
    for name, job in deploy.items():
        if name.startswith("deploy-"):
            assert job["concurrency"] == {"group": f"deploy-{job['environment']['name']}", "cancel-in-progress": False}
    assert WORKFLOWS["rollback.yml"]["concurrency"]["cancel-in-progress"] is False


def test_a_job_outlasts_what_it_waits_for_and_not_its_credentials(delivered: Config, deploy: dict[str, Any]) -> None:
    for each in delivered.environments:
        minutes = deploy[f"deploy-{each.name}"]["timeout-minutes"]
        assert each.rollout.minutes() + 60 <= minutes <= min(360, deploy_session_seconds(delivered, each) / 60)
