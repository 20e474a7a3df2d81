"""Pipelines, their build projects and notifications."""

from typing import Any

from nova_infra.rehearsal.cloudformation.shapes import ANY, FLAG, TEXT, Each, Number, Only

_RULE_CONFIGURATION = {
    "Cron": TEXT,
    "TimeZone": TEXT,
    # The one comparison whose outcome is known here: the pipeline that is played is the one that would be deployed.
    "Variable": Only(("#{Compare.PIPELINE}",)),
    "Operator": Only(("NE",)),
    "Value": Only(("same",)),
}
_STAGE_ACTION = {
    "Name!": TEXT,
    "RunOrder": Number(1, 999),
    "ActionTypeId!": {
        "Category!": TEXT,
        "Owner": ANY,
        "Provider!": TEXT,
        "Version": ANY,
    },
    "Configuration": ANY,  # By provider: see the pipeline module.
    "InputArtifacts": ANY,
    "OutputArtifacts": ANY,
    "Namespace": TEXT,
    "Region": ANY,
    "RoleArn": ANY,
    "TimeoutInMinutes": Number(5, 86400),
}
_STAGE = {
    "Name!": TEXT,
    "Actions!": Each(_STAGE_ACTION),
    "OnFailure": {
        "Result": Only(("ROLLBACK", "RETRY")),
        "RetryConfiguration": {"RetryMode": Only(("FAILED_ACTIONS", "ALL_ACTIONS"))},
    },
    "BeforeEntry": {
        "Conditions": Each(
            {
                "Result": Only(("FAIL", "SKIP")),
                "Rules!": Each(
                    {
                        "Name": TEXT,
                        "RuleTypeId": {
                            "Category": ANY,
                            "Owner": ANY,
                            "Provider": Only(("DeploymentWindow", "VariableCheck")),
                            "Version": ANY,
                        },
                        "Configuration!": _RULE_CONFIGURATION,
                    }
                ),
            }
        )
    },
}
_FROM = ("PLAINTEXT", "PARAMETER_STORE", "SECRETS_MANAGER")
"""Where a build's variable comes from: what AWS looks up has a made-up value here."""
# https://docs.aws.amazon.com/dtconsole/latest/userguide/concepts.html#events-ref-pipeline
_EVENTS = tuple(
    f"codepipeline-pipeline-{what}-{event}"
    for what, events in {
        "action-execution": ("succeeded", "failed", "canceled", "started"),
        "stage-execution": ("started", "succeeded", "resumed", "canceled", "failed"),
        "pipeline-execution": ("failed", "canceled", "started", "resumed", "succeeded", "superseded"),
        "manual-approval": ("failed", "needed", "succeeded"),
    }.items()
    for event in events
)

PIPELINES: dict[str, dict[str, Any]] = {
    "AWS::CodeBuild::Project": {
        "Name": ANY,
        "Description": ANY,
        "Artifacts": {"Type": Only(("CODEPIPELINE",))},
        "Cache": ANY,
        "EncryptionKey": ANY,
        "Environment!": {
            "ComputeType": ANY,
            "Image": ANY,
            "ImagePullCredentialsType": ANY,
            "Certificate": ANY,
            "Fleet": ANY,
            "RegistryCredential": ANY,
            "PrivilegedMode": FLAG,
            "Type": ANY,
            "EnvironmentVariables": Each({"Name!": TEXT, "Value!": TEXT, "Type": Only(_FROM)}),
        },
        "LogsConfig": ANY,
        "ServiceRole": ANY,
        "Source!": {"Type": Only(("CODEPIPELINE",)), "BuildSpec!": TEXT},
        "TimeoutInMinutes": ANY,
        **dict.fromkeys(("BadgeEnabled", "ConcurrentBuildLimit", "QueuedTimeoutInMinutes", "VpcConfig"), ANY),
    },
    "AWS::CodePipeline::Pipeline": {
        "Name": TEXT,
        "ArtifactStore": ANY,
        "ArtifactStores": ANY,
        "PipelineType": ANY,
        "ExecutionMode": Only(("SUPERSEDED", "QUEUED", "PARALLEL")),
        "RestartExecutionOnUpdate": ANY,
        "RoleArn": ANY,
        "Stages": Each(_STAGE),
        "Triggers": ANY,
        "DisableInboundStageTransitions": Each({"StageName!": TEXT, "Reason!": TEXT}),
    },
    "AWS::CodeStarNotifications::NotificationRule": {
        "Name": ANY,
        "DetailType": ANY,
        "Status": Only(("ENABLED",)),
        "Resource": TEXT,
        "EventTypeIds": Each(Only(_EVENTS)),
        "Targets": Each(
            {"TargetAddress!": TEXT, "TargetType": Only(("SNS", "AWSChatbotSlack", "AWSChatbotMicrosoftTeams"))}
        ),
    },
}
