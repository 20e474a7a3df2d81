"""What a job's steps find: the part of the repository that was checked out, own actions, and containers."""

from pathlib import Path

import pytest

from helpers.edited_workflow import Change, read, said
from helpers.exhaustive import one_of_each

IN = r"    runs-on: .*"
ACTION = r"(      - uses: )./.github/actions/setup"
CHECKOUT = r"(persist-credentials:.*)"
DATABASE = "services: {{db: {{image: {}, options: --health-cmd ready{}}}}}"


def job_in(what: str) -> str:
    return f"    runs-on: ubuntu-24.04\n    {what}"


def with_action(root: Path, text: str) -> None:
    for name in ("setup", "sign-in", "own"):
        (root / ".github/actions" / name).mkdir(parents=True)
        (root / ".github/actions" / name / "action.yml").write_text(
            text if name == "own" else "runs: {using: node24, main: x}"
        )


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
        ]
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
        ]
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


def test_a_job_that_tells_of_failures_is_not_waited_for(tmp_path: Path) -> None:
    tell = (
        "  tell:\n    needs: [integration-test, deploy-staging]\n    if: failure()\n    runs-on: x\n"
        "    steps: [{run: echo failed}]\n\n  deploy-prod:\n"
    )
    assert said(read(tmp_path, ("deploy-prod", r"  deploy-prod:\n", tell))) == []


def test_a_sparse_checkout_is_said_to_be_whole_here(tmp_path: Path) -> None:
    workflow = read(tmp_path, ("e2e-test", CHECKOUT, "sparse-checkout: |\n            .github"))
    assert "e2e-test sees the whole checkout, not only what its sparse-checkout names" in workflow.assumed
