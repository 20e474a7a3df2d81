"""What SECURITY.md says of the templates, sentence by sentence: each is still there, and holds in every pipeline."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.assembly import Assembly

PAGE = " ".join((Path(__file__).parents[2] / "SECURITY.md").read_text().split())

Template = dict[str, Any]


def properties(template: Template, kind: str) -> list[dict[str, Any]]:
    """Those of each resource of a type, of which there is one at least."""
    found = [each.get("Properties", {}) for each in template["Resources"].values() if each["Type"] == kind]
    assert found, f"no {kind}"
    return found


def projects(template: Template) -> list[dict[str, Any]]:
    return properties(template, "AWS::CodeBuild::Project")


def write_into_one_group(template: Template) -> bool:
    return len({json.dumps(each["LogsConfig"]["CloudWatchLogs"]["GroupName"]) for each in projects(template)}) == 1


def have_no_cache(template: Template) -> bool:
    return {each["Cache"]["Type"] for each in projects(template)} == {"NO_CACHE"}


def keeps_the_version_before_for_a_day(template: Template) -> bool:
    return all(
        bucket["VersioningConfiguration"]["Status"] == "Enabled"
        and [rule.get("NoncurrentVersionExpiration") for rule in bucket["LifecycleConfiguration"]["Rules"]]
        == [{"NoncurrentDays": 1}]
        for bucket in properties(template, "AWS::S3::Bucket")
    )


def give_no_longer_session(template: Template) -> bool:
    return all(role.get("MaxSessionDuration", 3600) <= 3600 for role in properties(template, "AWS::IAM::Role"))


def using(template: Template) -> Iterator[list[dict[str, Any]]]:
    """The statements about the connection, of each policy that lets somebody use it."""
    for each in properties(template, "AWS::IAM::Policy"):
        about = [s for s in each["PolicyDocument"]["Statement"] if "UseConnection" in json.dumps(s["Action"])]
        if any(statement["Effect"] == "Allow" for statement in about):
            yield about


def deny_writing_and_other_repositories(template: Template) -> bool:
    """By both names of the service."""
    names = ("codeconnections", "codestar-connections")
    wanted = {f"{name}:{key}" for name in names for key in ("FullRepositoryId", "ProviderPermissionsRequired")}
    denials = ([each.get("Condition", {}) for each in about if each["Effect"] == "Deny"] for about in using(template))
    return all(wanted <= {key for each in denied for keys in each.values() for key in keys} for denied in denials)


CLAIMS: dict[str, Callable[[Template], bool]] = {
    "All steps of the pipeline write into one log group": write_into_one_group,
    "none takes anything from a cache": have_no_cache,
    "The version before is kept for a day": keeps_the_version_before_for_a_day,
    "Its credentials last an hour at most": give_no_longer_session,
    "every role that may use it is denied both": deny_writing_and_other_repositories,
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_what_the_page_says_holds_in_the_templates(assembly: Assembly, variant: Assembly, claim: str) -> None:
    assert claim in PAGE, "correct the claim here as well"
    for each in (assembly, variant):
        assert CLAIMS[claim](each.template("NovaPipelineStack"))


def test_a_template_that_refutes_the_page_is_noticed(assembly: Assembly) -> None:
    changes: dict[str, Callable[[Template], None]] = {
        "write_into_one_group": lambda t: projects(t)[1]["LogsConfig"]["CloudWatchLogs"].update(GroupName="other"),
        "have_no_cache": lambda t: projects(t)[1].update(Cache={"Type": "LOCAL"}),
        "keeps_the_version_before_for_a_day": lambda t: properties(t, "AWS::S3::Bucket")[0].update(
            VersioningConfiguration={"Status": "Suspended"}
        ),
        "give_no_longer_session": lambda t: properties(t, "AWS::IAM::Role")[1].update(MaxSessionDuration=7200),
        "deny_writing_and_other_repositories": lambda t: next(using(t))[1].update(Effect="Allow"),
    }
    for holds in CLAIMS.values():
        template = assembly.template("NovaPipelineStack")
        changes[holds.__name__](template)
        assert not holds(template), holds.__name__
