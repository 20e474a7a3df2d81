"""Faults in the workflow that this project writes: what each comes to on GitHub, predicted before it was tried.

Sources: https://docs.github.com/en/actions/reference/workflows-and-actions, and what AWS's roles trust.
"""

import re
from pathlib import Path

import pytest

from helpers.edited_workflow import (
    BRANCHES,
    CHECKOUT,
    ENVIRONMENT,
    IF_STAGING,
    IMAGES,
    NAMES,
    PERMISSIONS,
    Change,
    read,
    said,
    stage,
)
from helpers.exhaustive import one_of_each
from helpers.workflows import CONFIGURATIONS
from nova_infra.rehearsal.delivery.definition import BuildAction, DeployAction, Pipeline
from nova_infra.rehearsal.delivery.workflows.reader import read_workflow
from nova_infra.scaffold.workflows import workflows

FAULTS: list[tuple[Change, str]] = [
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
]


def cause(case: tuple[Change, str]) -> str:
    """A case's verdict without what may stand in any: its jobs, numbers and names of artifacts."""
    jobs = (
        r"(deploy|integration|e2e)-\w+|\b(build|test|ubuntu|windows|macos|dev|prod|staging)\S*|CDK Deploy with Canary"
    )
    return re.sub(rf"{jobs}|[^a-z]+", " ", case[1]).strip()[:24]


@pytest.mark.parametrize(("change", "verdict"), one_of_each(FAULTS, kind=cause))
def test_what_a_fault_in_the_workflow_comes_to(change: Change, verdict: str, tmp_path: Path) -> None:
    assert any(verdict in each for each in said(read(tmp_path, change)))


IF_PROD = r"^    if: .*"
CHECK = r"run: make check"
SERVICES = r'echo "services=.*'
UPLOAD = "\n      - uses: actions/upload-artifact@v4\n        with:\n          name: {}\n          path: x"


@pytest.mark.parametrize(
    ("change", "verdict"),
    one_of_each(
        [
            # What somebody who had not read this code thought of, and siblings of it.
            (("deploy-prod", IF_PROD, "    if: ${{ false }} && github.ref == 'x'"), "! deploy-prod runs whatever its"),
            (("deploy-prod", IF_PROD, "    if: |\n      ${{ github.ref == 'x' }}"), "! deploy-prod runs whatever its"),
            (("deploy-prod", IF_PROD, "    if: '${{ false }} '"), "! deploy-prod runs whatever its condition"),
            (("deploy-prod", r"if: vars.*", "if: ${{ vars.A }}${{ vars.B }}"), "! a step of deploy-prod runs whatever"),
            (
                ("repositories", r"changed == 'true' &&", "changed == true &&"),
                " compares needs.registry.outputs",
            ),
            (
                ("repositories", r"if: needs.*", "if: true == needs.registry.outputs.changed"),
                "with true, but it is a text",
            ),
            (("deploy-prod", r"if: vars.*", "if: vars.A != false"), "compares vars.A with false, but it is a text"),
            (("deploy-dev", r"      contents: read\n", ""), "! deploy-dev has no permission contents: read"),
            (("deploy-dev", r"contents: read", "contents: none"), "! deploy-dev has no permission contents: read"),
            (
                ("cdk-synth", r"(persist-credentials:.*)", "ref: develop"),
                "! cdk-synth checks out develop, not the commit",
            ),
            (("build", r"(persist-credentials:.*)", "ref: ${{ 'v1' }}"), "! build checks out v1, not the commit"),
            (("test", SERVICES, 'echo "services=$(nova services --json | jq .)" >> "$GITHUB_OUTPUT"'), "several lines"),
            (
                ("test", SERVICES, "echo services=$(nova services --json | jq) >> $GITHUB_OUTPUT"),
                "✗ test: What is deliv",
            ),
            (
                ("test", SERVICES, "echo services=$(nova services | python -m json.tool) >> $GITHUB_OUTPUT"),
                "several lines",
            ),
            (("test", CHECK, "run: make check 2>&1 | tee check.log"), "make check fails (| tee, without pipefail)"),
            (("test", CHECK, "run: make check | cat\n        shell: sh"), "make check fails (| cat, without pipefail)"),
            (
                ("test", CHECK, "run: |\n          set +e\n          make check\n          date"),
                "make check fails (set +e)",
            ),
            (
                ("test", CHECK, "run: |\n          make check\n          date\n        shell: bash {0}"),
                "(shell: bash {0})",
            ),
            (("test", CHECK, "run: make check\n        shell: fish"), "GitHub knows no shell 'fish'"),
            (("test", CHECK, "run: make check || printf bad"), "make check fails (|| printf)"),
            (("test", CHECK, "run: make check &"), "make check fails (&)"),
            (("test", SERVICES, 'echo "services=[]" > "$GITHUB_OUTPUT"'), "registry, which it needs, is skipped"),
            (
                ("build", r"service: .*", "service: ${{ needs.test.outputs.services }}"),
                "which is a text: write fromJSON()",
            ),
            (
                ("cdk-synth", r"upload-artifact@\w+", "upload-artifact@v3"),
                "GitHub has shut actions/upload-artifact@v3 down",
            ),
            (("deploy-dev", r"          name: cdk-out\n", ""), "it deploys cdk.out, but no step before it brings"),
            (
                ("deploy-prod", r"ubuntu-24.04", "ubuntu-20.04"),
                "✗ deploy-prod: its start: GitHub has no runner ubuntu-20.04",
            ),
            (("deploy-prod", r"ubuntu-24.04", "ubuntu-24.4"), "GitHub has no runner ubuntu-24.4"),
            (("deploy-prod", r"ubuntu-24.04", "[macos-12]"), "GitHub has no runner macos-12"),
            (("deploy-prod", r"ubuntu-24.04", "windows-2019"), "GitHub has no runner windows-2019"),
            (
                ("build", r"run: make image.*", "run: make images" + UPLOAD.format("scan")),
                "! build may fail: each of its combinations uploads",
            ),
            (("test", CHECK, "run: make check" + UPLOAD.format("a") * 2), "the artifact 'a' is there already"),
            (("e2e-test", r"name: e2e", "name: integration"), "✗ e2e-test: Upload Report: integration-test uploads an"),
            (("coverage", r"name: coverage\n", "name: tools\n"), "! cdk-synth may fail: coverage uploads an artifact"),
            (
                ("deploy-prod", r"timeout-minutes: .*", "timeout-minutes: ${{ 5 }}"),
                "GitHub ends the job after 5 minutes",
            ),
        ],
        kind=cause,
    ),
)
def test_what_another_fault_in_the_workflow_comes_to(change: Change, verdict: str, tmp_path: Path) -> None:
    assert any(verdict in each for each in said(read(tmp_path, change)))


def test_an_action_that_the_checkout_does_not_have_is_missed(tmp_path: Path) -> None:
    for name in ("setup", "sign-in"):
        (tmp_path / ".github/actions" / name).mkdir(parents=True)
        (tmp_path / ".github/actions" / name / "action.yml").write_text("runs: {using: node24, main: x}")
    assert said(read(tmp_path)) == []
    change = ("deploy-dev", r"actions/sign-in", "actions/signin")
    assert any("./.github/actions/signin holds no action.yml" in each for each in said(read(tmp_path, change)))


@pytest.mark.parametrize(
    "change",
    [
        ("deploy-staging", r"    outputs:\n.*", "    outputs:\n      url: ${{ secrets.URL }}"),
        (
            "deploy-staging",
            r"run: make verify.*",
            'run: echo "::add-mask::$URL"\n        env:\n          URL: ${{steps.deploy.outputs.url}}',
        ),
    ],
)
def test_an_output_that_is_secret_or_masked_is_handed_on_empty(change: Change, tmp_path: Path) -> None:
    workflow = read(tmp_path, change)
    assert ("masks" in str(workflow.assumed)) is ("secrets" not in change[2])
    actions = [each for stage in workflow.pipeline.stages for each in stage.actions]
    assert [a.environment["BASE_URL"] for a in actions if isinstance(a, BuildAction) and "E2E" in a.name] == [""]


@pytest.mark.parametrize(
    "changes",
    [
        [],
        # All of this is one edit each; together they are read once.
        [
            ("test", SERVICES, 'echo "::set-output name=services::$(nova services --json)"'),
            (
                "test",
                CHECK,
                "run: make check 2>&1 | tee log\n        shell: bash\n        env: ${{ fromJSON(vars.E) }}",
            ),
            ("deploy-prod", r"ubuntu-24.04", "ubuntu-26.04"),
            ("e2e-test", r"runs-on: .*", "runs-on: [self-hosted, fast-20]"),
            (
                "build",
                r"(persist-credentials:.*)",
                "ref: ${{ github.sha }}\n      - uses: actions/checkout@v4\n        with: {ref: charts, path: charts}",
            ),
            ("integration-test", r"    runs-on:", "    env: ${{ fromJSON(vars.E) }}\n    runs-on:"),
            ("deploy-dev", r"(persist-credentials:.*)", "ref: ${{ github.head_ref || github.ref }}"),
            ("deploy-prod", r"timeout-minutes: .*", "timeout-minutes: ${{ fromJSON(vars.MINUTES || '90') }}"),
            ("cdk-synth", r"retention-days: 30", "overwrite: true"),
            ("deploy-prod", r"if: vars.*", "if: ${{ case(vars.A == 'x', true, false) }}"),
            ("integration-test", r"run: make integration", "run: make integration || make integration"),
            ("e2e-test", r"run: make e2e", "run: make e2e || { date; exit 1; }"),
            ("deploy-staging", r"cancel-in-progress: false", "cancel-in-progress: false\n      queue: max"),
            ("deploy-staging", r"      name: staging\n", "      name: staging\n      deployment: false\n"),
            ("", r"^name: (.*)", "name: Delivery\ndescription: What delivers"),
            (
                "deploy-dev",
                r"    runs-on: (.*)",
                "    runs-on: ubuntu-24.04\n    services: {a: {image: redis, ports: [6379, '80:80']}, b: redis}",
            ),
            ("", r"^on:\n", "on:\n  schedule: [{cron: '*/5 3 1-2 * MON', timezone: Asia/Tokyo}]\n"),
            ("test", r"    runs-on: .*", "    runs-on: x\n    defaults: {run: '${{ fromJSON(vars.D) }}'}"),
        ],
        [
            (
                "test",
                r"      - name: Security scan\n",
                "      - parallel: [{id: a, run: make x}, {run: ls}]\n      - wait-all:\n      - name: Security\n",
            )
        ],
        [
            (
                "test",
                r"      - name: Security scan\n",
                "      - {id: a, run: make x, background: true}\n      - cancel: a\n      - name: Security scan\n",
            )
        ],
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


@pytest.mark.parametrize("name", one_of_each(CONFIGURATIONS))
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
