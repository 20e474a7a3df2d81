"""Faults in the workflow that this project writes: what each comes to on GitHub, predicted before it was tried.

Sources: https://docs.github.com/en/actions/reference/workflows-and-actions, and what AWS's roles trust.
"""

import re
from pathlib import Path

import pytest

from helpers.examples import bomb
from helpers.workflows import CONFIGURATIONS, TEXTS
from nova_infra.rehearsal.delivery.definition import BuildAction, DeployAction, Pipeline, Stage
from nova_infra.rehearsal.delivery.workflows.reader import DoomedAction, Workflow, read_workflow
from nova_infra.rehearsal.delivery.workflows.syntax import WorkflowError
from nova_infra.scaffold.workflows import workflows

TEXT = TEXTS["deploy.yml"]
IMAGES = Stage("Images", (BuildAction("x86-64", 1, (), ("make images",), {}, True, False),))
NAMES = ("Dev", "Staging", "Prod")
Change = tuple[str, str, str]
"""A job, or nothing for the whole text; a pattern in it; what replaces the first place."""


def stage(name: str) -> Stage:
    stacks = [("platform", 1), ("shop", 2)]
    return Stage(
        name,
        tuple(
            DeployAction(f"{stack}.Deploy", order, f"acme-{name.lower()}-{stack}", f"{name}.json", None)
            for stack, order in stacks
        ),
    )


def read(root: Path, *changes: Change) -> Workflow:
    text = TEXT
    for job, pattern, replacement in changes:
        found = re.search(rf"^  {job}:\n(?:(?!^  \S).*\n?)*", text, re.MULTILINE) if job else re.search(r"(?s).*", text)
        assert found
        place = re.search(pattern, found.group(), re.MULTILINE)
        assert place
        changed = found.group()[: place.start()] + replacement + found.group()[place.end() :]
        assert changed != found.group()
        text = text.replace(found.group(), changed)
    return read_workflow(
        Path("deploy.yml"),
        text,
        Pipeline("acme", (IMAGES, *map(stage, NAMES))),
        branch="main",
        engine="github-actions",
        approved=["prod"],
        root=root,
        bakes=lambda action: 10 if action.stack_name == "acme-prod-shop" else 0,
    )


def said(workflow: Workflow) -> list[str]:
    """What would stop the delivery, each with ✗, and what would reach users, each with !."""
    stages = workflow.pipeline.stages
    closed = [f"✗ {each.closed_because}" for each in stages if each.closed_because]
    doomed = [f"✗ {a.name}: {a.reason}" for each in stages for a in each.actions if isinstance(a, DoomedAction)]
    return [*closed, *doomed, *(f"! {each}" for each in workflow.unsafe)]


CHECKOUT = r"      - uses: actions/checkout@.*\n        with:\n.*\n"
ENVIRONMENT = r"    environment:\n      name: (dev|prod)\n.*\n"
PERMISSIONS = r"    permissions:\n.*\n.*id-token.*\n"
IF_STAGING = r"if: github.ref == 'refs/heads/main'"
BRANCHES = r"    branches: .*\n"


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (("deploy-staging", r"needs: .*", "needs: [cdk-synth]"), "! deploy-staging does not wait for integration-test"),
        (("deploy-dev", r"needs: .*", "needs: [cdk-synth]"), "! deploy-dev does not wait for build, so the images"),
        (("deploy-staging", r".*id-token.*\n", ""), "✗ deploy-staging: ./.github/actions/sign-in: the job has no"),
        (("deploy-staging", PERMISSIONS, "    permissions: read-all\n"), "✗ deploy-staging: ./.github/actions/sign-in"),
        (("integration-test", CHECKOUT, ""), "✗ integration-test: ./.github/actions/setup: no step before it checks"),
        (
            (
                "integration-test",
                r"run: make integration",
                "run: make integration\n        working-directory: platform",
            ),
            "✗ integration-test: Integration Tests: its working directory platform does not exist",
        ),
        (
            ("", r"^permissions: {}", "permissions: {}\ndefaults: {run: {working-directory: infra}}"),
            "its working directory infra does not exist",
        ),
        (("deploy-staging", r"BUILT: cdk.out", "BUILT: cdk.ot"), "it deploys cdk.ot, but no step before it brings"),
        (("deploy-staging", r"path: cdk.out", "path: out"), "it deploys cdk.out, but no step before it brings"),
        (("deploy-staging", r"needs: .*", "needs: integration-test"), "the digest of what was built is empty"),
        (("", r"cancel-in-progress: .*", "cancel-in-progress: true"), "! a newer push cancels deploy-prod in the"),
        (
            ("", r"cancel-in-progress: .*", "cancel-in-progress: ${{ github.event_name == 'push' }}"),
            "! a newer push cancels deploy-dev in the middle",
        ),
        (("build", r"outputs.services", "outputs.service"), "✗ build: its start: GitHub cannot evaluate its matrix"),
        (("test", r'"services=', '"service='), "✗ build: its start: GitHub cannot evaluate its matrix"),
        (("build", r"service: .*", "service: []"), "✗ build: its start: GitHub finds no values 'service'"),
        (
            ("deploy-prod", ENVIRONMENT, ""),
            "the role for prod is only for jobs of the environment prod, and the job na",
        ),
        (("deploy-dev", ENVIRONMENT, ""), "the role for dev is only for jobs of the environment dev"),
        (("deploy-prod", r"name: prod\n", "name: production\n"), "and the job runs in the environment production"),
        (("build", r"    runs-on", "    environment: build\n    runs-on"), "only for jobs without an environment"),
        (("deploy-prod", r"environment: prod", "environment: staging"), "the role for staging is only for jobs of"),
        (("deploy-staging", r".*sign-in\n.*\n.*\n", ""), "✗ deploy-staging: CDK Deploy with Canary: no step before"),
        (("deploy-prod", r"github.ref ==", "github.reff =="), "✗ job deploy-prod is skipped: its condition"),
        (("deploy-prod", IF_STAGING, "if: failure()"), "✗ job deploy-prod is skipped: its condition 'failure()'"),
        (("integration-test", r"runs-on", "continue-on-error: true\n    runs-on"), "! what waits for integration-test"),
        (
            ("integration-test", r"run: make integration", "run: make integration\n        continue-on-error: true"),
            "! integration-test goes on even if make integration fails (continue-on-error)",
        ),
        (("integration-test", r"make integration$", "make integration || true"), "make integration fails (|| true)"),
        (
            ("deploy-prod", r"id: deploy", "id: deploy\n        timeout-minutes: 5"),
            "GitHub ends the step after 5 minutes",
        ),
        (
            ("deploy-staging", IF_STAGING, "if: always() && !contains(needs.*.result, 'failure')"),
            "! deploy-staging runs even if test has failed",
        ),
        (("", BRANCHES + r".*\n", "    tags: ['v*']\n"), "✗ a push to main does not start this workflow"),
        (("", BRANCHES, "    branches-ignore: [ma*]\n"), "✗ a push to main does not start this workflow"),
        (("", BRANCHES, "    branches: ['**', '!main']\n"), "✗ a push to main does not start this workflow"),
        (("", r"^  group: .*", "  group: deploy-prod"), "✗ deploy-prod: its start: GitHub cancels it"),
        (
            ("deploy-prod", r"nova deploy prod", "nova deploy staging"),
            "✗ deploy-prod: CDK Deploy with Canary: the role",
        ),
        (("deploy-prod", r"(?s).*", ""), "! no job deploys Prod, so what ran there before stays"),
        (("deploy-staging", r"run: nova deploy", "run: true # nova deploy"), "! no job deploys Staging"),
        (
            ("deploy-staging", r"id: deploy", "id: deploy\n        if: github.ref == 'refs/heads/x'"),
            "! no job deploys S",
        ),
        (("e2e-test", r"needs: .*", "needs: deploy-dev"), "! deploy-prod does not wait for deploy-staging"),
    ],
)
def test_what_a_fault_in_the_workflow_comes_to(change: Change, verdict: str, tmp_path: Path) -> None:
    assert any(verdict in each for each in said(read(tmp_path, change)))


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [("deploy-staging", IF_STAGING, "if: always() && needs.integration-test.result == 'success'")],
        [("deploy-staging", IF_STAGING, "if: ${{ !cancelled() && needs.integration-test.result == 'success' }}")],
        [("", BRANCHES, "    branches: ['ma*', develop]\n")],
        [("", BRANCHES, "    branches: ['**']\n")],
        [
            ("deploy-dev", r"nova deploy dev", 'nova deploy "$TARGET"'),
            ("deploy-dev", r"BUILT:", "TARGET: dev\n      BUILT:"),
        ],
        [("deploy-dev", r"deploy dev", "deploy ${{ env.T }}"), ("deploy-dev", r"BUILT:", "T: dev\n      BUILT:")],
        [("deploy-dev", r"run: nova deploy", "run: cd . && nova deploy")],
        # What an action of somebody's does is not known.
        [("deploy-dev", CHECKOUT, "      - uses: acme/fetch@v1\n"), ("deploy-dev", r"path: cdk.out", "path: out")],
        [("deploy-dev", r"uses: ./.github/actions/sign-in\n.*\n.*\n", "uses: ./.github/actions/log-in\n")],
        [("deploy-dev", r"path: cdk.out", "path: out\n      - run: mv out cdk.out")],
        [("deploy-dev", r"run: nova deploy", "run: time .venv/bin/nova deploy")],
        [
            (
                "integration-test",
                r"run: make integration",
                "run: make integration BASE_URL=${{ needs.deploy-dev.outputs.url }}",
            )
        ],
    ],
)
def test_an_edit_that_github_takes_is_taken(changes: list[Change], tmp_path: Path) -> None:
    read_one = read(tmp_path, *changes)
    assert said(read_one) == []
    deployed = [s.name for s in read_one.pipeline.stages if any(isinstance(a, DeployAction) for a in s.actions)]
    assert deployed == list(NAMES)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_nothing_is_wrong_with_the_workflow_that_any_configuration_gets(name: str) -> None:
    config = CONFIGURATIONS[name]
    workflow = read_workflow(
        Path("deploy.yml"),
        workflows(config, {})["deploy.yml"],
        Pipeline("acme", (IMAGES, *(stage(each.stage) for each in config.environments))),
        branch=config.source.branch,
        engine="github-actions",
        approved=[each.name for each in config.environments if each.approval],
        root=Path("/no-such-checkout"),
    )
    assert said(workflow) == []


def test_a_push_of_one_service_that_the_paths_leave_out_is_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "services" / name).mkdir(parents=True)
        (tmp_path / "services" / name / "Dockerfile").touch()
    workflow = read(tmp_path, ("", BRANCHES + r".*\n", "    branches: [main]\n    paths: ['services/b/**']\n"))
    assert workflow.unsafe == (
        "a push that changes only services/a/Dockerfile does not start this workflow, by its paths",
    )


def test_what_a_step_tolerates_does_not_stop_the_delivery(tmp_path: Path) -> None:
    tolerant = "run: make integration\n        continue-on-error: true"
    actions = {
        a.name: a
        for s in read(tmp_path, ("integration-test", r"run: make integration", tolerant)).pipeline.stages
        for a in s.actions
    }
    test = actions["integration-test: Integration Tests"]
    assert isinstance(test, BuildAction)
    assert test.commands == ("bash -e -c 'make integration' || true",)


def test_an_artifact_that_must_exist_is_looked_for(tmp_path: Path) -> None:
    actions = {
        a.name: a
        for s in read(tmp_path, ("cdk-synth", r"path: cdk.out", "path: out")).pipeline.stages
        for a in s.actions
    }
    upload = actions["cdk-synth: Upload CDK Assembly"]
    assert isinstance(upload, BuildAction)
    assert upload.commands == ("ls -d out > /dev/null",)


TESTS = """\
on:
  workflow_call:
    inputs: {suite: {default: e2e}, url: {}}
    outputs: {ran: {value: "${{ jobs.play.outputs.suite }}"}}
jobs:
  play:
    runs-on: x
    outputs: {suite: "${{ inputs.suite }}"}
    steps:
      - uses: actions/checkout@v1
      - run: make ${{ inputs.suite }}
        env: {BASE_URL: "${{ inputs.url }}"}
"""
CALL = (
    "integration-test",
    r"(?s).*",
    "  integration-test:\n    needs: deploy-dev\n    uses: ./.github/workflows/tests.yml\n"
    "    with: {suite: integration, url: '${{ needs.deploy-dev.outputs.url }}'}\n\n",
)


def test_a_workflow_of_the_same_repository_is_played_where_it_is_called(tmp_path: Path) -> None:
    (tmp_path / ".github/workflows").mkdir(parents=True)
    (tmp_path / ".github/workflows/tests.yml").write_text(TESTS)
    workflow = read(tmp_path, CALL)
    assert said(workflow) == []
    actions = [a for s in workflow.pipeline.stages if s.name == "Dev" for a in s.actions if isinstance(a, BuildAction)]
    assert actions[-1].name == "integration-test / play: 2"
    assert (actions[-1].commands, actions[-1].environment["BASE_URL"]) == (("make integration",), "#{dev.Url}")
    unwaited = said(read(tmp_path, CALL, ("deploy-staging", r"needs: .*", "needs: [deploy-dev, cdk-synth]")))
    assert (
        unwaited[0] == "! deploy-staging does not wait for integration-test / play, so it deploys what fails its tests"
    )
    skipped = said(read(tmp_path, CALL, ("integration-test", r"    uses", "    if: github.ref == 'x'\n    uses")))
    assert "✗ job deploy-staging is skipped: integration-test, which it needs, is skipped: its condition" in skipped[0]


def test_a_workflow_of_another_repository_is_named_as_not_played(tmp_path: Path) -> None:
    elsewhere = (CALL[0], CALL[1], CALL[2].replace("./.github/workflows/tests.yml", "org/x/.github/workflows/t.yml@v1"))
    assert read(tmp_path, elsewhere).elsewhere == ("org/x/.github/workflows/t.yml@v1",)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            ("deploy-prod", r"if: vars.*", "if: vars.X = ''"),
            "job deploy-prod: if: \"vars.X = ''\" is not an expression",
        ),
        (("deploy-prod", IF_STAGING, "if: env.X == ''"), "names env, which GitHub does not know there"),
        (("deploy-prod", r"    needs: .*", "    needs: e2e-test\n    needs: cdk-synth"), "needs is given twice"),
        (("deploy-prod", r"    needs:", "    need:"), "job deploy-prod: need is no key of a job"),
        (("deploy-prod", r"    runs-on: .*\n", ""), "job deploy-prod has no runs-on"),
        (("e2e-test", r"run: make e2e", "runs: make e2e"), "job e2e-test: runs is no key of a step"),
        (("e2e-test", r"run: make e2e", "run: make e2e\n        uses: a/b@v1"), "it needs one of run and uses"),
        (("", r"^env:", "envs:"), "envs is no key of a workflow"),
        (CALL, "calls ./.github/workflows/tests.yml, which cannot be read (No such file or directory)"),
        (("", r"^name: .*", "name: [a"), "cannot be read ("),
        (("", r"^name: .*", bomb("{<<: [*a, *a, *a], y: 1}")), "its aliases stand for more than"),
        (("", r"^name: .*", bomb("[*a, *a, *a]")), "its aliases stand for more than"),
    ],
)
def test_a_workflow_that_github_refuses_is_refused_with_its_line(change: Change, fault: str, tmp_path: Path) -> None:
    with pytest.raises(WorkflowError, match=r"^deploy\.yml:\d+: ") as caught:
        read(tmp_path, change)
    assert fault in str(caught.value)
