"""The verdict about a pull request, with a `gh` that answers what the test says."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from helpers.small_assembly import assembly, role

SCRIPT = Path(__file__).parents[3] / "scripts" / "judge.sh"
SHA, OLDER = "a" * 40, "b" * 40
GH = """#!/bin/sh
''''exec "{python}" -IS "$0" "$@" # '''
import json, pathlib, sys
place = pathlib.Path({place!r})
answers = json.loads((place / "answers.json").read_text())
path = next((word for word in sys.argv[1:] if word.startswith("repos/")), "")
if sys.argv[1:3] == ["pr", "comment"] or "/statuses/" in path:
    with (place / "said").open("a") as said:
        print(*sys.argv[1:], file=said)
elif path in answers:
    print(answers[path], end="")
elif "[bot]" in path:
    sys.exit("gh: it is not a user (HTTP 404)")
else:
    sys.exit(f"gh: {{path}}: not found")
"""


Verdict = Callable[..., list[str]]


@pytest.fixture
def verdict(tmp_path: Path) -> Verdict:
    """Runs the script: verdict("wider", reviews=…, labels=…) -> what it has set and said, line by line."""
    (tmp_path / "gh").write_text(GH.format(python=sys.executable, place=str(tmp_path)))
    (tmp_path / "gh").chmod(0o755)

    def run(
        word: str,
        *,
        number: str = "7",
        labels: str = "wider-access\n",
        reviews: Sequence[tuple[str, str, str]] = (),
        permissions: Sequence[tuple[str, str]] = (),
        comment: bool = True,
        commits: str = "author\nweb-flow\n",
        count: int = 250,
        silent: str = "",
    ) -> list[str]:
        answers = {
            "repos/o/r/pulls": number,
            "repos/o/r/issues/7/labels": labels,
            "repos/o/r/pulls/7": f"{count} author\n",
            "repos/o/r/pulls/7/commits": commits,
            "repos/o/r/pulls/7/reviews": "".join("\t".join(each) + "\n" for each in reviews),
            **{f"repos/o/r/collaborators/{who}/permission": f"{may}\n" for who, may in permissions},
        }
        answers = {path: answer for path, answer in answers.items() if not silent or not path.endswith(silent)}
        (tmp_path / "answers.json").write_text(json.dumps(answers))
        if comment:
            (tmp_path / "comment.md").write_text("changes")
        variables = {"GH_REPO": "o/r", "BASE": "main", "HEAD": "fork:topic", "SHA": SHA, "RUN": "https://x"}
        environment = {**os.environ, **variables, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
        command = [str(SCRIPT), "verdict", word]
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
        said = tmp_path / "said"
        return said.read_text().splitlines() if said.exists() else []

    return run


MAY = [("ann", "write"), ("bob", "admin"), ("reader", "read"), ("author", "admin")]
APPROVED = ("ann", "APPROVED", SHA)


@pytest.mark.exhaustive("test_wider_access_is_refused_without_both")
def test_what_becomes_no_wider_is_green_and_commented(verdict: Verdict) -> None:
    status, comment = verdict("same", labels="")
    assert f"repos/o/r/statuses/{SHA} -f state=success -f context=Wider access" in status
    assert comment.startswith("pr comment 7 --body-file comment.md")


@pytest.mark.exhaustive("test_wider_access_is_refused_without_both")
@pytest.mark.parametrize(
    "reviews", one_of_each([[APPROVED], [("ann", "CHANGES_REQUESTED", OLDER), APPROVED], [("bob", "APPROVED", SHA)]])
)
def test_wider_access_is_accepted_by_the_label_and_an_approval_of_this_commit(
    verdict: Verdict, reviews: list[tuple[str, str, str]]
) -> None:
    status = verdict("wider", reviews=reviews, permissions=MAY)[0]
    assert "state=success" in status
    assert "has accepted for this commit" in status


REFUSED = {
    "no label": {"labels": "bug\n", "reviews": [APPROVED]},
    "another label": {"labels": "not-wider-access\n", "reviews": [APPROVED]},
    "no approval": {},
    "an approval of an older commit": {"reviews": [("ann", "APPROVED", OLDER)]},
    "a comment": {"reviews": [("ann", "COMMENTED", SHA)]},
    "changes requested since": {"reviews": [APPROVED, ("ann", "CHANGES_REQUESTED", SHA)]},
    "dismissed": {"reviews": [("ann", "DISMISSED", SHA)]},
    "its author": {"reviews": [("author", "APPROVED", SHA)]},
    "the author of a commit": {"reviews": [APPROVED], "commits": "author\nAnn\n"},
    "a reader": {"reviews": [("reader", "APPROVED", SHA)]},
}


@pytest.mark.parametrize(
    "given", one_of_each(REFUSED.values(), kind=lambda given: given == REFUSED["a reader"]), ids=REFUSED.keys()
)
def test_wider_access_is_refused_without_both(verdict: Verdict, given: dict[str, Any]) -> None:
    status = verdict("wider", permissions=MAY, **given)[0]
    assert "state=failure" in status
    assert "needs the label wider-access and an approval of this commit" in status


def test_wider_access_is_refused_in_more_commits_than_github_names_the_authors_of(verdict: Verdict) -> None:
    status = verdict("wider", reviews=[APPROVED], permissions=MAY, count=251)[0]
    assert "state=failure" in status
    assert "in more than 250 commits, of which GitHub does not name all authors: squash or split them" in status


QUESTIONS = ["ann/permission", "pulls/7", "issues/7/labels", "pulls/7/commits", "pulls/7/reviews"]


@pytest.mark.parametrize("silent", one_of_each(QUESTIONS))
def test_a_question_that_github_does_not_answer_is_no_refusal_and_no_acceptance(verdict: Verdict, silent: str) -> None:
    status = verdict("wider", reviews=[APPROVED], permissions=MAY, silent=silent)[0]
    assert "state=error" in status
    assert "GitHub did not say who has accepted it: run the job Verdict again" in status


@pytest.mark.exhaustive("test_wider_access_is_refused_without_both")
def test_one_reviewer_whose_rights_github_does_not_say_hides_no_other(verdict: Verdict) -> None:
    both = [APPROVED, ("bob", "APPROVED", SHA)]
    status = verdict("wider", reviews=both, permissions=MAY, silent="ann/permission")[0]
    assert "state=success" in status
    assert "which bob has accepted" in status


@pytest.mark.exhaustive("test_wider_access_is_refused_without_both")
@pytest.mark.parametrize("who", one_of_each(["helper[bot]", ""]))
def test_the_approval_of_a_bot_or_of_a_deleted_account_is_none_and_no_failure(verdict: Verdict, who: str) -> None:
    status = verdict("wider", reviews=[(who, "APPROVED", SHA)], permissions=MAY)[0]
    assert "state=failure" in status
    assert "needs the label wider-access and an approval of this commit" in status
    assert "state=success" in verdict("wider", reviews=[(who, "APPROVED", SHA), APPROVED], permissions=MAY)[-2]


def test_what_could_not_be_compared_is_red_without_a_comment(verdict: Verdict) -> None:
    [status] = verdict("none", reviews=[APPROVED], permissions=MAY, comment=False)
    assert "state=failure" in status
    assert "Not judged" in status


def test_a_commit_that_is_not_the_last_one_is_left_to_the_run_of_that(verdict: Verdict) -> None:
    assert verdict("wider", number="") == []


@pytest.mark.parametrize(("code", "printed"), [(0, "verdict=same\n"), (1, "verdict=wider\n"), (2, "")])
def test_the_exit_code_of_the_comparison_is_the_verdict(tmp_path: Path, code: int, printed: str) -> None:
    (tmp_path / "nova").write_text(f"#!/bin/sh\necho changes\nexit {code}\n")
    (tmp_path / "nova").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    command = [str(SCRIPT), "diff", "before", "after"]
    result = subprocess.run(command, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)
    assert (result.stdout, result.returncode) == (printed, code if code > 1 else 0)


HIDDEN = {
    **{"nova": "exit 0", "node_modules/.bin/cdk": "exit 0"},  # tools that find nothing
    **{"sitecustomize.py": "", "nova_infra/__init__.py": "", "usercustomize.py": ""},  # what Python loads by itself
    **{"cdk.json": '{"app": "touch RAN"}', "nova.toml": "", ".npmrc": "", "package.json": "{}"},
}


@pytest.mark.exhaustive("test_wider_access_is_refused_without_both")
def test_a_pull_request_that_edits_what_judges_it_is_judged_by_the_target_branch(tmp_path: Path) -> None:
    """Its assembly is data: what it brings along, such as a `nova diff` that finds nothing, is not run."""
    base, change = tmp_path / "base", tmp_path / "runner" / "change"
    assembly(base / "cdk.out", audio={"Role": role("s3:GetObject")})
    assembly(change, audio={"Role": role("s3:*")})
    ran = tmp_path / "ran"
    for name, content in HIDDEN.items():
        (change / name).parent.mkdir(parents=True, exist_ok=True)
        code = f"open({str(ran)!r}, 'w')" if name.endswith(".py") else f"#!/bin/sh\ntouch {ran}\n{content}\n"
        (change / name).write_text(content.replace("RAN", str(ran)) if name.endswith((".json", ".toml")) else code)
        (change / name).chmod(0o755)
    command = [str(SCRIPT), "diff", "cdk.out", str(change)]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    result = subprocess.run(
        command, cwd=base, env={**os.environ, "PATH": path}, check=True, capture_output=True, text=True
    )
    assert result.stdout == "verdict=wider\n"
    assert not ran.exists()
    assert "Widens access" in (base / "comment.md").read_text()


@pytest.mark.exhaustive("test_wider_access_is_refused_without_both")
@pytest.mark.parametrize("name", one_of_each(["../../base/cdk.out/assembly-Dev", "/etc", "elsewhere"]))
def test_an_assembly_that_points_elsewhere_is_not_judged_as_the_same(tmp_path: Path, name: str) -> None:
    base, change = tmp_path / "base", tmp_path / "runner" / "change"
    assembly(base / "cdk.out", audio={"Role": role("s3:GetObject")})
    manifest = assembly(change, audio={"Role": role("s3:*")}) / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"assembly-Dev"}', f'"{name}"}}'))
    command = [str(SCRIPT), "diff", "cdk.out", str(change)]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    result = subprocess.run(
        command, cwd=base, env={**os.environ, "PATH": path}, check=False, capture_output=True, text=True
    )
    assert (result.stdout, result.returncode) == ("", 2)
