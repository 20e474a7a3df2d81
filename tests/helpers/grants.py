"""Grants and denials, put into the synthesized pipeline."""

from collections.abc import Callable
from typing import Any

Template = dict[str, Any]

PROD = "arn:aws:iam::333333333333:role"
OWN = "arn:aws:iam::444444444444:role"


def pipeline_of(template: Template) -> dict[str, Any]:
    [pipeline] = [r for r in template["Resources"].values() if r["Type"] == "AWS::CodePipeline::Pipeline"]
    properties: dict[str, Any] = pipeline["Properties"]
    return properties


def action_of(template: Template, stage: str, number: int = 0) -> dict[str, Any]:
    [found] = [each for each in pipeline_of(template)["Stages"] if each["Name"] == stage]
    builds = [action for action in found["Actions"] if action["ActionTypeId"]["Category"] in ("Build", "Test")]
    action: dict[str, Any] = builds[number]
    return action


def project_of(template: Template, action: dict[str, Any]) -> str:
    project: str = action["Configuration"]["ProjectName"]["Ref"]
    return project


def role_of(template: Template, action: dict[str, Any]) -> str:
    project = template["Resources"][project_of(template, action)]
    role: str = project["Properties"]["ServiceRole"]["Fn::GetAtt"][0]
    return role


def statement(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource} | more


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def grant(template: Template, *statements: dict[str, Any], stage: str = "Staging") -> None:
    """Give the role of a stage's first project a policy of its own."""
    role = {"Ref": role_of(template, action_of(template, stage))}
    template["Resources"]["Added"] = {
        "Type": "AWS::IAM::Policy",
        "Properties": {"PolicyName": "added", "PolicyDocument": policy(*statements), "Roles": [role]},
    }


def named(action: str | list[str], resource: Any = "*", stage: str = "Staging") -> Callable[[Template], None]:
    """Grants actions to the tests' role, or to that of another stage. Its name says which service's, and of which."""

    def added(template: Template) -> None:
        grant(template, statement(action, resource), stage=stage)

    first = action if isinstance(action, str) else action[0]
    wild = "several" if "*" in first or "?" in first else "one"
    added.__name__ = f"{first.partition(':')[0]} {wild} {stage}"
    return added


def kind_of(added: Callable[[Template], None]) -> tuple[str, int]:
    """What distinguishes a grant from others of a table: whatever is not by :func:`named` is a kind of its own."""
    return added.__name__, added.__code__.co_firstlineno


def own(service: str, tail: str) -> str:
    """ARN of something in the pipeline's account."""
    return f"arn:aws:{service}:us-east-1:444444444444:{tail}"


def role_of_the_tests(template: Template) -> dict[str, Any]:
    role: dict[str, Any] = template["Resources"][role_of(template, action_of(template, "Staging"))]["Properties"]
    return role


def starts_another_build(template: Template) -> None:
    """A build with commands of one's own has the project's role: here that of the step that verifies production."""
    project = project_of(template, action_of(template, "Prod", -1))
    arn = {"Fn::Sub": "arn:${AWS::Partition}:codebuild:${AWS::Region}:${AWS::AccountId}:project/${" + project + "}"}
    grant(template, statement("codebuild:StartBuild", arn))
