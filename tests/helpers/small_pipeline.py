"""A pipeline as small as the rules can read one: a build, a test before the approval, and production; and grants."""

from typing import Any

from nova_infra.checks.permissions.boundary import production_out_of_reach
from nova_infra.checks.rule import Template as Loaded

Template = dict[str, Any]


def small_pipeline() -> Template:
    """Roles ``BuildRole``, ``TestRole`` and ``PipelineRole``, of which the last may deploy production."""
    own = {"Service": "codebuild.amazonaws.com"}
    found: Template = {"Resources": {}}
    for name in ("Build", "Test"):
        put(found, f"{name}Role", "AWS::IAM::Role", AssumeRolePolicyDocument=allow("sts:AssumeRole", Principal=own))
        put(found, name, "AWS::CodeBuild::Project", ServiceRole=arn(f"{name}Role"), Source={"Type": "CODEPIPELINE"})
    put(
        found,
        "PipelineRole",
        "AWS::IAM::Role",
        RoleName="pipeline",
        AssumeRolePolicyDocument=allow("sts:AssumeRole", Principal={"Service": "codepipeline.amazonaws.com"}),
        Policies=[{"PolicyDocument": allow("sts:AssumeRole", "arn:aws:iam::333333333333:role/deployer")}],
    )
    put(found, "Bucket", "AWS::S3::Bucket")
    put(
        found,
        "Pipeline",
        "AWS::CodePipeline::Pipeline",
        RoleArn=arn("PipelineRole"),
        ArtifactStore={"Location": {"Ref": "Bucket"}},
        Stages=[
            {"Name": "Source", "Actions": [action("Source", "Source", {}, inputs=[], outputs=["Source"])]},
            {"Name": "Build", "Actions": [action("Synth", "Build", {"ProjectName": {"Ref": "Build"}})]},
            {
                "Name": "Staging",
                "Actions": [
                    deployment("nova-staging-shop", "222222222222"),
                    action("Tests", "Build", {"ProjectName": {"Ref": "Test"}}, order=2),
                ],
            },
            {"Name": "ApproveProd", "Actions": [action("Approve", "Approval", {}, inputs=[])]},
            {"Name": "Prod", "Actions": [deployment("nova-prod-shop", "333333333333")]},
        ],
    )
    return found


def put(template: Template, logical_id: str, kind: str, **properties: Any) -> None:
    template["Resources"][logical_id] = {"Type": kind, "Properties": properties}


def arn(logical_id: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [logical_id, "Arn"]}


def allow(actions: Any, resources: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Statement": [{"Effect": "Allow", "Action": actions, "Resource": resources, **more}]}


def action(
    name: str,
    category: str,
    configuration: dict[str, Any],
    *,
    inputs: list[str] | None = None,
    outputs: list[str] | None = None,
    order: int = 1,
) -> dict[str, Any]:
    return {
        "Name": name,
        "ActionTypeId": {"Category": category, "Provider": "CodeBuild" if category == "Build" else category},
        "Configuration": configuration,
        "InputArtifacts": [{"Name": each} for each in (["Source"] if inputs is None else inputs)],
        "OutputArtifacts": [{"Name": each} for each in outputs or []],
        "RunOrder": order,
    }


def deployment(stack: str, account: str) -> dict[str, Any]:
    role = f"arn:aws:iam::{account}:role/cdk-hnb659fds-%s-role-{account}-us-east-1"
    found = action(f"{stack}.Deploy", "Deploy", {"StackName": stack, "RoleArn": role % "cfn-exec"})
    found["ActionTypeId"]["Provider"] = "CloudFormation"
    return found | {"RoleArn": role % "deploy"}


def grant(template: Template, *documents: dict[str, Any], role: str = "TestRole") -> None:
    """Add policies to a role."""
    properties = template["Resources"][role]["Properties"]
    properties["Policies"] = [*properties.get("Policies", []), *({"PolicyDocument": each} for each in documents)]


def with_function(**properties: Any) -> Template:
    """The pipeline, and a function whose role assumes one of production's."""
    template = small_pipeline()
    put(
        template,
        "Role",
        "AWS::IAM::Role",
        Policies=[{"PolicyDocument": allow("sts:AssumeRole", "arn:aws:iam::333333333333:role/deployer")}],
    )
    put(template, "Function", "AWS::Lambda::Function", Role=arn("Role"), **properties)
    return template


def without_the_grant(template: Template, action: str) -> Template:
    """The template, where the tests' role may do one action and nothing else."""
    template["Resources"]["TestRole"]["Properties"]["Policies"] = []
    grant(template, allow(action))
    return template


def with_rule(template: Template, **pattern: Any) -> Template:
    """The template, with a rule that starts the function."""
    put(template, "Rule", "AWS::Events::Rule", EventPattern=pattern, Targets=[{"Arn": arn("Function")}])
    return template


def details(template: Template) -> list[str]:
    """Every way to production that the boundary's rule finds, in words."""
    return [finding.detail for finding in production_out_of_reach(Loaded(template["Resources"]))]
