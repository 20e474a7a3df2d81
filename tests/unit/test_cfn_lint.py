import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from helpers.sandbox import first_templates

# Part of the finding, and why it is right.
ACCEPTED = {
    "W3010": "zones are chosen in the configuration",
    "W3005": "CDK states dependencies that CloudFormation would find by itself",
    "Prefer using Fn::Sub over Fn::Join": "CDK joins, and nobody edits what it writes",
}

# One of each kind: the others differ in names only.
TEMPLATES = [
    ("assembly", "NovaRegistryStack"),
    ("assembly", "nova-prod-platform"),
    ("variant", "NovaPipelineStack"),
    ("variant", "acme-live-search"),
    ("variant", "acme-live-overview"),
]


@pytest.fixture(scope="module")
def lint() -> Callable[..., Any]:
    """Lints a template: lint(text) -> findings. The rules are read once, which takes longer than to judge by them."""
    from cfnlint.config import ConfigMixIn
    from cfnlint.decode.decode import decode_str
    from cfnlint.runner import Runner

    logging.getLogger("cfnlint").setLevel(logging.CRITICAL)
    runner = Runner(ConfigMixIn(regions=["us-east-1"]))

    def run(text: str) -> list[str]:
        template, faults = decode_str(text)
        return [str(match) for match in faults or runner.validate_template(template)]

    return run


@pytest.mark.parametrize(("which", "stack"), one_of_each(TEMPLATES), ids=[stack for _, stack in TEMPLATES])
def test_cfn_lint_finds_nothing_but_what_is_accepted(
    lint: Callable[..., Any], request: pytest.FixtureRequest, which: str, stack: str
) -> None:
    text = request.getfixturevalue(which).texts[stack]
    assert [each for each in lint(text) if not any(part in each for part in ACCEPTED)] == []


@pytest.mark.parametrize("experiment", one_of_each(first_templates()))
def test_cfn_lint_finds_nothing_in_what_experiments_deploy(lint: Callable[..., Any], experiment: str) -> None:
    assert lint(json.dumps(first_templates()[experiment])) == []


def test_cfn_lint_would_find_a_fault(lint: Callable[..., Any]) -> None:
    topic = {"Type": "AWS::SNS::Topic", "Properties": {"TopicNames": "x"}}
    assert any("TopicNames" in each for each in lint(json.dumps({"Resources": {"Topic": topic}})))
