"""What GitHub does not hand on, because a step of the job masks it in its log."""

from pathlib import Path

import pytest

from helpers.edited_workflow import read
from helpers.exhaustive import one_of_each


@pytest.mark.parametrize(
    ("output", "said"),
    # GitHub looks for what is masked in all that a job hands on.
    one_of_each(
        [
            ("https://lab.us-east-1.example.com", "deploy-staging hands on no url: a step of it masks that"),
            (
                "${{ steps.deploy.outputs.url }}/",
                "deploy-staging hands on url: not if it holds us-east-1, which is masked",
            ),
            ("https://lab.eu-west-1.example.com", "[]"),
        ],
        kind=lambda case: case[1],
    ),
)
def test_an_output_that_holds_a_masked_text_is_not_handed_on(output: str, said: str, tmp_path: Path) -> None:
    mask = ("deploy-staging", r"run: make verify.*", "run: echo ::add-mask::us-east-1")
    hands_on = ("deploy-staging", r"    outputs:\n.*", f"    outputs:\n      url: {output}")
    assert said in str([each for each in read(tmp_path, mask, hands_on).assumed if "hands on" in each])
