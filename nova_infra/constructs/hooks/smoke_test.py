"""Creates the Lambda function of the smoke tests; its code is ``smoke_function``."""

from pathlib import Path

from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from nova_infra.constructs.hooks.hook_function import HookFunction
from nova_infra.names import smoke_name


class SmokeTest(HookFunction):
    """The function of an environment's smoke tests, whose role may only write its log."""

    def __init__(
        self, scope: Construct, construct_id: str, *, prefix: str, key: kms.IKey, retention: logs.RetentionDays
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            name=smoke_name(prefix),
            description=f"Requests the smoke paths of new revisions in {prefix}, before any user reaches them",
            code=Path(__file__).with_name("smoke_function.py").read_text(encoding="utf-8"),
            key=key,
            retention=retention,
        )
