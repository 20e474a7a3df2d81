"""What experiments deploy passes the project's own rules where they apply; cfn-lint: tests/unit/test_cfn_lint.py."""

import json

import pytest

from helpers.exhaustive import one_of_each
from helpers.sandbox import first_templates
from nova_infra.checks.rule import Template
from nova_infra.checks.rules import RULES

ACCEPTED = {
    "NOVA-R03": "an alarm that ends the deployment would hide what the experiment looks for",
    "NOVA-R08": "nobody is notified of an experiment",
    "NOVA-R09": "everything that an experiment makes must go",
    "NOVA-R10": "a service begins without tasks, so that the target's numbers can be told from its own",
    "NOVA-R18": "no message of an experiment is worth keeping",
    "NOVA-R20": "no run of an experiment is repeated",
}


TEMPLATES = first_templates()


def findings() -> set[tuple[str, str, str]]:
    return {
        (rule.id, name, finding.logical_id)
        for name, template in TEMPLATES.items()
        for rule in RULES
        for finding in rule.check(Template(template["Resources"]))
    }


def test_the_rules_find_nothing_but_what_is_accepted_and_all_of_that() -> None:
    assert {rule for rule, _, _ in findings()} == set(ACCEPTED)


def test_no_two_experiments_share_a_priority_of_the_listener() -> None:
    """They run side by side on one listener, which would refuse the second rule."""
    taken = [
        resource["Properties"]["Priority"]
        for template in TEMPLATES.values()
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::ElasticLoadBalancingV2::ListenerRule"
    ]
    assert len(taken) >= 8
    assert len(taken) == len(set(taken))


@pytest.mark.parametrize("name", one_of_each(TEMPLATES))
def test_nothing_is_kept_and_a_template_is_small_enough_to_be_sent(name: str) -> None:
    resources = TEMPLATES[name]["Resources"].values()
    assert not [each for each in resources if each.keys() & {"DeletionPolicy", "UpdateReplacePolicy"}]
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
    assert len(json.dumps(TEMPLATES[name])) < 51_200


@pytest.mark.parametrize("name", one_of_each(TEMPLATES))
def test_whoever_makes_a_resource_need_not_be_able_to_make_named_roles(name: str) -> None:
    roles = [each for each in TEMPLATES[name]["Resources"].values() if each["Type"] == "AWS::IAM::Role"]
    assert not [role for role in roles if "RoleName" in role["Properties"]]
