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
    jobs: dict[str, dict[str, object]] = {"a": {"runs-on": "x", "steps": [step]}, "b": {"uses": "./b.yml"}}
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


@pytest.mark.parametrize("used", ["./", ".\\\\", "./x", "docker://x", "a/b@v1"])
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
