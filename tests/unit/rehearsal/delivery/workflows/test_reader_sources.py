"""What a job's steps find: the part of the repository that was checked out, own actions, and containers."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from helpers.edited_workflow import Change, read, said, with_action
from helpers.exhaustive import one_of_each
from nova_infra.rehearsal.delivery.workflows.job import JobStep, WorkflowJob
from nova_infra.rehearsal.delivery.workflows.sources import why_not_there

IN = r"    runs-on: .*"
ACTION = r"(      - uses: )./.github/actions/setup"
CHECKOUT = r"(persist-credentials:.*)"
ON_PATH = "{run: echo x >> $GITHUB_PATH, shell: sh}"
DATABASE = "services: {{db: {{image: {}, options: --health-cmd ready{}}}}}"


def job_in(what: str) -> str:
    return f"    runs-on: ubuntu-24.04\n    {what}"


@pytest.mark.parametrize(
    ("change", "verdict"),
    one_of_each(
        [
            (
                ("e2e-test", CHECKOUT, "sparse-checkout: services"),
                "✗ e2e-test: ./.github/actions/setup: the checkout (sp",
            ),
            (("e2e-test", CHECKOUT, "sparse-checkout: tests/e2e"), "does not bring ./.github/actions/setup"),
            (("e2e-test", CHECKOUT, "path: src"), "the checkout (path: src) does not bring ./.github/actions/setup"),
            (
                ("e2e-test", IN, job_in("container: python:3.13-slim")),
                "3.13-slim, which has no make: install it",
            ),
            (
                ("e2e-test", IN, job_in("container: {image: docker.io/library/debian:13}")),
                "debian:13, which has no",
            ),
            (("e2e-test", IN, job_in("container: node:24-alpine")), "the container node:24-alpine, which has no make"),
            (
                ("e2e-test", IN, job_in(DATABASE.format("postgres:17", ""))),
                "✗ e2e-test: its start: its service db",
            ),
            (("e2e-test", IN, job_in(DATABASE.format("mysql", ""))), "set MYSQL_ROOT_PASSWORD in its env"),
            (
                ("e2e-test", IN, job_in(DATABASE.format("mariadb", ", env: {MARIADB_USER: a, MARIADB_PASSWORD: b}"))),
                "set MARIADB_ROOT_PASSWORD in its env",
            ),
            (("e2e-test", CHECKOUT, "path: infra\n      - run: make e2e"), "does not bring Makefile"),
            (("e2e-test", CHECKOUT, "sparse-checkout: a\n      - run: ./ci/x.sh"), "does not bring ci/x.sh"),
        ],
        kind=lambda case: re.sub(r"postgres|mysql|mariadb|its start:.*|set \S+ in", "", case[1])[-12:],
    ),
)
def test_what_is_not_there_stops_its_job(change: Change, verdict: str, tmp_path: Path) -> None:
    assert any(verdict in each for each in said(read(tmp_path, change)))


@pytest.mark.parametrize(
    ("job", "pattern", "replacement"),
    one_of_each(
        [
            ("e2e-test", CHECKOUT, "sparse-checkout: |\n            tests\n            .github/actions"),
            ("e2e-test", CHECKOUT, "sparse-checkout: /.github/actions/setup/sub"),
            ("e2e-test", CHECKOUT, "sparse-checkout: x\n          sparse-checkout-cone-mode: false"),
            ("e2e-test", CHECKOUT, "path: ${{ vars.PLACE }}"),
            ("e2e-test", CHECKOUT, "path: ."),
            ("e2e-test", IN, job_in("container: python:3.13")),
            ("e2e-test", IN, job_in("container: ghcr.io/acme/python:slim")),
            ("e2e-test", IN, job_in(DATABASE.format("postgres:17", ", env: {POSTGRES_PASSWORD: a}"))),
            ("e2e-test", IN, job_in(DATABASE.format("postgres", ", env: {POSTGRES_HOST_AUTH_METHOD: trust}"))),
            ("e2e-test", IN, job_in(DATABASE.format("mysql:9", ", env: {MYSQL_ALLOW_EMPTY_PASSWORD: 1}"))),
            ("e2e-test", IN, job_in(DATABASE.format("redis:8", ""))),
            (
                "e2e-test",
                r"    steps:\n",
                "    container: python:3-slim\n    steps:\n      - run: apt-get install -y make\n",
            ),
            *(
                ("e2e-test", IN, job_in(DATABASE.format("postgres", f" {given}")))
                for given in ("-e POSTGRES_PASSWORD=a", "--env-file db.env", ", entrypoint: start")
            ),
        ],
        kind=lambda case: re.sub(r"[\W\d]+", " ", case[2])[-24:],
    ),
)
def test_what_may_be_there_is_not_missed(job: str, pattern: str, replacement: str, tmp_path: Path) -> None:
    assert said(read(tmp_path, (job, pattern, replacement))) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("runs: {using: composite, steps: [{run: ls}]}", "step 1 has no shell:"),
        ("runs: {using: composite, steps: [{run: ls, shell: sh, timeout-minutes: 2}]}", "step 1 has timeout-minutes"),
        ("runs: {using: composite, steps: [{name: a}]}", "step 1 needs one of run and uses"),
        ("runs: {using: composite, steps: [{run: 'ls ${{ secrets.A }}', shell: sh}]}", "names secrets, which actions"),
        ("runs: {using: composite, steps: [{uses: a/b@v1, with: {a: '${{ vars.A }}'}}]}", "names vars, which actions"),
        ("runs: {using: composite}", "is composite and has no steps:"),
        ("runs: {using: node24}", "says no runs: main:"),
        ("runs: {using: docker}", "says no runs: image:"),
        ("name: x", "says no runs: using:"),
        ("runs: {a", "cannot be read ("),
        ("runs: {using: composite, steps: [{uses: a/b@3d3c42e}]}", "step 1 cannot be loaded: GitHub finds no version"),
        ("runs: {using: composite, steps: [{uses: a/b@20261127}, {uses: a/b@facade1x}, {uses: ./x}]}", ""),
        ("runs: {using: composite, steps: [{run: 'ls ${{ inputs.a }}', shell: sh, if: always()}]}", ""),
        ("runs: {using: docker, image: Dockerfile}", ""),
    ],
)
def test_an_own_action_is_read_when_its_step_begins(text: str, fault: str, tmp_path: Path) -> None:
    with_action(tmp_path, text)
    own = "      - uses: ./.github/actions/own\n      - uses: ./.github/actions/setup"
    workflow = read(tmp_path, ("integration-test", ACTION, own))
    found = [each for each in said(workflow) if each.startswith("✗ integration-test")]
    assert [fault in each and "so GitHub does not load it" in each for each in found] == ([True] if fault else [])
    assert ("integration-test: ./.github/actions/own" in workflow.unplayed) == (not fault)


@pytest.mark.parametrize(
    "run",
    [
        *("./infra/scripts/x.sh", "make --directory infra", "make -f infra/Makefile", "make -Cinfra -k", "nova x"),
        *("pushd infra\nmake", "cp -r infra/. .\nmake", "make \\\n  -C infra", "./$PLACE/x.sh", "set -e\n./infra/x"),
    ],
)
def test_what_a_checkout_at_another_path_brings_is_found(run: str) -> None:
    checkout = JobStep("", "actions/checkout@v4", "", "", {}, {"path": "infra"})
    assert why_not_there(JobStep("", "", run, run, {}, {}), [checkout], Path("/none")) == ""
    copied = JobStep("", "", "cp -r infra/. .", "cp -r infra/. .", {}, {})
    assert why_not_there(JobStep("", "", "make", "make", {}, {}), [checkout, copied], Path("/none")) == ""
    assert "does not bring Makefile" in why_not_there(JobStep("", "", "", "make", {}, {}), [checkout], Path("/none"))


@pytest.mark.exhaustive("test_an_own_action_is_read_when_its_step_begins")
@pytest.mark.parametrize(
    ("steps", "missed"),
    [
        ("[{run: make setup, shell: bash}]", True),
        ("[{run: apt-get install -y make, shell: bash}, {run: make setup, shell: bash}]", False),
        ("[{uses: acme/make@v1}, {run: make setup, shell: bash}]", False),
    ],
)
def test_a_set_up_may_bring_make(steps: str, missed: bool, tmp_path: Path) -> None:
    with_action(tmp_path, "")
    for name in ("setup", "sign-in"):
        (tmp_path / f".github/actions/{name}/action.yml").write_text(
            f"runs: {{using: composite, steps: {steps[:-1]}, {ON_PATH}]}}"
        )
    workflow = read(tmp_path, ("e2e-test", IN, job_in("container: python:3.13-slim")))
    assert any("which has no make" in each for each in said(workflow)) == missed
    prepared = ("e2e-test", CHECKOUT, "persist-credentials: false\n      - run: ./ci/prepare.sh")
    assert said(read(tmp_path, ("e2e-test", IN, job_in("container: python:3.13-slim")), prepared)) == []


def test_a_job_that_tells_of_failures_is_not_waited_for(tmp_path: Path) -> None:
    tell = (
        "  tell:\n    needs: [integration-test, deploy-staging]\n    if: failure()\n    runs-on: x\n"
        "    steps: [{run: echo failed}]\n\n  deploy-prod:\n"
    )
    assert said(read(tmp_path, ("deploy-prod", r"  deploy-prod:\n", tell))) == []


def test_a_sparse_checkout_is_said_to_be_whole_here(tmp_path: Path) -> None:
    workflow = read(tmp_path, ("e2e-test", CHECKOUT, "sparse-checkout: |\n            .github"))
    assert "e2e-test sees the whole checkout, not only what its sparse-checkout names" in workflow.assumed


def test_the_steps_of_a_job_are_worked_out_once_however_many_jobs_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Counter[tuple[str, int]] = Counter()
    sets_more = WorkflowJob.sets_more

    def counted(job: WorkflowJob, step: Mapping[str, Any]) -> bool:
        asked[job.name, id(step)] += bool(step)
        return sets_more(job, step)

    monkeypatch.setattr(WorkflowJob, "sets_more", counted)
    read(tmp_path)
    assert max(asked.values()) == 1


CHECK = r"run: make check"


@pytest.mark.parametrize(
    ("depth", "command", "fault"),
    [
        ("", "git diff HEAD^", "brings 1 of the last commits, not 2 (fetch-depth): git diff HEAD^"),
        ("", "nova rehearse --approve --baseline HEAD^1", "not 2 (fetch-depth): nova rehearse"),
        ("2", "git log HEAD~2..HEAD --stat > log", "brings 2 of the last commits, not 3"),
        ("2", 'BASE="$(git rev-parse @~1^)"', "brings 2 of the last commits, not 3"),
        ("2", "git diff HEAD^", ""),
        ("3", "git diff HEAD^^ HEAD^2", ""),
        ("0", "git log HEAD~9", ""),
        ("", "git describe --tags --exact-match", ""),
        ("", "set +e\n          git diff HEAD^", ""),
        ("", "if true; then\n            git diff HEAD^\n          fi", ""),
        ("", "cat <<X\n          git diff HEAD^\n          X", ""),
        ("", "f() {\n          git diff HEAD^\n          }", ""),
        ("", "echo 'a\n          git diff HEAD^\n          '", ""),
        ("", "test -d x || exit 0\n          git diff HEAD^", ""),
        ("", "git diff HEAD^\n        shell: bash {0}", ""),
        ("${{ vars.DEPTH }}", "git diff HEAD^", ""),
        ("", "git diff HEAD^ || true", ""),
        ("", "echo $(git describe)", ""),
        ("", "if git diff HEAD^; then date; fi", ""),
        ("", "git log | head", ""),
        ("", "git fetch --unshallow\n          git diff HEAD^", ""),
        ("", "git rev-parse HEAD^{tree}", ""),
        ("", "git diff main@{1} HEAD  # not HEAD^", ""),
    ],
)
def test_a_command_needs_the_commits_that_its_checkout_brings(
    depth: str, command: str, fault: str, tmp_path: Path
) -> None:
    changes: list[Change] = [("test", CHECK, f"run: |\n          {command}")]
    if depth:
        changes.append(("test", CHECKOUT, f"fetch-depth: {depth}"))
    told = [each for each in said(read(tmp_path, *changes)) if "its checkout brings" in each]
    assert len(told) == bool(fault)
    assert not fault or fault in told[0]


@pytest.mark.parametrize(
    ("on", "condition", "told"),
    [
        ("pull_request", "", True),
        ("[push, workflow_dispatch]", "", True),
        ("{pull_request: {branches: [main]}}", "", True),
        ("{workflow_dispatch: {inputs: {environment: {type: string}}}}", "", True),
        ("{workflow_dispatch: , schedule: [{cron: '5 3 * * *'}]}", "if: github.event_name == 'schedule', ", True),
        ("workflow_dispatch", "if: inputs.environment == 'prod', ", True),
        ("{push: {tags: ['v*']}}", "if: github.ref_type == 'tag', ", True),
        ("{workflow_call: }", "", False),
        ("pull_request", "if: github.event.action == 'opened', ", True),
        ("pull_request", "if: github.event_name == 'push', ", False),
        ("push", "if: github.event_name == 'pull_request', ", False),
        ("pull_request", "continue-on-error: true, ", False),
        ("pull_request", "no-such-key: true, ", False),
    ],
)
def test_what_fails_in_a_workflow_beside_the_delivery_is_named(
    on: str, condition: str, told: bool, tmp_path: Path
) -> None:
    place = tmp_path / ".github" / "workflows"
    place.mkdir(parents=True)
    steps = "[{uses: actions/checkout@v4}, {name: Compare, run: git diff HEAD^}]"
    (place / "review.yml").write_text(
        f"name: Review\non: {on}\njobs: {{compare: {{{condition}runs-on: ubuntu-24.04, steps: {steps}}}}}\n"
    )
    fault = "! review.yml: compare fails whenever it runs: Compare: its checkout brings 1 of the last commits, not 2"
    assert [each[: len(fault)] for each in said(read(tmp_path))] == [fault] * told


@pytest.mark.parametrize(
    ("job", "fault"),
    [
        ("{runs-on: ubuntu-20.04, steps: [{run: date}]}", "a never starts: GitHub has no runner ubuntu-20.04"),
        (
            "{runs-on: x, steps: [{uses: actions/checkout@v4}, {uses: ./.github/actions/sign-in}]}",
            "a fails whenever it runs: ./.github/actions/sign-in: the job has no permission id-token: write",
        ),
        (
            "{runs-on: x, steps: [{uses: actions/download-artifact@v4, with: {name: out}}]}",
            "a fails whenever it runs: actions/download-artifact@v4: no job that it needs uploads the artifact 'out'",
        ),
        (
            "{runs-on: x, steps: [{run: date, if: false}, {uses: a/b@3d3c42e, if: false}]}",
            "a fails whenever it runs: GitHub finds no version '3d3c42e' of a/b",
        ),
        ("{runs-on: x, steps: [{run: make check}]}", "a fails whenever it runs: 1: no step before it checks the"),
        (
            "{runs-on: x, steps: [{uses: actions/upload-artifact@v4}, {uses: actions/upload-artifact@v4}]}",
            "a fails whenever it runs: actions/upload-artifact@v4: the artifact 'artifact' is there already",
        ),
        (
            "{runs-on: x, permissions: {id-token: write}, environment: '${{ inputs.environment }}', steps: ["
            "{uses: actions/checkout@v4}, "
            "{uses: ./.github/actions/sign-in, with: {environment: '${{ inputs.environment }}'}}]}",
            "",
        ),
    ],
)
def test_every_kind_of_fault_is_looked_for_beside_the_delivery(job: str, fault: str, tmp_path: Path) -> None:
    with_action(tmp_path, "runs: {using: node24, main: x}")
    place = tmp_path / ".github" / "workflows"
    place.mkdir(parents=True)
    head = "name: Back\non: {workflow_dispatch: {inputs: {environment: {type: string}}}}\npermissions: {}\n"
    (place / "back.yml").write_text(f"{head}jobs: {{a: {job}}}\n")
    told = said(read(tmp_path))
    assert len(told) == bool(fault)
    assert not fault or told[0].startswith(f"! back.yml: {fault}")
