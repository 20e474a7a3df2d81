"""Workflows that call others, and what GitHub refuses as a whole: each is one line with its place."""

from pathlib import Path

import pytest

from helpers.edited_workflow import IF_STAGING, TEXT, Change, read, said
from helpers.exhaustive import one_of_each
from nova_infra.rehearsal.delivery.definition import BuildAction
from nova_infra.rehearsal.delivery.workflows.language.syntax import WorkflowError

TESTS = """\
on:
  workflow_call:
    inputs: {suite: {type: string, default: e2e}, url: {type: string}}
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
IN = r"runs-on: .*"
CALL = (
    "integration-test",
    r"(?s).*",
    "  integration-test:\n    needs: deploy-dev\n    uses: ./.github/workflows/tests.yml\n"
    "    permissions: {contents: read}\n"
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


@pytest.mark.parametrize(
    ("call", "inner", "fault"),
    [
        ("permissions: {contents: read}", "  play:\n    permissions: {id-token: write}", "asks for id-token: write"),
        ("permissions: read-all", "  play:\n    permissions: {contents: write}", "asks for contents: write"),
        ("secrets: {KEY: x}", "  play:", "has no secret key"),
        ("name: Tests", "    secrets: {KEY: {required: true}}\njobs:\n  play:", "needs the secret KEY"),
        (
            "name: Tests",
            "    inputs: {place: {required: true, type: string}, suite: {type: string},"
            " url: {type: string}}\njobs:\n  play:",
            "needs the input place",
        ),
        ("name: Tests", "    inputs: {suite: {type: string}}\njobs:\n  play:", "has no input url"),
    ],
)
def test_a_call_that_does_not_fit_what_it_calls_is_refused(call: str, inner: str, fault: str, tmp_path: Path) -> None:
    text = TESTS
    if "jobs:" in inner:
        text = (
            text.replace("    inputs: {suite: {type: string, default: e2e}, url: {type: string}}\n", "")
            if "inputs" in inner
            else text
        )
        text = text.replace("jobs:\n  play:", inner)
    else:
        text = text.replace("  play:", inner)
    (tmp_path / ".github/workflows").mkdir(parents=True)
    (tmp_path / ".github/workflows/tests.yml").write_text(text)
    with pytest.raises(WorkflowError, match=fault):
        read(tmp_path, (CALL[0], CALL[1], CALL[2].replace("permissions: {contents: read}", call)))


def test_a_workflow_of_another_repository_is_named_as_not_played(tmp_path: Path) -> None:
    elsewhere = (CALL[0], CALL[1], CALL[2].replace("./.github/workflows/tests.yml", "org/x/.github/workflows/t.yml@v1"))
    assert read(tmp_path, elsewhere).elsewhere == ("org/x/.github/workflows/t.yml@v1",)


def line_of(job: str, text: str) -> int:
    """The line on which a text stands first in a job of the workflow."""
    return TEXT[: TEXT.index(text, TEXT.index(f"\n  {job}:\n"))].count("\n") + 1


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            ("deploy-prod", r"if: vars.*", "if: vars.X = ''"),
            f":{line_of('deploy-prod', 'if: vars')}: \"vars.X = ''\" is not an expression",
        ),
        (("deploy-prod", IF_STAGING, "if: env.X == ''"), "names env, which GitHub does not know in if"),
        (("deploy-prod", r"    needs: .*", "    needs: e2e-test\n    needs: cdk-synth"), "needs is given twice"),
        (("deploy-prod", r"    needs:", "    need:"), "job deploy-prod: need is no key of a job"),
        (("deploy-prod", r"    runs-on: .*\n", ""), "job deploy-prod has no runs-on"),
        (("e2e-test", r"run: make e2e", "runs: make e2e"), "job e2e-test: runs is no key of a step"),
        (("e2e-test", r"run: make e2e", "run: make e2e\n        uses: a/b@v1"), "it needs one of run and uses"),
        (("", r"^env:", "envs:"), "envs is no key of a workflow"),
        (CALL, "calls ./.github/workflows/tests.yml, which does not exist"),
        (("", r"^name: .*", "name: [a"), "cannot be read ("),
        *one_of_each(
            [
                (
                    ("cdk-synth", r"- name: Pack the tools", "- id: assembly\n        name: Pack"),
                    "its id assembly is given twice",
                ),
                (("cdk-synth", r"id: assembly", "id: 1st"), "its id 1st is no name"),
                (("", r"^  registry:", "  reg istry:"), "job reg istry: GitHub takes letters"),
                (
                    ("coverage", r"if: env.*", "if: secrets.X != ''"),
                    ":82: \"secrets.X != ''\" names secrets, which GitHub",
                ),
                (("coverage", r"CODECOV: .*", "CODECOV: ${{ hashFiles('x') }}"), "calls hashfiles(), which GitHub"),
                (
                    ("coverage", r"run: make coverage", "run: |\n          # no ${{ }} here\n          make coverage"),
                    "${{ }} holds no expression, not even in a script's comment",
                ),
                (
                    ("", r"UV_CACHE_DIR: .*", "UV_CACHE_DIR: ${{ needs.a.outputs.x }}"),
                    "names needs, which GitHub does not know",
                ),
                (("deploy-prod", r"needs: .*", "needs: [e2e-test, '${{ github.job }}']"), "which is not a job"),
                (
                    ("deploy-prod", r"runs-on: .*", "runs-on: ${{ env.RUNNER }}"),
                    "names env, which GitHub does not know in runs-on",
                ),
                (
                    ("deploy-prod", r"url: .*", "url: ${{ secrets.URL }}"),
                    "names secrets, which GitHub does not know in url",
                ),
                (
                    ("deploy-prod", r"uses: actions/checkout@\w+", "uses: actions/checkout@${{ vars.V }}"),
                    "names vars, which",
                ),
                (
                    ("", r"    paths-ignore: .*", "    paths-ignore: [x]\n    paths: [y]"),
                    "on: push has paths and paths-ignore",
                ),
                (("e2e-test", IN, "runs-on: x\n    container: {imag: x}"), "container without image, so GitHub"),
                (("e2e-test", IN, "runs-on: x\n    container: [x]"), "container holds what GitHub"),
                (
                    ("e2e-test", IN, "runs-on: x\n    services: {a: {image: x, port: 1}}"),
                    "services.a.port holds what GitHub",
                ),
                (("e2e-test", r"run: make e2e", "uses: actions/checkout"), "uses holds what GitHub"),
                (("e2e-test", r"run: make e2e", "uses: checkout@v4"), "uses holds what GitHub"),
                (("", r"^on:\n", "on:\n  schedule: [{cron: '0 3 * *'}]\n"), "on.schedule.cron holds what GitHub"),
                (("", r"^on:\n", "on:\n  schedule: [{corn: '0 3 * * *'}]\n"), "on.schedule without cron, so"),
                (
                    ("", r"^on:\n", "on:\n  workflow_call: {inputs: {a: {type: choice}}}\n"),
                    "on.workflow_call.inputs.a.type holds",
                ),
                (("", r"    branches: .*", "    branch: main"), "on.push.branch holds what GitHub does not take"),
                (("", r"^  pull_request:", "  pull-request:"), "on: pull-request is no event that GitHub knows"),
                (("deploy-prod", r"id-token: write", "id-tokens: write"), "permissions.id-tokens holds what GitHub"),
                (("deploy-prod", r"id-token: write", "id-token: read"), "permissions.id-token holds what GitHub"),
                (("deploy-prod", r"permissions:\n.*\n.*id.*", "permissions: write"), "permissions holds what GitHub"),
                (("deploy-prod", r"cancel-in-progress: .*", "cancel: true"), "concurrency.cancel holds what GitHub"),
                (("deploy-prod", r"group: .*", "queue: max"), "concurrency without group, so GitHub"),
                (("deploy-prod", r"name: prod", "nmae: prod"), "environment without name, so GitHub"),
                (("deploy-prod", r"timeout-minutes: .*", "timeout-minutes: 2h"), "timeout-minutes holds what GitHub"),
                (("build", r"fail-fast: false", "fail-fast: no"), "strategy.fail-fast holds what GitHub"),
                (
                    ("e2e-test", r"run: make e2e", "run: make e2e\n        with: {a: b}"),
                    "with is no key of a step with run",
                ),
                (("e2e-test", r"run: make e2e", "run: make e2e\n        shel: sh"), "shel is no key of a step"),
                (
                    ("deploy-prod", r"permissions:\n", "permissions:\n      <<: {a: b}\n"),
                    f":{line_of('deploy-prod', '    permissions:') + 1}: << merges, which GitHub refuses",
                ),
            ]
        ),
    ],
)
def test_a_workflow_that_github_refuses_is_refused_with_its_line(change: Change, fault: str, tmp_path: Path) -> None:
    with pytest.raises(WorkflowError, match=r"^deploy\.yml:\d+: ") as caught:
        read(tmp_path, change)
    assert fault in str(caught.value)
