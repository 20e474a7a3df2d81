"""The toolchain's account: CodePipeline's executions, superseded ones too, and the topic for approvals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from nova_infra.deployed.aws.client.session import Aws

# Pytest's last word on each test that failed.
_FAILED_TEST = re.compile(r"^(?:FAILED|ERROR) (\S+::\S.*|\S+\.py.*)$")
_LOG_LINES = 500


@dataclass(frozen=True)
class PipelineAction:
    """What an action of an execution came to.

    Attributes:
        status: ``Succeeded``, ``Failed``, ``InProgress`` or ``Abandoned``, in CodePipeline's words.
    """

    stage: str
    name: str
    status: str
    summary: str = ""
    build: str = ""

    @property
    def full_name(self) -> str:
        """Stage and action, as the console shows them."""
        return f"{self.stage}.{self.name}"


@dataclass(frozen=True)
class Execution:
    """One run of the pipeline.

    Attributes:
        status: ``InProgress``, ``Succeeded``, ``Failed``, ``Superseded`` (a newer execution overtook it), …
        commit: What it delivers, if it knows.
        message: The commit's message, as far as the source gives it.
    """

    id: str
    status: str
    commit: str
    message: str
    started_at: datetime | None


class ToolchainAccount(Protocol):
    """The pipeline and its topic. Every method may raise :class:`nova_infra.errors.AwsError`."""

    def executions(self) -> tuple[Execution, ...]:
        """The latest executions, newest first."""

    def actions(self, execution: str) -> tuple[PipelineAction, ...]:
        """What the actions of an execution came to, in the order in which they began."""

    def failed_tests(self, build: str) -> tuple[str, ...]:
        """Names of the tests that failed in a build, from its log."""

    def publish(self, *, subject: str, message: str) -> None:
        """Send a message to those who are asked for approvals."""


class AwsToolchain:
    """The toolchain's account in AWS. See :class:`ToolchainAccount`."""

    def __init__(self, aws: Aws, *, pipeline: str, topic_arn: str) -> None:
        self.aws = aws
        self._pipeline = pipeline
        self._topic_arn = topic_arn

    def executions(self) -> tuple[Execution, ...]:
        """The latest executions, newest first."""
        found = self.aws.call("codepipeline", "list_pipeline_executions", pipelineName=self._pipeline, maxResults=20)[
            "pipelineExecutionSummaries"
        ]
        return tuple(_execution(execution) for execution in found)

    def actions(self, execution: str) -> tuple[PipelineAction, ...]:
        """What the actions of an execution came to, in the order in which they began."""
        found = self.aws.pages(
            "codepipeline",
            "list_action_executions",
            "actionExecutionDetails",
            pipelineName=self._pipeline,
            filter={"pipelineExecutionId": execution},
        )
        return tuple(reversed([_action(action) for action in found]))

    def failed_tests(self, build: str) -> tuple[str, ...]:
        """Names of the tests that failed in a build, from its log."""
        builds = self.aws.call("codebuild", "batch_get_builds", ids=[build])["builds"]
        logs = builds[0].get("logs", {}) if builds else {}
        if not logs.get("groupName") or not logs.get("streamName"):
            return ()
        events = self.aws.call(
            "logs",
            "get_log_events",
            logGroupName=logs["groupName"],
            logStreamName=logs["streamName"],
            limit=_LOG_LINES,
            startFromHead=False,
        )["events"]
        return failed_tests_in("".join(event["message"] for event in events))

    def publish(self, *, subject: str, message: str) -> None:
        """Send a message to those who are asked for approvals."""
        self.aws.call("sns", "publish", TopicArn=self._topic_arn, Subject=subject, Message=message)


def failed_tests_in(log: str) -> tuple[str, ...]:
    """Names of the tests that pytest says failed, with its reason where there is one."""
    found = (_FAILED_TEST.match(line.strip()) for line in log.splitlines())
    return tuple(dict.fromkeys(match[1] for match in found if match))


def _execution(execution: Mapping[str, Any]) -> Execution:
    revision: Mapping[str, Any] = next(iter(execution.get("sourceRevisions", ())), {})
    return Execution(
        id=execution["pipelineExecutionId"],
        status=execution["status"],
        commit=revision.get("revisionId", ""),
        message=revision.get("revisionSummary", ""),
        started_at=execution.get("startTime"),
    )


def _action(action: Mapping[str, Any]) -> PipelineAction:
    output = action.get("output", {})
    result = output.get("executionResult", {})
    said = result.get("errorDetails", {}).get("message") or result.get("externalExecutionSummary") or ""
    return PipelineAction(
        stage=action.get("stageName", ""),
        name=action.get("actionName", ""),
        status=action.get("status", ""),
        summary=said,
        build=result.get("externalExecutionId", "")
        if action.get("input", {}).get("actionTypeId", {}).get("provider") == "CodeBuild"
        else "",
    )
