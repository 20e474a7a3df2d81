"""`nova access`, as the reader of either engine's page sees it."""

from pathlib import Path
from typing import Any

import pytest

from helpers.exhaustive import one_of_each

WRITTEN = Path(__file__).parents[5] / "docs" / "access.md"
PROD, TOOLS = "333333333333", "444444444444"
JOB = "repo:org/nova-platform"


def section(text: str, title: str) -> str:
    """What stands below a heading, up to the next one."""
    return text.partition(f"## {title}\n")[2].partition("\n## ")[0]


def rows(text: str, title: str) -> list[list[str]]:
    """The cells of each row of a section's table."""
    lines = [line for line in section(text, title).splitlines() if line.startswith("| ")]
    return [line.strip("| ").split(" | ") for line in lines[1:]]


def strange(text: str) -> list[str]:
    """What is no word of the written page: what the generator says of every project stands there word for word."""
    known = WRITTEN.read_text(encoding="utf-8").splitlines()
    # What the user's templates say is his.
    fixed = [line for line in text.partition("## Ways around")[0].splitlines() if not line.startswith("| ")]
    return [line for line in fixed if line not in known]


@pytest.fixture
def github_page(nova: Any, github_assembly: Any) -> str:
    text: str = nova("access", "--assembly", str(github_assembly.directory)).stdout
    return text


def test_the_page_of_githubs_jobs_lists_each_role_on_its_side_of_the_approval(github_page: str) -> None:
    before = {row[0]: row[2] for row in rows(github_page, "Before the approval")}
    after = {row[0]: row[2] for row in rows(github_page, "After the approval")}
    branches = {f"{JOB}:ref:refs/heads/{branch}" for branch in ("main", "develop")}
    assert set(before) == {f"{JOB}:environment:dev", f"{JOB}:environment:staging", *branches}
    assert set(after) == {f"{JOB}:environment:prod", f"{JOB}:environment:registry"}
    assert not [takes for takes in before.values() if PROD in takes]
    assert f"arn:aws:iam::{PROD}:role/nova-prod-release" in after[f"{JOB}:environment:prod"]


def test_githubs_jobs_read_nothing_of_production_but_images_before_the_approval(github_page: str) -> None:
    read = {(row[0], row[2]) for row in rows(github_page, "What may be read of production before the approval")}
    branch = f"{JOB}:ref:refs/heads/main"
    assert {kind for _, kind in read} == {"–", "images"}
    assert (branch, "images") in read
    assert (f"{JOB}:environment:dev", "–") in read


@pytest.mark.exhaustive("test_githubs_jobs_read_nothing_of_production_but_images_before_the_approval")
def test_the_page_of_githubs_jobs_names_no_way_around_the_approval(github_page: str) -> None:
    ways = section(github_page, "Ways around the approval").strip()
    assert ways.startswith("NOVA-P06 found no way from a step")
    assert not [line for line in ways.splitlines() if line.startswith("- ")]
    assert strange(github_page) == []


@pytest.mark.exhaustive("test_the_page_of_githubs_jobs_lists_each_role_on_its_side_of_the_approval")
@pytest.mark.parametrize("engine", one_of_each(["assembly", "github_assembly"]))
def test_the_page_is_the_same_each_time_and_its_prose_is_that_of_the_written_one(
    nova: Any, request: pytest.FixtureRequest, engine: str
) -> None:
    directory = request.getfixturevalue(engine).directory
    text = nova("access", "--assembly", str(directory)).stdout
    assert nova("access", "--assembly", str(directory)).stdout == text
    assert strange(text) == []
