"""Log retention in the days that CloudWatch Logs accepts."""

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

_RETENTION = {
    1: logs.RetentionDays.ONE_DAY,
    3: logs.RetentionDays.THREE_DAYS,
    5: logs.RetentionDays.FIVE_DAYS,
    7: logs.RetentionDays.ONE_WEEK,
    14: logs.RetentionDays.TWO_WEEKS,
    30: logs.RetentionDays.ONE_MONTH,
    60: logs.RetentionDays.TWO_MONTHS,
    90: logs.RetentionDays.THREE_MONTHS,
    180: logs.RetentionDays.SIX_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
}


def retention(days: int) -> logs.RetentionDays:
    """The retention for a number of days that the configuration allows."""
    return _RETENTION[days]


def log_group(
    scope: Construct, construct_id: str, kept: logs.RetentionDays, key: kms.IKey | None, *, name: str | None = None
) -> logs.LogGroup:
    """A log group that is deleted with its stack. Default: CloudFormation names it."""
    return logs.LogGroup(
        scope,
        construct_id,
        log_group_name=name,
        retention=kept,
        encryption_key=key,
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
