"""What actions refuse of their inputs, and what a step finds only where the project's own action has put it."""

from pathlib import Path

import pytest

from helpers.edited_workflow import Change, read, said, with_action

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
    ],
)
def test_what_an_action_refuses_of_its_inputs_stops_its_job(action: str, fault: str, tmp_path: Path) -> None:
    with_action(tmp_path, action)
    own = "      - uses: ./.github/actions/own\n      - uses: ./.github/actions/setup"
    told = [each for each in said(read(tmp_path, ("integration-test", ACTION, own))) if "integration-test" in each]
    assert [fault in each for each in told] == ([True] if fault else [])


def test_a_region_may_be_a_variable(tmp_path: Path) -> None:
    with_action(tmp_path, SIGN_IN.format(""))
    own = "      - {uses: ./.github/actions/own, env: {AWS_REGION: x}}\n      - uses: ./.github/actions/setup"
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
