"""Logs are kept for the days that the configuration says."""

from typing import get_args

import aws_cdk as cdk
from aws_cdk import assertions
from aws_cdk import aws_logs as logs

from nova_infra.config.services.runtime import Runtime
from nova_infra.constructs.observability.retention import retention


def test_every_number_of_days_that_is_allowed_is_kept() -> None:
    allowed = get_args(Runtime.model_fields["log_retention_days"].annotation)
    stack = cdk.Stack(cdk.App(), "Logs")
    for days in allowed:
        logs.LogGroup(stack, f"For{days}", retention=retention(days))
    groups = assertions.Template.from_stack(stack).find_resources("AWS::Logs::LogGroup")
    assert sorted(each["Properties"]["RetentionInDays"] for each in groups.values()) == sorted(allowed)
