"""What actions refuse of their inputs, and what a step finds only where the project's own action has put it."""

from pathlib import Path

import pytest

from helpers.edited_workflow import Change, read, said, with_action
from nova_infra.rehearsal.delivery.definition import BuildAction

ACTION = r"(      - uses: )./.github/actions/setup"
SIGN_IN = (
    "runs: {{using: composite, steps: [{{uses: aws-actions/configure-aws-credentials@v6, "
    "with: {{role-to-assume: x{}}}}}]}}"
)


@pytest.mark.parametrize(
    ("action", "fault"),
    [
        (SIGN_IN.format(""), "says no aws-region, which it needs"),
        (SIGN_IN.format(", aws-region: x, role-duration-seconds: 60"), "asks for a session of 60 s, and AWS gives 900"),
        (SIGN_IN.format(", aws-region: x, role-duration-seconds: '43201'"), "asks for a session of 43201 s"),
        (SIGN_IN.format(", aws-region: x, audience: acme"), "signs in as audience acme, and the roles trust sts."),
        (
            SIGN_IN.format(", aws-region: x, role-session-name: 'Nova ${{ github.run_id }}'"),
            "'Nova ${{ github.run_id }}'",
        ),
        (SIGN_IN.format(f", aws-region: x, role-session-name: {'x' * 65}"), "AWS takes 2 to 64 letters, digits"),
        (SIGN_IN.format(", aws-region: x, role-duration-seconds: 3600, audience: sts.amazonaws.com.cn"), ""),
        (SIGN_IN.format(", aws-region: x, role-session-name: 'n-${{ github.run_id }}@x'"), ""),
        (
            "runs: {using: composite, steps: [{uses: actions/setup-python@v7, with: {python-version: 3.10}}]}",
            "no Python 3.1:",
        ),
        ("runs: {using: composite, steps: [{uses: actions/setup-python@v7, with: {python-version: '3.10'}}]}", ""),
        (
            "runs: {using: composite, steps: [{uses: actions/upload-artifact@v4, "
            "with: {name: \"${{ inputs.a || 'b' }}\"}}]}",
            "",
        ),
        (SIGN_IN.format("").replace("with:", "env: {AWS_REGION: x}, with:"), ""),
        (SIGN_IN.format("").replace("with:", "if: inputs.a, with:"), ""),
        (SIGN_IN.format("").replace("steps: [", "steps: [{run: echo AWS_REGION=x >> $GITHUB_ENV, shell: sh}, "), ""),
        ("runs: {using: composite, steps: 5}", "is composite and has no steps:"),
    ],
)
def test_what_an_action_refuses_of_its_inputs_stops_its_job(action: str, fault: str, tmp_path: Path) -> None:
    with_action(tmp_path, action)
    own = "      - uses: ./.github/actions/own\n      - uses: ./.github/actions/setup"
    told = [each for each in said(read(tmp_path, ("integration-test", ACTION, own))) if "integration-test" in each]
    assert [fault in each for each in told] == ([True] if fault else [])


@pytest.mark.parametrize(
    "before",
    [
        "{uses: ./.github/actions/own, env: {AWS_REGION: x}}",
        "{run: 'echo AWS_REGION=x >> $GITHUB_ENV'}\n      - uses: ./.github/actions/own",
    ],
)
def test_a_region_may_be_a_variable(before: str, tmp_path: Path) -> None:
    with_action(tmp_path, SIGN_IN.format(""))
    own = f"      - {before}\n      - uses: ./.github/actions/setup"
    assert said(read(tmp_path, ("integration-test", ACTION, own))) == []


@pytest.mark.parametrize(
    ("set_up", "change", "missed"),
    [
        ("run: make setup, shell: sh", [], True),
        ("run: echo x >> $GITHUB_PATH, shell: sh", [], False),
        ("run: echo x >> $GITHUB_PATH, shell: sh", [("integration-test", r"run: .*", "run: nova status")], False),
        (
            "run: echo x >> $GITHUB_PATH, shell: sh",
            [
                ("integration-test", rf"{ACTION}\n        with:\n(          .*\n)+", ""),
                ("integration-test", r"run: .*", "run: nova status"),
            ],
            True,
        ),
        ("run: make setup, shell: sh", [("test", r"runs-on: .*", "runs-on: [self-hosted, x]")], False),
        (
            "run: make setup, shell: sh",
            [("test", r"runs-on: .*", "runs-on: ubuntu-24.04\n    container: acme/ci")],
            False,
        ),
        (
            "run: make setup, shell: sh",
            [("test", r"run: make check", 'run: echo "$PWD/.venv/bin" >> "$GITHUB_PATH"')],
            False,
        ),
    ],
)
def test_nova_is_on_no_path_until_a_step_puts_it_there(
    set_up: str, change: list[Change], missed: bool, tmp_path: Path
) -> None:
    with_action(tmp_path, "runs: {using: node24, main: x}")
    (tmp_path / ".github/actions/setup/action.yml").write_text(f"runs: {{using: composite, steps: [{{{set_up}}}]}}")
    told = [each for each in said(read(tmp_path, *change)) if "no step before it puts nova on the path" in each]
    jobs = {each.split(":")[0] for each in told}
    assert ("✗ test" in jobs or "✗ integration-test" in jobs) == missed


def beside(root: Path, job: str, env: str = "") -> list[str]:
    """What is said of a job of a workflow beside the delivery."""
    (root / ".github" / "workflows").mkdir(parents=True)
    head = "name: Back\non: {workflow_dispatch: {inputs: {environment: {type: string}}}}\npermissions: {}\n" + env
    (root / ".github" / "workflows" / "back.yml").write_text(f"{head}jobs: {{a: {{{job}}}}}\n")
    return [each for each in said(read(root)) if each.startswith("! back.yml: a fails")]


TOKEN = "env: {GH_TOKEN: '${{ github.token }}', GH_REPO: x}"
SOURCES = "{uses: actions/checkout@v7}"


@pytest.mark.parametrize(
    ("job", "fault"),
    [
        (f"permissions: {{contents: read}}, steps: [{{run: gh release create x, {TOKEN}}}]", "contents: write"),
        (f"permissions: read-all, steps: [{{run: gh pr comment 1, {TOKEN}}}]", "issues or pull-requests: write"),
        (f"permissions: {{issues: write}}, steps: [{{run: gh pr merge 1, {TOKEN}}}]", "pull-requests: write"),
        (f"permissions: {{contents: write}}, steps: [{{run: gh issue close 1, {TOKEN}}}]", "pull-requests: write"),
        (
            f"permissions: {{contents: read}}, steps: [{SOURCES}, {{run: git push --tags origin main}}]",
            "contents: write",
        ),
        (f"permissions: {{contents: read}}, steps: [{SOURCES}, {{run: git push}}]", "contents: write"),
        ("permissions: {attestations: write}, steps: [{uses: actions/attest-build-provenance@v4}]", "id-token: write"),
        ("steps: [{uses: github/codeql-action/analyze@v4}]", "security-events: write"),
        ("permissions: {pages: write}, steps: [{uses: actions/deploy-pages@v4}]", "id-token: write"),
        (f"steps: [{SOURCES}, {{run: gh run list}}]", "gh has no token: set GH_TOKEN"),
        ("steps: [{run: gh run list, env: {GH_TOKEN: x}}]", "gh knows no repository: nothing is checked out"),
        (
            "steps: [{uses: ./.github/actions/sign-in, with: {environment: '${{ inputs.environment }}'}}]",
            "checks the rep",
        ),
        (f"permissions: {{contents: write}}, steps: [{{run: gh release create x, {TOKEN}}}]", ""),
        (f"permissions: write-all, steps: [{{run: gh pr comment 1, {TOKEN}}}]", ""),
        ("steps: [{run: gh release create x, env: {GH_TOKEN: '${{ secrets.BOT }}', GH_REPO: x}}]", ""),
        (f"steps: [{{uses: actions/create-github-app-token@v2}}, {{run: gh pr close 1, {TOKEN}}}]", ""),
        ("steps: [{run: gh auth login --with-token < x}, {run: gh run list --repo a/b}]", ""),
        ("steps: [{run: gh run list --repo a/b, env: {GITHUB_TOKEN: x}}]", ""),
        (f"permissions: {{contents: read}}, steps: [{SOURCES}, {{run: echo git push}}]", ""),
        (f"permissions: {{contents: read}}, steps: [{SOURCES}, {{run: git push heroku main}}]", ""),
        (f"permissions: {{pull-requests: write}}, steps: [{{run: gh issue comment 1, {TOKEN}}}]", ""),
        ("steps: [{uses: github/codeql-action/analyze@v4, with: {upload: never}}]", ""),
        (f"steps: [{SOURCES}, {{run: 'export GH_TOKEN=$T; gh run list'}}]", ""),
        (f"steps: [{SOURCES}, {{run: 'GH_TOKEN=${{{{ github.token }}}} gh run list'}}]", ""),
        (f'steps: [{SOURCES}, {{run: "echo $T | gh auth login --with-token\\ngh run list"}}]', ""),
        (f"steps: [{SOURCES}, {{uses: ./.github/actions/own}}, {{run: gh run list}}]", ""),
        (f"runs-on: [self-hosted, linux], steps: [{SOURCES}, {{run: gh run list}}]", ""),
        (f"runs-on: {{group: big}}, steps: [{SOURCES}, {{run: gh run list}}]", ""),
        ("permissions: {pull-requests: write}, steps: [{run: 'gh pr merge \"$URL\"', env: {GH_TOKEN: x, URL: y}}]", ""),
        (f"permissions: {{contents: read}}, steps: [{SOURCES}, {{run: git push --dry-run}}]", ""),
        (f"permissions: {{contents: read}}, steps: [{SOURCES}, {{run: git push --mirror https://example.com/a}}]", ""),
        (
            f'permissions: {{contents: read}}, steps: [{SOURCES}, {{run: "git remote set-url origin $U\\ngit push"}}]',
            "",
        ),
    ],
)
def test_a_job_may_do_what_its_token_may(job: str, fault: str, tmp_path: Path) -> None:
    job = job if job.startswith("runs-on") else f"runs-on: ubuntu-24.04, {job}"
    with_action(tmp_path, "runs: {using: node24, main: x}")
    assert [fault in each for each in beside(tmp_path, job)] == ([True] if fault else [])


def test_a_token_of_the_workflows_own_may_do_more(tmp_path: Path) -> None:
    job = "runs-on: ubuntu-24.04, permissions: {contents: read}, steps: [{run: gh release create x --repo a/b}]"
    assert beside(tmp_path, job, "env: {GH_TOKEN: '${{ secrets.RELEASE }}'}\n") == []


@pytest.mark.parametrize(("environment", "missed"), [("", True), ("environment: '${{ inputs.environment }}', ", False)])
def test_a_role_that_only_a_run_chooses_is_for_an_environments_jobs(
    environment: str, missed: bool, tmp_path: Path
) -> None:
    with_action(tmp_path, "runs: {using: node24, main: x}")
    sign_in = "{uses: ./.github/actions/sign-in, with: {environment: '${{ inputs.environment }}'}}"
    job = f"runs-on: ubuntu-24.04, {environment}permissions: {{id-token: write}}, steps: [{SOURCES}, {sign_in}]"
    assert ["and the job names none" in each for each in beside(tmp_path, job)] == [True] * missed


def test_a_list_of_runs_brings_no_sources(tmp_path: Path) -> None:
    job = "runs-on: ubuntu-24.04, steps: [{run: gh run list --repo a/b, env: {GH_TOKEN: x}}, {run: make check}]"
    assert ["no step before it checks the repository out" in each for each in beside(tmp_path, job)] == [True]


def test_the_address_of_an_environment_that_a_variable_names_is_known_after_its_deployment(tmp_path: Path) -> None:
    named = ("deploy-dev", r"nova deploy dev", 'nova deploy "$TARGET"')
    given = ("deploy-dev", r"BUILT:", "TARGET: ${{ format('{0}', 'dev') }}\n      BUILT:")
    actions = {a.name: a for s in read(tmp_path, named, given).pipeline.stages for a in s.actions}
    tests = actions["integration-test: Integration Tests"]
    assert isinstance(tests, BuildAction)
    assert tests.environment["BASE_URL"] == "#{dev.Url}"
