"""Workflows as people write them: what GitHub takes is taken, what it refuses is refused in a line, and nothing breaks.

Sources: https://docs.github.com/en/actions/reference/workflows-and-actions.
"""

import copy
import random
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from helpers.exhaustive import one_of_each
from helpers.workflows import TEXTS
from nova_infra.rehearsal.delivery.definition import BuildAction, DeployAction, Pipeline, Stage
from nova_infra.rehearsal.delivery.workflows.language.syntax import WorkflowError
from nova_infra.rehearsal.delivery.workflows.reader import DoomedAction, Workflow, read_workflow
from nova_infra.rehearsal.delivery.workflows.sure_failures import why_no_runner

LAB = Stage("Lab", (DeployAction("shop.Deploy", 1, "acme-lab-shop", "Lab/shop.json", None),))
CHECKOUT = "- uses: actions/checkout@v4"
SIGN_IN = """\
- uses: aws-actions/configure-aws-credentials@v4
  with: {role-to-assume: x, aws-region: y}"""
DEPLOY = "- run: make synth && nova deploy lab"
BEFORE = """\
name: Delivery
on: {push: {branches: [trunk]}}
permissions: {id-token: write, contents: read}
jobs:
"""


def job(name: str, *steps: str, keys: str = "") -> str:
    """A job with a checkout and further steps; its keys are lines."""
    lines = [f"{name}:", "  runs-on: ubuntu-latest", *(f"  {each}" for each in keys.splitlines()), "  steps:"]
    lines += [f"    {line}" for step in (CHECKOUT, *steps) for line in step.splitlines()]
    return "".join(f"  {line}\n" for line in lines)


def deploy(*steps: str, keys: str = "", last: str = DEPLOY) -> str:
    return job("deploy", *steps, SIGN_IN, last, keys=f"concurrency: lab\nenvironment: lab\n{keys}")


def read(text: str, root: Path = Path("/no-such-checkout")) -> Workflow:
    return read_workflow(
        Path("deploy.yml"),
        text,
        Pipeline("acme", (LAB,)),
        branch="trunk",
        engine="github-actions",
        approved=[],
        root=root,
    )


def said(workflow: Workflow) -> list[str]:
    """What would stop the delivery, and what would reach users."""
    stages = workflow.pipeline.stages
    doomed = [a.reason for each in stages for a in each.actions if isinstance(a, DoomedAction)]
    return [*filter(None, (each.closed_because for each in stages)), *doomed, *workflow.unsafe]


def played(workflow: Workflow) -> list[str]:
    actions = [action for stage in workflow.pipeline.stages for action in stage.actions]
    return [a.commands[0] if isinstance(a, BuildAction) else a.name for a in actions]


def by(condition: str) -> str:
    return f"if: {condition}\n"


OUTPUT = """\
- id: pick
  run: |
    if test -n "$X"; then
      echo "deploy=true" >> $GITHUB_OUTPUT
    else
      echo "deploy=false" >> $GITHUB_OUTPUT
    fi"""
PICKED = "needs: pick\n" + by("needs.pick.outputs.deploy == 'true'")
OUTPUTS = 'outputs: {deploy: "${{ steps.pick.outputs.deploy }}"}'
MATRIX = 'strategy: {matrix: {more: [true, false], python: ["3.11"]}}\n'
UPLOAD = "- uses: actions/upload-artifact@v4\n  with: {name: asm}"
DOWNLOAD = "- {uses: actions/download-artifact@v4, with: {name: asm, path: cdk.out}}"


@pytest.mark.parametrize(
    "jobs",
    [
        deploy(),
        deploy(keys=by("true")),
        deploy("- run:", keys="if:\ncontainer:\n").replace(
            "environment: lab", "environment: '${{ strategy.job-index }}'"
        ),
        job("a", "- run: ls", keys="strategy: {matrix: {a: [null], include: ['${{ vars.X }}']}}\n") + deploy(),
        deploy(keys=by("vars.DEPLOY == 'yes' && github.actor != 'x[bot]'")),
        deploy(keys=by("\"!contains(github.event.head_commit.message, '[skip deploy]')\"")),
        deploy(keys=by("\"!github.event.deleted && !(github.actor == 'x[bot]')\"")),
        job("pick", OUTPUT, keys=OUTPUTS) + deploy(keys=PICKED),
        job("pick", "- {id: pick, run: python pick.py}", keys=OUTPUTS) + deploy(keys=PICKED),
        "  pick: {uses: acme/x/.github/workflows/pick.yml@v1}\n" + deploy(keys=PICKED),
        job("test", "- run: make test", keys=MATRIX)
        + deploy(keys="needs: test\n" + by("needs.test.result == 'success'")),
        job("test", '- {run: make test, env: {V: "${{ steps.v.outputs.x }}${{ runner.temp }}${{ job.status }}"}}')
        + deploy(keys="needs: test\n"),
        job("test", "- {id: t, run: make test}", "- {run: make e2e, if: steps.t.outcome == 'success'}")
        + deploy(keys="needs: test\n"),
        deploy("- {run: mkdir -p out}", "- {run: ls, working-directory: out}"),
        deploy("- {uses: actions/checkout@v4, with: {path: app}}", "- {run: ls, working-directory: app/web}"),
        job("build", "- uses: ./.github/actions/build") + deploy(DOWNLOAD, keys="needs: build\n"),
        job("build", "- uses: $/.github/actions/build").replace(f"    {CHECKOUT}\n", "")
        + deploy(keys="needs: build\n"),
        job("build", "- uses: $/") + deploy(keys="needs: build\n"),
        job("build", UPLOAD.replace("asm", "a-1"), "- {uses: actions/upload-artifact/merge@v4, with: {name: asm}}")
        + deploy(DOWNLOAD, keys="needs: build\n"),
        "  build: {uses: acme/x/.github/workflows/build.yml@v1}\n" + deploy(DOWNLOAD, keys="needs: build\n"),
        job("build", UPLOAD)
        + deploy(keys="needs: build\n").replace(CHECKOUT, DOWNLOAD.replace("path: cdk.out", "path: .")),
        deploy(last="- run: |\n    make synth\n    uv run nova deploy \\\n      --assembly cdk.out lab"),
        deploy(last="- {run: make synth && nova deploy --digest=x lab}"),
        deploy(last="- {run: 'make synth; python -m nova_infra.cli deploy lab --outputs x'}"),
        deploy(last="- run: make synth && nova deploy ${{ github.ref_name == 'trunk' && 'lab' || 'live' }}"),
        deploy(last="- {run: make synth && nova deploy \"$T\", env: {T: \"${{ format('{0}', 'lab') }}\"}}"),
        deploy(last='- run: make synth && nova deploy "${{ vars.TARGET }}"'),
        deploy(keys="").replace("{role-to-assume: x}", "{aws-access-key-id: '${{ secrets.A }}'}"),
        deploy().replace("concurrency: lab", "concurrency: lab-${{ strategy.job-index }}"),
        deploy("- run: echo T=lab >> $GITHUB_ENV", last='- run: make synth && nova deploy "$T"'),
        deploy("- run: echo GO=1 >> $GITHUB_ENV", last="- {run: make synth && nova deploy lab, if: env.GO == '1'}"),
        deploy().replace("environment: lab", "environment: ${{ vars.PLACE }}"),
        job("a", keys="outputs: {x: '${{ runner.os }}${{ job.status }}${{ strategy.job-index }}${{ env.A }}'}\n")
        + deploy(),
        job("a", """- run: echo ${{ format('{0} {{x}}', 'a') }} ${{ 'it''s }}' }}""") + deploy(keys="needs: a\n"),
    ],
)
def test_an_ordinary_workflow_delivers(jobs: str) -> None:
    workflow = read(BEFORE + jobs)
    assert said(workflow) == []
    assert "shop.Deploy" in played(workflow) or "$" in jobs.replace("$GITHUB_ENV", "").replace("$T", "")


@pytest.mark.parametrize(
    ("jobs", "fault"),
    [
        # A skip concerns the whole chain, unless a condition names a status.
        (
            job("a", keys=by("github.ref == 'x'"))
            + job("b", keys="needs: a\n" + by("always()"))
            + deploy(keys="needs: b"),
            "job deploy is skipped: a, which it needs, is skipped: its condition",
        ),
        (
            job("test", "- run: make test", keys=MATRIX + "continue-on-error: ${{ matrix.more }}\n")
            + deploy(keys="needs: test"),
            "what waits for test (true, 3.11) goes on even if it fails",
        ),
        (
            deploy().replace("concurrency: lab", "concurrency: ${{ github.event.pull_request.number || github.sha }}"),
            "in a concurrency group whose name differs from push to push",
        ),
        (
            deploy().replace("concurrency: lab", "concurrency: ${{ github.event.head_commit.id }}"),
            "in a concurrency group whose name differs from push to push",
        ),
        (
            job("a", keys="outputs: {go: \"${{ github.ref == 'x' }}\"}")
            + deploy(keys="needs: a\n" + by("needs.a.outputs.go == true")),
            "job deploy is skipped: its condition",
        ),
        (deploy(last="- {run: nova deploy lab}"), "it deploys cdk.out, but no step before it brings"),
        (deploy("- {run: ls, working-directory: out}"), "its working directory out does not exist"),
    ],
)
def test_what_github_would_do_is_said(jobs: str, fault: str) -> None:
    assert any(fault in each for each in said(read(BEFORE + jobs)))


def test_only_the_commands_that_are_not_run_here_are_left_out() -> None:
    steps = (
        "- run: |\n    pip install -r x \\\n      -r y\n    pytest -q",
        "- run: cd app && npm ci && make test",
        "- {run: npm ci}",
        "- {run: docker build . && make test}",
        "- {run: 'aws s3 cp x y && make test', name: Copy}",
        """- {name: Long, run: "aws sns publish --message '\\n x'\\nmake test"}""",
        "- {run: npx jest, name: Jest}",
        "- {run: choco, if: runner.os == 'Windows'}",
        "- {run: ls, shell: pwsh, name: Shell}",
        "- {run: make x, if: vars.X, name: Perhaps}",
    )
    workflow = read(BEFORE + job("test", *steps) + deploy(keys="needs: test\n"))
    assert played(workflow)[:3] == [
        "bash -e -c ':\npytest -q'",
        "bash -e -c 'cd app && :&& make test'",
        "bash -e -c ':&& make test'",
    ]
    copied = ("test: 5 (docker build .)", "test: Copy (aws s3 cp x y)", "test: Long")
    assert workflow.unplayed == (*copied, "test: Jest (npx jest)", "test: Shell", "test: Perhaps")


@pytest.mark.parametrize(
    ("step", "fails"),
    [
        ('- {run: "false\\ntrue"}', True),
        ("- {run: 'false | true'}", False),
        ("- {run: 'false | true', shell: bash}", True),
        ("- {run: '[[ a == a ]]'}", False),
        ("- {run: \"false\\ntrue\", shell: 'bash {0}'}", False),
        ('- {run: "false\\ntrue", shell: sh}', True),
        ('- {run: "false\\ntrue", working-directory: /}', True),
    ],
)
def test_a_script_ends_where_the_shell_that_github_calls_would_end_it(step: str, fails: bool) -> None:
    command = played(read(BEFORE + job("test", step) + deploy(keys="needs: test\n")))[0]
    assert subprocess.run(["/bin/sh", "-c", command], check=False).returncode == fails


def test_what_only_github_decides_is_said() -> None:
    for keys in ("container: python:3.13\n", "services: {db: {image: postgres}}\n"):
        assert "deploy runs on this machine, not in its containers" in read(BEFORE + deploy(keys=keys)).assumed[0]
    workflow = read(BEFORE + deploy(keys=by("vars.X == 'y'")))
    assert workflow.assumed == ("deploy runs, although only GitHub knows \"vars.X == 'y'\"",)
    workflow = read(BEFORE + deploy(last="- {run: make synth && nova deploy lab, if: vars.X}"))
    assert workflow.assumed == ("deploy: 3 runs, although only GitHub knows its condition",)
    workflow = read(BEFORE + deploy(last="- run: make synth && nova deploy ${{ vars.X }}"))
    assert workflow.assumed == ("deploy deploys what only GitHub knows, which is not played",)


def test_a_matrix_has_its_worst_result() -> None:
    needs = "needs: test\n" + by("always() && needs.test.result == 'success'")
    assert said(read(BEFORE + job("test", "- run: make test", keys=MATRIX) + deploy(keys=needs))) == []
    any_result = needs.replace("== 'success'", "!= 'skipped'")
    unsafe = said(read(BEFORE + job("test", "- run: make test", keys=MATRIX) + deploy(keys=any_result)))
    assert any("runs even if test (true, 3.11) has failed" in each for each in unsafe)


CALLED = """\
on:
  workflow_call:
    inputs: {place: {type: string}, dry: {type: boolean}}
defaults: {run: {working-directory: services}}
jobs:
""" + deploy(keys=by("inputs.dry == false"), last="- run: make synth && nova deploy ${{ inputs.place }}").replace(
    "environment: lab", "environment: ${{ inputs.place }}"
).replace("    concurrency: lab\n", "")


def test_a_called_workflow_has_the_rights_the_inputs_and_the_place_of_its_call(tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    (tmp_path / ".github/workflows").mkdir(parents=True)
    (tmp_path / ".github/workflows/one.yml").write_text(CALLED)
    call = "  go: {uses: ./.github/workflows/one.yml, concurrency: lab, with: {place: lab}}\n"
    assert said(read(BEFORE + call, tmp_path)) == []
    assert said(read(BEFORE + call.replace("./", "$/"), tmp_path)) == []
    assert "no permission id-token" in said(read(BEFORE + call.replace("with", "permissions: {}, with"), tmp_path))[0]
    dry = read(BEFORE + call.replace("place: lab", "place: lab, dry: true"), tmp_path)
    assert "is skipped: its condition" in said(dry)[0]


DEEP = "${{ " + "(" * 3000 + " }}"
ODD: list[Any] = [
    *(None, 5, True, 1.5, float("nan"), "", "x", "?x", "[z-a]", "./x.yml", DEEP, [], {}, [None], [[1]], ["a"], {1: 2}),
    *({"push": "main"}, {"push": {"branches": ["?x"]}}, {"run": "x"}, {"include": ["a"]}, {"matrix": 3}, {"group": []}),
    *("${{ a }}", "${{ steps.q.outputs.x == 'true' }}", "${{ strategy.job-index }}", "${{ format('{1}','a') }}"),
    *("${{ fromJSON('[1]')[9] }}", "${{ matrix.*.x }}", "${{ 'a }}", {"matrix": {"a": [{}], "exclude": [3]}}),
]


def places(node: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key in node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
        yield (*at, key)
        yield from places(node[key], (*at, key))


def damaged(number: int) -> str:
    """The generated workflow with one value replaced by an odd one."""
    tree = yaml.safe_load(TEXTS["deploy.yml"].replace("\non:", '\n"on":', 1))
    chance = random.Random(number)
    *way, last = chance.choice(list(places(tree)))
    node = tree
    for key in way:
        node = node[key]
    node[last] = copy.deepcopy(chance.choice(ODD))
    return yaml.dump(tree)


@pytest.mark.exhaustive("test_an_ordinary_workflow_delivers")
@pytest.mark.parametrize("seed", one_of_each(range(4)))
def test_an_odd_workflow_is_read_or_refused_in_a_line(seed: int) -> None:
    refused = list[str]()
    for number in range(seed * 15, seed * 15 + 15):
        try:
            read(damaged(number))
        except WorkflowError as error:
            refused.append(str(error))
    assert 0 < len(refused) < 15
    assert [each for each in refused if not re.fullmatch(r"deploy\.yml:\d+: .+", each)] == []


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("{push: {branches: [trunk]}}", "{push: main}", "on.push holds what GitHub does not take there"),
        ("[trunk]", "['?x']", "on: '?x' is not a pattern that GitHub takes"),
        ("[trunk]", "['[z-a]']", "on: '[z-a]' is not a pattern that GitHub takes"),
        ("environment: lab", "needs: 5", "job deploy: needs holds what GitHub does not take there"),
        ("environment: lab", "outputs: [a]", "job deploy: outputs holds what"),
        ("environment: lab", "strategy: {matrix: {include: [a]}}", "job deploy: strategy.matrix.include holds what"),
        ("environment: lab", "defaults: {run: x}", "job deploy: defaults.run holds what"),
        ("environment: lab", "env: x", "job deploy: env holds what"),
        ("with: {role-to-assume: x, aws-region: y}", "with: x", "step 2 of job deploy: with holds what"),
        ("environment: lab", "environment: \"${{ format('{1}', 'a') }}\"", "for which it gives nothing"),
        ("environment: lab", f"environment: {DEEP!r}", "is nested too deeply"),
    ],
)
def test_what_github_refuses_is_refused_with_its_line(before: str, after: str, fault: str) -> None:
    text = BEFORE + deploy()
    assert before in text
    with pytest.raises(WorkflowError, match=r"^deploy\.yml:\d+: ") as caught:
        read(text.replace(before, after))
    assert fault in str(caught.value)


@pytest.mark.parametrize("label", ["windows-11-arm", "windows-11", "macos-26", "ubuntu-24.04-arm"])
def test_a_runner_that_github_has_is_waited_for(label: str) -> None:
    assert why_no_runner([label]) == ""
    assert why_no_runner(["windows-2019"])


@pytest.mark.parametrize("place", ["workflow", "job", "step"])
def test_variables_that_an_expression_gives_are_not_known(place: str) -> None:
    env = "env: ${{ fromJSON(vars.ENV) }}\n"
    own = f"\n  {env}" if place == "step" else ""
    last = f"- run: make synth && nova deploy lab\n  if: env.LEVEL == 'lab'{own}"
    text = BEFORE.replace("jobs:", f"{env}jobs:") if place == "workflow" else BEFORE
    workflow = read(text + deploy(keys=env if place == "job" else "", last=last))
    assert workflow.assumed == ("deploy: 3 runs, although only GitHub knows its condition",)


def test_on_and_yes_are_texts_as_in_yaml_1_2() -> None:
    step = '- {run: "make ${{ matrix.a }}"}'
    jobs = job("test", step, keys="strategy: {matrix: {a: [on, yes, 010, 10:30]}}") + deploy(keys="needs: test")
    assert played(read(BEFORE + jobs))[:4] == ["make on", "make yes", "make 010", "make 10:30"]
