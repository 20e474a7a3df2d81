"""What some AWS regions lack of what Nova creates there, such as notification rules.

From the resource types that CloudFormation lists for each region, as cfn-lint carries them, and where it carries only
copies of another region's list, from the services whose endpoints the AWS SDK lists: a test compares.
"""

from collections.abc import Mapping

from nova_infra.config.values.fields import aws_regions

_FEW_TOOLS = (
    *("ap-east-2", "ap-northeast-3", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5"),
    *("ap-southeast-6", "ap-southeast-7", "ca-west-1", "eu-central-2", "eu-south-2", "il-central-1"),
    *("me-central-1", "mx-central-1"),
)
_NEAR = {"ap": "ap-northeast-1", "ca": "ca-central-1", "eu": "eu-central-1"}
_CHINA = ("cn-north-1", "cn-northwest-1")
_GOVERNMENT = ("us-gov-east-1", "us-gov-west-1")
_ISOLATED = (
    *("eu-isoe-west-1", "us-iso-east-1", "us-iso-west-1", "us-isob-east-1", "us-isob-west-1", "us-isof-east-1"),
    "us-isof-south-1",
)
_SOVEREIGN = ("eusc-de-east-1",)

MISSING: Mapping[str, frozenset[str]] = {
    "AWS::Chatbot::SlackChannelConfiguration": frozenset((*_CHINA, *_GOVERNMENT, *_ISOLATED, *_SOVEREIGN)),
    "AWS::CodeStarNotifications::NotificationRule": frozenset(
        (*_FEW_TOOLS, *_CHINA, *_GOVERNMENT, *_ISOLATED, *_SOVEREIGN, "af-south-1", "eu-south-1")
    ),
    "AWS::ECR::SigningConfiguration": frozenset((*_FEW_TOOLS, *_CHINA, *_ISOLATED)),
}
"""Resource type to the regions that do not have it."""

_SIGNING = "AWS::ECR::SigningConfiguration"
_NOTIFIES = "AWS::CodeStarNotifications::NotificationRule"
_CHATS = "AWS::Chatbot::SlackChannelConfiguration"


def has_notification_rules(region: str) -> bool:
    """Whether a pipeline there can announce that it failed or waits."""
    return region not in MISSING[_NOTIFIES]


def has_chat(region: str) -> bool:
    """Whether Amazon Q Developer brings a topic's messages into Slack from there."""
    return region not in MISSING[_CHATS]


def unfit_for_toolchain(region: str, engine: str, *, switch: str = 'write engine = "github-actions"') -> str | None:
    """Why the toolchain cannot be in a region, and what to do; None where it can.

    Args:
        switch: How to choose the other engine. Default: as nova.toml has it.
    """
    if region in MISSING[_SIGNING]:
        what = f"{region!r} cannot sign images in ECR, and an environment with an approval accepts only signed ones"
        if _is_nowhere(_SIGNING, region):
            return f"{what}: deliver to another partition, as no region of {aws_regions()[region]} can"
        near = _NEAR.get(region.partition("-")[0], "us-east-1")
        return f"{what}: choose another one for the toolchain, such as {near}; environments may stay"
    if engine == "codepipeline" and not has_notification_rules(region):
        what = (
            f"{region!r} has no notification rules, which tell people that a pipeline failed or waits for an approval"
        )
        if _is_nowhere(_NOTIFIES, region):
            return f"{what}, nor has another one of {aws_regions()[region]}: {switch}"
        return f"{what}: choose another one for the toolchain, or {switch}"
    return None


def _is_nowhere(kind: str, region: str) -> bool:
    """Whether no region of a region's partition has a type."""
    partition = aws_regions()[region]
    return all(each in MISSING[kind] for each, of in aws_regions().items() if of == partition)
