"""What starts nothing although it should, and what GitHub refuses of artifacts, or does not have."""

from pathlib import Path

import pytest

from helpers.edited_workflow import BRANCHES, Change, read, said

UPLOAD = "\n      - uses: actions/upload-artifact@v4\n        with:\n          name: {}\n          path: x"


def test_a_push_of_one_service_that_the_paths_leave_out_is_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "services" / name).mkdir(parents=True)
        (tmp_path / "services" / name / "Dockerfile").touch()
    workflow = read(tmp_path, ("", BRANCHES + r".*\n", "    branches: [main]\n    paths: ['services/b/**']\n"))
    assert workflow.unsafe == (
        "a push that changes only services/a/Dockerfile does not start this workflow, by its paths",
    )


def test_a_push_of_a_text_in_an_image_that_the_paths_leave_out_is_named(tmp_path: Path) -> None:
    (tmp_path / "services" / "a" / "src").mkdir(parents=True)
    for name in ("Dockerfile", "README.md", "src/help.md"):
        (tmp_path / "services" / "a" / name).touch()
    ignored = ("", BRANCHES + r".*\n", "    branches: [main]\n    paths-ignore: ['**/*.md']\n")
    assert read(tmp_path, ignored).unsafe == (
        "a push that changes only services/a/src/help.md does not start this workflow, by its paths",
    )
    (tmp_path / "services" / "a" / "src" / "help.md").unlink()
    assert read(tmp_path, ignored).unsafe == ()


def test_a_workflow_that_waits_for_a_name_that_none_has_is_named(tmp_path: Path) -> None:
    place = tmp_path / ".github" / "workflows"
    place.mkdir(parents=True)
    job = "jobs: {a: {runs-on: ubuntu-24.04, steps: [{run: 'true'}]}}\n"
    (place / "judge.yml").write_text(
        f"name: Judge\non: {{workflow_run: {{workflows: [Review, Deploy], types: [completed]}}}}\n{job}"
    )
    (place / "review.yml").write_text(f"name: Review\non: push\n{job}")
    assert read(tmp_path).unsafe == (
        "judge.yml starts after the workflow 'Deploy', and none has that name, so it never starts",
    )
    waits = "[.github/workflows/unnamed.yml, CodeQL, pages-build-deployment, Dependabot Updates]"
    (place / "judge.yml").write_text(f"name: Judge\non: {{workflow_run: {{workflows: {waits}}}}}\n{job}")
    (place / "unnamed.yml").write_text(f"on: push\n{job}")
    assert read(tmp_path).unsafe == ()
    (place / "unnamed.yml").write_text(f"name: Other\non: push\n{job}")
    assert ["'.github/workflows/unnamed.yml', and none has" in each for each in read(tmp_path).unsafe] == [True]
    (place / "broken.yml").write_text("on: [")
    assert read(tmp_path).unsafe == ()


@pytest.mark.parametrize(("services", "sign"), [(["a", "b"], "✗"), (["a"], ""), ([], "!")])
def test_combinations_that_upload_one_name_fail_where_there_are_several(
    tmp_path: Path, services: list[str], sign: str
) -> None:
    change = ("build", r"run: make image.*", "run: make images" + UPLOAD.format("scan"))
    found = [each[0] for each in said(read(tmp_path, change, services=services)) if "an artifact 'scan'" in each]
    assert sign in found if sign else "✗" not in found


TAKEN = ("e2e-test", r"name: e2e", "name: integration")


@pytest.mark.parametrize(
    ("changes", "sign"),
    [
        ([TAKEN], "✗"),
        ([TAKEN, ("e2e-test", r"name: integration", "name: integration\n          overwrite: true")], ""),
        ([TAKEN, ("integration-test", r"name: integration", "name: integration\n          overwrite: true")], "✗"),
        ([TAKEN, ("integration-test", r"    runs-on:", "    if: vars.FAST == 'yes'\n    runs-on:")], "!"),
        ([TAKEN, ("e2e-test", r"(path: .*)", "path: x\n          if-no-files-found: ignore")], "!"),
        ([TAKEN, ("integration-test", r"(path: .*)", "path: x\n          if-no-files-found: warn")], "!"),
        ([TAKEN, ("e2e-test", r"    runs-on:", "    continue-on-error: true\n    runs-on:")], "!"),
        ([TAKEN, ("e2e-test", r"run: make e2e", "run: gh api -X DELETE $A/artifacts/1; make e2e")], "!"),
        ([("test", r"run: make check", "run: make check" + UPLOAD.format("a") * 2)], "✗"),
        (
            [
                (
                    "test",
                    r"run: make check",
                    "run: make check"
                    + "".join(f"{UPLOAD.format('a')}\n        if: vars.B {op} 'x'" for op in ("==", "!=")),
                )
            ],
            "!",
        ),
        (
            [
                (
                    "test",
                    r"run: make check",
                    f"run: make check{UPLOAD.format('a')}\n        if: vars.B{UPLOAD.format('a')}",
                )
            ],
            "!",
        ),
    ],
)
def test_only_what_surely_uploads_takes_a_name(tmp_path: Path, changes: list[Change], sign: str) -> None:
    told = [each for each in said(read(tmp_path, *changes)) if "(409)" in each]
    assert [each[0] for each in told] == list(sign)


PIN, SETUP, DAYS = r"actions/checkout@\w+", "      - uses: ./.github/actions/setup", r"retention-days: 30 "
MAKES_IT = "run: mkdir ~/.aws; cp config ~/.aws/config; nova deploy"
STEP_ENV, CHECK_STEP = r"env:\n", "run: make check"


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (
            ("deploy-prod", PIN, "actions/checkout@3d3c42e"),
            "✗ deploy-prod: its start: GitHub finds no version '3d3c42e'",
        ),
        (("deploy-dev", PIN, f"actions/checkout@{'3d3c4' * 8}2"), "✗ deploy-dev: its start: GitHub finds no version"),
        (
            ("e2e-test", PIN, "actions/checkout@7"),
            "✗ e2e-test: its start: GitHub finds no version '7' of actions/checkout",
        ),
        (("e2e-test", PIN, "actions/checkout@V7"), "✗ e2e-test: its start: GitHub finds no version 'V7'"),
        (
            ("e2e-test", SETUP, "      - {uses: a/b@3d3c42e, if: false}\n" + SETUP),
            "GitHub finds no version '3d3c42e' of a/b",
        ),
        (
            ("cdk-synth", DAYS, "retention-days: 1 "),
            "! deploy-prod fails if deploy-prod is approved later than 1 day after",
        ),
        (("cdk-synth", DAYS, "retention-days: 29 "), "the artifact 'cdk-out' is gone by then (retention-days), and an"),
        (
            ("", r"^env:\n", "env:\n  AWS_PROFILE: nova-ci\n"),
            "✗ registry: Deploy the early branch's image repositories: A",
        ),
        (
            ("build", STEP_ENV, "env:\n          AWS_DEFAULT_PROFILE: ci\n"),
            "AWS_DEFAULT_PROFILE names a profile 'ci', whi",
        ),
        (
            ("deploy-dev", r"^    env:\n", "    env:\n      AWS_PROFILE: ci\n"),
            "✗ deploy-dev: CDK Deploy: AWS_PROFILE names",
        ),
        (
            ("", r"^env:\n", "env:\n  AWS_ENDPOINT_URL: http://localhost:4566\n"),
            "AWS_ENDPOINT_URL leads to http://localhost:",
        ),
        (("cdk-synth", r"name: cdk-out", "name: cdk/out"), "GitHub takes no / in an artifact's name 'cdk/out'"),
        (("e2e-test", r"name: e2e", "name: 'e2e: report'"), "GitHub takes no : in an artifact's name"),
        (("deploy-dev", r"ASSEMBLY:", "ASEMBLY:"), "✗ deploy-dev: CDK Deploy: the digest of what was built is empty"),
        (("deploy-dev", r'"\$ASSEMBLY"', "'$ASSEMBLY'"), "between single quotes $ASSEMBLY stays as it is"),
        (("build", r"runs-on: .*", "runs-on: macos-15"), "✗ build: its start: GitHub's machine macos-15 has no engine"),
        (("build", r"runs-on: .*", "runs-on: windows-2025"), "windows-2025 has no engine for Linux containers"),
        (
            ("e2e-test", r"--junit-xml=e2e.xml", "--co"),
            "! e2e-test goes on even if make e2e fails (PYTEST_ADDOPTS says",
        ),
        (("test", CHECK_STEP, CHECK_STEP + "\n        env: {MAKEFLAGS: -n}"), "make check fails (MAKEFLAGS says -n)"),
        (("test", CHECK_STEP, CHECK_STEP + "\n        env: {MAKEFLAGS: --ignore-errors}"), "says --ignore-errors"),
        (("test", CHECK_STEP, CHECK_STEP + "\n        env: {MAKEFLAGS: ik}"), "make check fails (MAKEFLAGS says ik)"),
    ],
)
def test_what_github_does_not_have_is_missed(change: Change, verdict: str, tmp_path: Path) -> None:
    assert any(verdict in each for each in said(read(tmp_path, change)))


@pytest.mark.parametrize(
    "changes",
    [
        [
            ("e2e-test", PIN, "actions/checkout@v7.0.1"),
            ("integration-test", PIN, "actions/checkout@main"),
            ("integration-test", r"path: integration.xml", "path: integration.xml\n          retention-days: 1"),
            ("e2e-test", r"    runs-on:", "    env: {AWS_PROFILE: nova-ci}\n    runs-on:"),
            (
                "test",
                CHECK_STEP,
                CHECK_STEP + "\n        env: {MAKEFLAGS: -j 4 -Otarget -I include --output-sync target}",
            ),
            ("integration-test", r"(--junit-xml)", r"--color=no --cov=x --junit-xml"),
            ("deploy-staging", r"ASSEMBLY:", "OTHER:"),
            ("deploy-staging", r"run: nova deploy", "run: ASSEMBLY=$OTHER nova deploy"),
            ("deploy-dev", r"ASSEMBLY:", "OTHER:"),
            ("deploy-dev", r"run: nova deploy", "run: |\n          . ./digest.env\n          nova deploy"),
            ("deploy-prod", r"ASSEMBLY:", "OTHER:"),
            ("deploy-prod", r'"\$ASSEMBLY"', '"${ASSEMBLY:-$(cat digest)}"'),
            ("build", r"runs-on: .*", "runs-on: macos-15"),
            ("build", SETUP, "      - uses: docker/setup-docker-action@v4\n" + SETUP),
        ],
        [
            ("deploy-dev", r"^    env:\n", "    env:\n      AWS_PROFILE: ci\n"),
            ("deploy-dev", r"run: nova deploy", MAKES_IT),
        ],
        [
            ("deploy-dev", r"^    env:\n", "    env:\n      AWS_PROFILE: ci\n"),
            ("deploy-dev", r"runs-on: .*", "runs-on: ours"),
        ],
        [
            ("deploy-dev", r"^    env:\n", "    env:\n      AWS_PROFILE: ci\n"),
            ("deploy-dev", SETUP, "      - run: aws configure set region eu-west-1 --profile ci\n" + SETUP),
        ],
        [
            ("deploy-dev", r"^    env:\n", "    env:\n      AWS_PROFILE: ci\n"),
            ("deploy-dev", r"runs-on: .*", "runs-on: [self-hosted, fast-20]"),
        ],
    ],
)
def test_what_github_may_have_is_not_missed(changes: list[Change], tmp_path: Path) -> None:
    assert said(read(tmp_path, *changes)) == []


@pytest.mark.parametrize("value", ["env.TAG", "secrets.TOKEN", "steps.meta.outputs.tag", "vars.TAG"])
def test_a_command_that_is_given_what_only_github_knows_is_not_played_without_it(tmp_path: Path, value: str) -> None:
    sets = "      - run: echo TAG=${GITHUB_SHA::7} >> $GITHUB_ENV\n      - {id: meta, uses: a/b@v1}\n"
    check = f"      - {{name: check, run: './check ${{{{ {value} }}}}'}}\n"
    found = read(tmp_path, ("e2e-test", r"    steps:\n", f"    steps:\n{sets}{check}"))
    assert "e2e-test: check" in found.unplayed
    commands = [each for s in found.pipeline.stages for a in s.actions for each in getattr(a, "commands", ())]
    assert not any("./check" in each for each in commands)
