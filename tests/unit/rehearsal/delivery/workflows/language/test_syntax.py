"""Texts that are no workflow, or that come to far more than is written."""

import json
from pathlib import Path

import pytest

from nova_infra.rehearsal.delivery.workflows.language.syntax import WorkflowError, WorkflowText

JOBS = "on: push\njobs: {a: {runs-on: x, steps: [{run: ls}]}}\n"
BOMB = "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]\n" for n in range(1, 10))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("x0: &x0 [a]\n" + BOMB + JOBS, r"^w.yml:1: has more than 100000 values once its aliases are written out"),
        ("env: &e {a: *e}\n" + JOBS, r"^w.yml:1: "),
        ("env: " + "[" * 100_000, r"^w.yml:1: cannot be read \(it has more than 250 levels"),
        ("env: \0", r"^w.yml:1: cannot be read"),
        ("env: {a: b", r"^w.yml:2: cannot be read"),
        ("", r"^w.yml:1: has no jobs"),
        ("!!python/object:os.system x", r"^w.yml:1: cannot be read"),
    ],
)
def test_a_text_that_is_no_workflow_is_refused_in_a_line(text: str, fault: str) -> None:
    with pytest.raises(WorkflowError, match=fault) as caught:
        WorkflowText(Path("w.yml"), text)
    assert "\n" not in str(caught.value)


def test_aliases_are_what_they_stand_for() -> None:
    text = "on: push\njobs:\n  a: &job {runs-on: x, steps: [{run: ls}]}\n  b: *job\n"
    jobs = WorkflowText(Path("w.yml"), text).content["jobs"]
    assert jobs["a"] == jobs["b"] == {"runs-on": "x", "steps": [{"run": "ls"}]}


@pytest.mark.parametrize(
    ("key", "refused"),
    [
        ("env", ""),
        ("a.env", ""),
        ("steps.env", ""),
        ("steps.with", ""),
        ("db.credentials", ""),
        ("a.outputs", "outputs holds what GitHub does not take there"),
        ("a.defaults", "defaults holds what GitHub does not take there"),
        ("b.with", "job b: with holds what GitHub does not take there"),
    ],
)
def test_an_expression_stands_for_a_mapping_where_github_takes_one(key: str, refused: str) -> None:
    expression = "${{ fromJSON(vars.ALL) }}"
    step: dict[str, object] = {"uses": "x/y@v1"}
    jobs: dict[str, dict[str, object]] = {
        "a": {"runs-on": "x", "steps": [step]},
        "b": {"uses": "./.github/workflows/b.yml"},
    }
    content: dict[str, object] = {"on": "push", "jobs": jobs}
    database: dict[str, object] = {"image": "x"}
    jobs["a"]["services"] = {"db": database}
    places = {"": content, "steps": step, "db": database, **jobs}
    places[key.rpartition(".")[0]][key.rpartition(".")[2]] = expression
    if refused:
        with pytest.raises(WorkflowError, match=refused):
            WorkflowText(Path("w.yml"), json.dumps(content))
    else:
        WorkflowText(Path("w.yml"), json.dumps(content))


@pytest.mark.parametrize("used", ["./", ".\\\\", "./x", "$/", "$/x", "docker://x", "a/b@v1"])
def test_an_action_may_stand_at_the_root(used: str) -> None:
    WorkflowText(Path("w.yml"), JOBS.replace("run: ls", f'uses: "{used}"'))


def triggered(on: str) -> str:
    """What GitHub refuses of a trigger; empty for nothing."""
    try:
        WorkflowText(Path("w.yml"), f"on:\n  {on}\n" + JOBS.partition("\n")[2])
    except WorkflowError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "on",
    [
        *(f"schedule: [{{cron: '{each}'}}]" for each in ("60 * * * *", "0 24 * * *", "0 0 0 * *", "0 0 * 13 *")),
        *(f"schedule: [{{cron: '{each}'}}]" for each in ("0 0 * * 8", "* * * *", "0 0 * * mo", "1-99 * * * *")),
        *(f"schedule: [{{cron: '{each}'}}]" for each in ("0 22-6 * * *", "0 0 * * FRI-MON", "*/60 * * * *")),
        *(f"schedule: [{{cron: '{each}'}}]" for each in ("- * * * *", "5-- * * * *", "1-2-3 * * * *", "1/0 * * * *")),
        "pull_request: {types: [open]}",
        "pull_request_target: {types: merged}",
        "release: {types: [publish]}",
        "workflow_run: {workflows: [CI], types: [success]}",
        "workflow_run: {workflow: [CI]}",
        "workflow_run: {types: [completed]}",
        "workflow_run: {workflows: [], types: [completed]}",
        "workflow_run:",
        "workflow_call: {inputs: {url: {required: true}}}",
        "workflow_call: {inputs: {url: }}",
    ],
)
def test_a_trigger_that_github_refuses_is_named_with_its_line(on: str) -> None:
    assert triggered(on).startswith("w.yml:2: on")


@pytest.mark.parametrize(
    "on",
    [
        *(
            f"schedule: [{{cron: '{each}'}}]"
            for each in ("*/15 0,12 1-5 JAN-mar MON-FRI", "59 23 31 12 0", "05 8 * * 7")
        ),
        "pull_request: {types: [opened, synchronize], branches: [main]}",
        "release: {types: published}",
        "repository_dispatch: {types: [anything]}",
        "issues: {types: [opened, of_next_year]}",
        "workflow_run: {workflows: [CI], types: completed, branches: [main]}",
        "workflow_call: {inputs: {url: {type: string}}}",
    ],
)
def test_a_trigger_that_github_takes_is_taken(on: str) -> None:
    assert triggered(on) == ""


def refused(top: str = "on: push", job: str = "", step: str = "", jobs: str = "jobs:") -> str:
    """What GitHub refuses of a workflow with lines of its own; empty for nothing."""
    lines = [top, jobs, "  a:", "    runs-on: x", f"    {job}", "    steps:", "    - run: ls", f"      {step}"]
    try:
        WorkflowText(Path("w.yml"), "\n".join(each for each in lines if each.strip()))
    except WorkflowError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (refused("env: {}"), "w.yml:1: says nothing of what starts it"),
        (refused("on:"), "w.yml:1: says nothing of what starts it"),
        (refused(jobs="jobs: {}\nenv:"), "has no jobs"),
        (refused("on:\n  push:\n    branches:"), "w.yml:2: on.push.branches holds"),
        (refused("on:\n  push:\n    branches: ['${{ github.ref }}']"), "which GitHub does not know in branches"),
        (refused("on:\n  watch: x"), "w.yml:2: on.watch holds"),
        (refused("on:\n  workflow_dispatch:\n    inputs: {go: }"), "inputs.go holds"),
        (
            refused("on:\n  workflow_dispatch:\n    inputs: {go: {type: choice}}"),
            "input go needs both type: choice and",
        ),
        (
            refused("on:\n  workflow_dispatch:\n    inputs: {go: {options: [x]}}"),
            "input go needs both type: choice and",
        ),
        (refused("on:\n  workflow_call:\n    outputs: {url: {description: x}}"), "outputs.url without value"),
        (refused("on: push\npermissions: {contents: }"), "w.yml:2: permissions.contents holds"),
        (refused(job="env:"), "job a: env holds"),
        (refused("on: {merge_group: {inputs: x}}"), "w.yml:1: on.merge_group.inputs holds"),
        (refused("on: {check_suite: {inputs: [a]}}"), "w.yml:1: on.check_suite.inputs holds"),
        (refused("on: push\ndefaults: {run: {shell: '${{ vars.SHELL }}'}}"), "does not know in shell"),
        (refused(job="timeout-minutes: '9'"), "timeout-minutes holds"),
        (refused(step="continue-on-error: 'true'"), "continue-on-error holds"),
        (refused(job="needs:"), "job a: needs holds"),
        (refused(job="strategy: {matrix: {x: }}"), "strategy.matrix.x holds"),
        (refused(job="container: {env: {A: b}}"), "container without image, so GitHub refuses it"),
        (refused(job="services: {db: }"), "services.db holds"),
        (refused(step="with: {x: ''}"), "with is no key of a step with run"),
        (refused(step="env:"), "env holds"),
        (refused(step="shell: ${{ matrix.shell }}"), "names matrix, which GitHub does not know in shell"),
        (refused(step="if: ${{ }}"), "${{ }} holds no expression"),
        (refused(step="name: ${{ github.ref }"), "'${{ github.ref }' begins an expression that no }} ends"),
        (refused(step="id: __x"), "its id __x is no name"),
        (refused(jobs="jobs:\n  __b: {runs-on: x, steps: [{run: ls}]}"), "job __b: GitHub takes letters"),
        (refused(jobs="jobs:\n  b: {runs-on: x, steps: []}"), "w.yml:3: job b has no list of steps"),
        (refused(jobs="jobs:\n  b: {uses: a/b@v1}"), "w.yml:3: job b uses a/b@v1, which is no workflow"),
        (refused(jobs="jobs:\n  b: {uses: ./b.yml}"), "job b uses ./b.yml, which is no workflow"),
        (
            refused(jobs="jobs:\n  b: {runs-on: x, steps: [{uses: a/b/.github/workflows/c.yml@v1}]}"),
            "step 1 of job b: it uses a workflow, which only a whole job may",
        ),
    ],
)
def test_what_github_refuses_is_refused_by_its_key(found: str, fault: str) -> None:
    assert fault in found


@pytest.mark.parametrize(
    "found",
    [
        refused("on:\n  push:\n  pull_request:\n  workflow_dispatch:\n  workflow_call:\n    secrets: {token: }"),
        refused("on: push\nname:\nenv:\nconcurrency:"),
        refused("on: {merge_group: {types: checks_requested, branches: [a]}, repository_dispatch: {types: [b]}}"),
        refused(
            "on:\n  workflow_dispatch:\n    inputs: {go: {description: , default: , type: choice, options: [x, ~]}}"
        ),
        refused("on: push\nrun-name: ${{ format('}}{0}', github.ref) }}"),
        refused(job="environment:\n    container:\n    if:\n    name:"),
        refused(jobs="jobs:\n  b: {runs-on: {group: x, labels: [y, z]}, steps: [{run: ls}]}"),
        refused(job="strategy: {matrix: {x: [~], include: ['${{ vars.X }}']}}"),
        refused(step="env: {A: }\n      if:\n      name:\n      working-directory:"),
        refused(step="name: costs $ {{ x }}"),
        refused(jobs="jobs:\n  b: {runs-on: x, steps: [{run: }]}"),
        refused(jobs="jobs:\n  b: {uses: $/.github/workflows/c.yaml}\n  c: {uses: a/b/.github/workflows/d.yml@v1}"),
    ],
)
def test_what_github_takes_is_taken(found: str) -> None:
    assert found == ""
