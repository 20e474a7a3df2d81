"""The KMS key that an account's logs and alerts are encrypted with, and who may use it."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from nova_infra.constructs.observability.publisher import Publisher

LOGS_STATEMENT = "LogGroups"
"""Id of the statement that lets CloudWatch Logs use the key."""


class EncryptionKey(Construct):
    """A rotated key that one publisher may use for its messages and CloudWatch Logs for named log groups."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        publishers: Sequence[Publisher],
        log_groups: Sequence[str],
    ) -> None:
        """Create the key.

        Args:
            name: What the key is for, in its description.
            log_groups: Names of the log groups that it encrypts; ``*`` stands for any characters.
        """
        super().__init__(scope, construct_id)
        self.key = kms.Key(
            self,
            "Key",
            description=name,
            enable_key_rotation=True,
            # Nothing that is kept is encrypted before its stack is there: one of a failed attempt only costs money.
            removal_policy=cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        # AWS's own key for SNS cannot be opened to other services: messages would be published to nobody.
        for number, publisher in enumerate(publishers):
            self.key.add_to_resource_policy(
                iam.PolicyStatement(
                    sid=f"Publish{number or ''}",
                    principals=[iam.ServicePrincipal(publisher.principal)],
                    actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                    resources=["*"],
                    conditions=publisher.key_conditions,
                )
            )
        if log_groups:
            self._admit_logs(log_groups)

    def _admit_logs(self, log_groups: Sequence[str]) -> None:
        """Let CloudWatch Logs use the key for these log groups."""
        stack = cdk.Stack.of(self)
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                sid=LOGS_STATEMENT,
                principals=[iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")],
                actions=["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
                resources=["*"],
                conditions={
                    "ArnLike": {
                        "kms:EncryptionContext:aws:logs:arn": [
                            stack.format_arn(
                                service="logs",
                                resource="log-group",
                                resource_name=log_group,
                                arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
                            )
                            for log_group in log_groups
                        ]
                    }
                },
            )
        )
