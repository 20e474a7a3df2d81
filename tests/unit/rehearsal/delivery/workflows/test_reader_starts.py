"""What starts nothing although it should, and what GitHub refuses of artifacts."""

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
