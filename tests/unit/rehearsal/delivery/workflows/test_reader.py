"""A delivery by GitHub Actions in small: two environments, each deployed and tested, the second one approved."""

from pathlib import Path
from typing import Any

import pytest

from nova_infra.rehearsal.delivery.definition import ApprovalAction, BuildAction, DeployAction, Pipeline, Stage
from nova_infra.rehearsal.delivery.removed_safeguards import misdirected
from nova_infra.rehearsal.delivery.workflows.jobs import combinations
from nova_infra.rehearsal.delivery.workflows.language.syntax import WorkflowError
from nova_infra.rehearsal.delivery.workflows.reader import DoomedAction, Workflow, read_workflow

TEXT = """\
name: Delivery
on:
  push:
    branches: [trunk]
permissions: {contents: read}
jobs:
  check:
    runs-on: x
    outputs:
      engine: ${{ steps.known.outputs.engine }}
    steps:
      - uses: actions/checkout@v7
      - run: make check
      - id: known
        run: nova github outputs >> "$GITHUB_OUTPUT"
      - uses: actions/upload-artifact@v7
        with: {name: cdk-out}
  deploy-lab:
    needs: check
    if: github.event_name == 'push' && needs.check.outputs.engine == 'github-actions'
    runs-on: x
    permissions: {id-token: write, contents: read}
    environment: lab
    concurrency: lab
    outputs:
      url: ${{ steps.deploy.outputs.url }}
    steps:
      - uses: actions/checkout@v7
      - uses: actions/download-artifact@v7
        with: {name: cdk-out, path: cdk.out}
      - uses: ./.github/actions/sign-in
        with: {environment: lab}
      - id: deploy
        run: nova deploy lab --outputs "$GITHUB_OUTPUT"
  try-lab:
    needs: deploy-lab
    runs-on: x
    steps:
      - uses: actions/checkout@v7
      - run: make integration
        env:
          BASE_URL: ${{ needs.deploy-lab.outputs.url }}
  deploy-live:
    needs: [try-lab, check]
    if: github.ref == 'refs/heads/trunk'
    runs-on: x
    environment: live
    concurrency: {group: live, cancel-in-progress: false}
    permissions: {id-token: write, contents: read}
    steps:
      - uses: actions/checkout@v7
      - uses: actions/download-artifact@v7
        with: {name: cdk-out, path: cdk.out}
      - uses: ./.github/actions/sign-in
        with: {environment: live}
      - run: nova deploy live
  measure:
    runs-on: x
    steps:
      - uses: actions/checkout@v7
      - run: make coverage
"""


def stage(name: str) -> Stage:
    stacks = [("platform", 1), ("shop", 2)]
    deployments = [
        DeployAction(f"{stack}.Deploy", order, f"acme-{name.lower()}-{stack}", f"{name}/{stack}.json", None)
        for stack, order in stacks
    ]
    return Stage(name, tuple(deployments))


NOWHERE = Path("/no-such-checkout")
DELIVERED = Pipeline("acme", (stage("Lab"), stage("Live")))


def read(*changes: tuple[str, str], branch: str = "trunk") -> Workflow:
    text = TEXT
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return read_workflow(
        Path("deploy.yml"), text, DELIVERED, branch=branch, engine="github-actions", approved=["live"], root=NOWHERE
    )


def stages(workflow: Workflow) -> dict[str, Stage]:
    return {each.name: each for each in workflow.pipeline.stages}


def test_a_test_that_asks_another_environment_tests_nothing_of_its_own() -> None:
    job = """  try-live:
    needs: [deploy-lab, deploy-live]
    runs-on: x
    steps:
      - uses: actions/checkout@v7
      - run: make e2e BASE_URL=${{ needs.deploy-lab.outputs.url }}
  measure:
"""
    assert misdirected(read().pipeline) == []
    assert misdirected(read(("  measure:\n", job)).pipeline) == ["the tests of Live ask Lab, so none tests Live"]


def test_jobs_become_stages_in_the_order_of_needs() -> None:
    read_one = read()
    assert list(stages(read_one)) == ["check", "Lab", "Approve live", "Live"]
    assert (read_one.unsafe, read_one.beside) == ((), ("measure",))
    lab = stages(read_one)["Lab"].actions
    assert [type(action) for action in lab] == [DeployAction, DeployAction, BuildAction]
    assert [action.run_order for action in lab] == [4, 5, 7]
    test: Any = lab[-1]
    assert (test.commands, test.environment["BASE_URL"]) == (("make integration",), "#{lab.Url}")
    platform: Any = lab[0]
    assert platform.namespace == "lab"
    assert isinstance(stages(read_one)["Approve live"].actions[0], ApprovalAction)


GATE = """\
  gate-live:
    needs: [try-lab, check]
    runs-on: x
    environment: live
    permissions: {id-token: write, contents: read}
    steps:
      - uses: actions/checkout@v7
      - uses: actions/download-artifact@v7
        with: {name: cdk-out}
      - uses: ./.github/actions/sign-in
        with: {environment: live}
      - run: make browser
      - run: make gate ENVIRONMENT=live
        env: {GATED: shop, SUITE: make e2e}
  measure:
"""


@pytest.mark.parametrize("variable", ["GATED", "LOADED"])
def test_a_job_that_answers_gates_or_is_the_load_runs_beside_the_deployments_that_it_is_for(variable: str) -> None:
    read_one = read(("  measure:\n", GATE.replace("GATED", variable)))
    assert read_one.beside == ("measure",)
    *deployments, gate = stages(read_one)["Live"].actions
    assert isinstance(gate, BuildAction)
    assert gate.commands == ("make gate ENVIRONMENT=live",)
    assert (gate.environment[variable], gate.environment["SUITE"]) == ("shop", "make e2e")
    assert gate.run_order == deployments[-1].run_order != deployments[0].run_order


def test_a_job_that_answers_gates_after_the_tests_of_the_environment_before_is_played_once_and_is_safe() -> None:
    read_one = read(("  measure:\n", GATE))
    played = [stage.name for stage in read_one.pipeline.stages for a in stage.actions if "gate" in a.name.lower()]
    assert played == ["Live"]
    assert not [line for line in read_one.unsafe if "gate" in line]


def test_a_job_that_answers_gates_without_credentials_is_doomed() -> None:
    gate = GATE.replace("    permissions: {id-token: write, contents: read}\n", "    permissions: {contents: read}\n")
    actions = stages(read(("  measure:\n", gate)))["Live"].actions
    assert any(isinstance(each, DoomedAction) and "id-token" in each.reason for each in actions)


@pytest.mark.parametrize(
    ("change", "stage_name", "said"),
    [
        (("refs/heads/trunk'", "refs/heads/main'"), "Live", "job deploy-live is skipped: its condition"),
        (("engine: ${{ steps.known", "engin: ${{ steps.known"), "Lab", "job deploy-lab is skipped: its condition"),
        (("branches: [trunk]", "branches: [main]"), "check", "a push to trunk does not start this workflow"),
    ],
)
def test_a_job_that_is_skipped_stops_the_delivery(change: tuple[str, str], stage_name: str, said: str) -> None:
    assert said in str(stages(read(change))[stage_name].closed_because)


def test_what_needs_a_skipped_job_is_skipped_too() -> None:
    closed = stages(read(("engine: ${{ steps.known", "engin: ${{ steps.known")))["Live"].closed_because
    assert closed is not None
    assert "try-lab, which it needs, is skipped: deploy-lab, which it needs, is skipped: its condition" in closed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            (
                "cancel-in-progress: false}\n    permissions: {id-token: write, contents: read}",
                "cancel-in-progress: false}",
            ),
            "no permission id-token",
        ),
        (
            ("with: {name: cdk-out}\n  deploy-lab", "with: {name: cdk-oout}\n  deploy-lab"),
            "no job that it needs uploads the artifact 'cdk-out'",
        ),
        (
            ("run: nova deploy live", "run: nova deploy life"),
            "the role for live, which the job takes, may not touch life",
        ),
    ],
)
def test_a_step_that_must_fail_on_github_fails(change: tuple[str, str], said: str) -> None:
    doomed = [a.reason for s in read(change).pipeline.stages for a in s.actions if isinstance(a, DoomedAction)]
    assert any(said in reason for reason in doomed)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("needs: [try-lab, check]", "needs: [deploy-lab, check]"), "deploy-live does not wait for try-lab"),
        (("needs: [try-lab, check]", "needs: [check]"), "deploy-live does not wait for deploy-lab"),
        (("if: github.ref == 'refs/heads/trunk'", "if: always()"), "runs even if check has failed"),
        (("cancel-in-progress: false", "cancel-in-progress: true"), "a newer push cancels deploy-live in the middle"),
        (("    concurrency: lab\n", ""), "deploy-lab is in no concurrency group, so two pushes may deploy at once"),
        (("    environment: live\n", ""), "deploy-live names no environment, so nobody has to approve"),
        (
            ("    environment: live\n", "    environment: life\n"),
            "deploy-live runs in the environment life, not live, so",
        ),
    ],
)
def test_what_reaches_users_past_a_failure_is_reported(change: tuple[str, str], said: str) -> None:
    assert any(said in each for each in read(change).unsafe)


@pytest.mark.parametrize(
    ("timeout", "bakes", "cut"),
    [
        ("", 359, False),
        ("", 360, True),
        ("timeout-minutes: 25", 24, False),
        ("timeout-minutes: 25", 25, True),
    ],
)
def test_a_job_that_ends_before_its_bakes_is_cut(timeout: str, bakes: int, cut: bool) -> None:
    """Source: jobs.<job_id>.timeout-minutes in the workflow syntax, by default 360."""
    text = TEXT.replace("    environment: live\n", f"    environment: live\n    {timeout}\n")
    found = read_workflow(
        Path("deploy.yml"),
        text,
        DELIVERED,
        branch="trunk",
        engine="github-actions",
        approved=["live"],
        root=NOWHERE,
        bakes=lambda action: bakes if action.stack_name == "acme-live-shop" else 0,
    )
    reasons = [a.reason for a in stages(found)["Live"].actions if isinstance(a, DoomedAction)]
    assert bool(reasons) is cut
    assert all(f"bake for {bakes}" in reason for reason in reasons)


MATRIX = (
    "  deploy-live:\n    needs: [try-lab, check]\n",
    "  deploy-live:\n    needs: [try-lab, check]\n    strategy: {matrix: {place: [live]}}\n",
)


def test_a_matrix_is_a_job_for_each_combination() -> None:
    for_live = ("nova deploy live", "nova deploy ${{ matrix.place }}")
    assert list(stages(read(MATRIX, for_live))) == ["check", "Lab", "Approve live", "Live"]
    both = (
        "  deploy-lab:\n    needs: check\n",
        "  deploy-lab:\n    needs: check\n    strategy:\n      matrix:\n        place: [lab, live]\n        size: [1]\n"
        "        include: [{place: live, size: 1, more: x}]\n",
    )
    beside = read(both, ("nova deploy lab", "nova deploy ${{ matrix.place }}"))
    assert any("deploy-lab (live, 1, x) does not wait for deploy-lab (lab, 1)" in each for each in beside.unsafe)


def test_who_needs_a_job_with_a_matrix_waits_for_every_combination() -> None:
    tests = (
        "  try-lab:\n    needs: deploy-lab\n",
        "  try-lab:\n    needs: deploy-lab\n    strategy: {matrix: {suite: [a, b]}}\n",
    )
    run = ("run: make integration", "run: make ${{ matrix.suite }}")
    found = read(tests, run)
    commands = [c for a in stages(found)["Lab"].actions if isinstance(a, BuildAction) for c in a.commands]
    assert commands == ["make a", "make b"]
    assert found.unsafe == ()


@pytest.mark.parametrize(
    ("matrix", "said"),
    [
        ({"a": [1, 2], "b": ["x"]}, [" (1, x)", " (2, x)"]),
        ({"a": [1, 2], "exclude": [{"a": 1}]}, [" (2)"]),
        # Sources: the example of "Expanding or adding matrix configurations".
        (
            {
                "fruit": ["apple", "pear"],
                "animal": ["cat"],
                "include": [{"color": "green"}, {"fruit": "apple", "shape": "circle"}, {"fruit": "banana"}],
            },
            [" (apple, cat, green, circle)", " (pear, cat, green)", " (banana)"],
        ),
        ({"include": [{"a": 1}, {"a": 2}]}, [" (1)", " (2)"]),
        ("${{ fromJSON(needs.x.outputs.y) }}", [""]),
        ({"a": "${{ fromJSON(needs.x.outputs.y) }}"}, [""]),
        (None, [""]),
    ],
)
def test_combinations_are_those_of_github(matrix: Any, said: list[str]) -> None:
    assert [ending for ending, _ in combinations({"strategy": {"matrix": matrix}})] == said


def test_an_output_that_nothing_gives_is_empty_as_on_github() -> None:
    test: Any = stages(read(("needs.deploy-lab.outputs.url", "needs.deploy-lab.outputs.uri")))["Lab"].actions[-1]
    assert test.environment["BASE_URL"] == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("needs: deploy-lab", "needs: deploy-lap"), "deploy.yml:35: job try-lab needs 'deploy-lap', which is not"),
        (("name: Delivery", "name: [Delivery"), "deploy.yml:2: cannot be read"),
        (("    needs: check\n", "    needs: deploy-live\n"), "need each other"),
        (("if: github.ref ==", "if: github.ref = ="), "deploy.yml:45: "),
    ],
)
def test_a_workflow_that_cannot_be_read_is_refused_with_its_line(change: tuple[str, str], said: str) -> None:
    with pytest.raises(WorkflowError) as caught:
        read(change)
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


def test_what_is_no_workflow_is_refused() -> None:
    with pytest.raises(WorkflowError, match=r"deploy.yml:1: has no jobs"):
        read_workflow(Path("deploy.yml"), "name: x\n", DELIVERED, branch="b", engine="e", approved=[], root=NOWHERE)
