import logging

import pytest
from cfnlint import api

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


@pytest.mark.parametrize(("which", "stack"), TEMPLATES, ids=[stack for _, stack in TEMPLATES])
def test_cfn_lint_finds_nothing_but_what_is_accepted(request, which, stack):
    logging.getLogger("cfnlint").setLevel(logging.CRITICAL)
    text = request.getfixturevalue(which).texts[stack]
    findings = [str(match) for match in api.lint(text, config={"regions": ["us-east-1"]})]
    assert [each for each in findings if not any(part in each for part in ACCEPTED)] == []
