"""What an approval protects, and which projects run the repository's code before it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nova_infra.checks.permissions.reach import Goal, Graph
from nova_infra.checks.rule import Finding, Template, as_list, as_text, referenced, resource
from nova_infra.checks.stages import PIPELINE, actions, deployments, environments, stages

_IAM_WRITES = (
    "iam:AttachRolePolicy",
    "iam:CreateAccessKey",
    "iam:CreatePolicyVersion",
    "iam:CreateRole",
    "iam:DeleteRolePermissionsBoundary",
    "iam:PassRole",
    "iam:PutRolePolicy",
    "iam:SetDefaultPolicyVersion",
    "iam:UpdateAssumeRolePolicy",
)
_STACK_WRITES = (
    "cloudformation:CreateChangeSet",
    "cloudformation:CreateStack",
    "cloudformation:DeleteStack",
    "cloudformation:ExecuteChangeSet",
    "cloudformation:SetStackPolicy",
    "cloudformation:UpdateStack",
)
_PIPELINE_WRITES = (
    "codepipeline:DeletePipeline",
    "codepipeline:EnableStageTransition",
    "codepipeline:OverrideStageCondition",
    "codepipeline:PutApprovalResult",
    "codepipeline:RollbackStage",
    "codepipeline:UpdatePipeline",
)
_ARTIFACT_WRITES = ("s3:DeleteObject", "s3:PutObject")
_BUCKET_WRITES = ("s3:DeleteBucketPolicy", "s3:PutBucketPolicy")
_IMAGE_WRITES = ("ecr:PutImage",)
_REPOSITORY_WRITES = (
    "ecr:BatchDeleteImage",
    "ecr:DeleteRepository",
    "ecr:PutImageTagMutability",
    "ecr:PutLifecyclePolicy",
    "ecr:SetRepositoryPolicy",
)
_LEDGER_WRITES = ("ssm:DeleteParameter", "ssm:PutParameter")


def production_out_of_reach(template: Template) -> Iterator[Finding]:
    """Each way from what runs the repository's code before the approval to what the approval protects."""
    graph = Graph(template)
    for pipeline_id, pipeline in template.of_type(PIPELINE):
        if len(environments(pipeline)) < 2:
            continue
        protected = _goals(pipeline_id, pipeline)
        for action in repository_steps(pipeline, before=environments(pipeline)[-1]):
            project, role = project_and_role(template, action)
            if role is None:
                continue
            goals = [*protected, *_own_goals(action, project, pipeline)]
            for path in graph.paths(role, goals):
                yield Finding(path.policy, "Properties.PolicyDocument", f"{action['Name']} {path}")


def repository_steps(pipeline: Mapping[str, Any], *, before: int) -> Iterator[Mapping[str, Any]]:
    """The actions that run what is in the repository, in the stages before one.

    Args:
        pipeline: The pipeline's properties.
        before: Place of that stage.
    """
    sources = {
        artifact["Name"]
        for stage in stages(pipeline)
        for action in actions(stage, "Source")
        for artifact in action["OutputArtifacts"]
    }
    for stage in stages(pipeline)[:before]:
        for action in actions(stage, "Build", "Test"):
            # Others run what CDK wrote, not what is in the repository.
            if sources & {artifact["Name"] for artifact in action.get("InputArtifacts", [])}:
                yield action


def project_and_role(template: Template, action: Mapping[str, Any]) -> tuple[Mapping[str, Any], str | None]:
    """The project that an action starts, and the logical id of its role; None for a role of another template."""
    project = resource(template, referenced(action["Configuration"].get("ProjectName"))) or {}
    role = referenced(project.get("Properties", {}).get("ServiceRole"))
    return project, role if role in template.resources else None


def _goals(pipeline_id: str, pipeline: Mapping[str, Any]) -> list[Goal]:
    """What the approval protects from everybody before it."""
    *before, production = [stages(pipeline)[place] for place in environments(pipeline)]
    accounts = _accounts(production)
    # Names of an earlier environment's own roles, which matter where it shares production's account.
    harmless = (*(f"*:role/{prefix}-release" for stage in before for prefix in _prefixes(stage)), "*:role/*-observer")
    lookup = ("*:role/cdk-*-lookup-role-*",)
    name = str(pipeline.get("Name", ""))
    own = "arn:aws:{}:*:*:{}"
    return [
        Goal(
            "a role in production's account",
            ("sts:AssumeRole",),
            tuple(f"arn:aws:iam::{account}:role/*" for account in accounts),
            (*harmless, *lookup),
        ),
        Goal(
            "the approval and what follows it",
            _PIPELINE_WRITES,
            (f"${{{pipeline_id}}}", own.format("codepipeline", f"{name}*")),
        ),
        Goal("the permissions of others", _IAM_WRITES, ("arn:aws:iam::*:*",)),
        Goal("the stacks of the pipeline's account", _STACK_WRITES, (own.format("cloudformation", "stack/*"),)),
        Goal("released images", _REPOSITORY_WRITES, (own.format("ecr", "repository/*"),)),
        Goal("the ledger and the holds", _LEDGER_WRITES, (own.format("ssm", "parameter/*"),)),
    ]


def _own_goals(action: Mapping[str, Any], project: Mapping[str, Any], pipeline: Mapping[str, Any]) -> list[Goal]:
    """What is protected from this project, because its work is another one."""
    goals = []
    if not action.get("OutputArtifacts"):
        buckets = [
            pattern_id
            for store in [pipeline.get("ArtifactStore", {}), *_stores(pipeline)]
            if (pattern_id := referenced(store.get("Location"))) is not None
        ]
        patterns = tuple(f"${{{bucket}}}/*" for bucket in buckets)
        goals.append(Goal("the artifacts that await the approval", _ARTIFACT_WRITES, patterns))
    if not project.get("Properties", {}).get("Environment", {}).get("PrivilegedMode"):
        goals.append(Goal("released images", _IMAGE_WRITES, ("arn:aws:ecr:*:*:repository/*",)))
    return goals


def _stores(pipeline: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return [each.get("ArtifactStore", {}) for each in as_list(pipeline.get("ArtifactStores"))]


def _accounts(stage: Mapping[str, Any]) -> list[str]:
    """The accounts that a stage deploys to."""
    arns = [arn for a in deployments(stage) for arn in (a.get("RoleArn"), a["Configuration"].get("RoleArn")) if arn]
    return sorted(set(re.findall(r":iam::(\d{12}):", " ".join(map(as_text, arns)))))


def _prefixes(stage: Mapping[str, Any]) -> list[str]:
    """The prefix of the names of a stage's environment: its release role may only touch what has it."""
    names = [str(action["Configuration"].get("StackName", "")) for action in deployments(stage)]
    return [name.removesuffix("-platform") for name in names if name.endswith("-platform")]
