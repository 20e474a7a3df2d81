"""``nova policy bootstrap``: CDK's bootstrap template, which only the pipeline's roles may use."""

import copy
import json
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.config import Config
from nova_infra.errors import ConfigError, RefusedError
from nova_infra.machine.tools import run_cdk
from nova_infra.names import PIPELINE_STACK, environment_prefix, step_role_name
from nova_infra.operations.release.permissions_boundary import bounded

_TAKERS = {
    "DeploymentActionRole": "PipelineRole",
    "FilePublishingRole": "PipelineAssetsFileRole",
    "ImagePublishingRole": "PipelineAssetsDockerRole",
}
"""Bootstrap role to the prefix, after the stack's name, of the pipeline's roles that assume it."""


def bootstrap_template(config: Config, *, toolchain: bool = False) -> dict[str, Any]:
    """The template, limited to this installation's pipeline.

    Args:
        toolchain: Whether it is for the pipeline's own account, which trusts no other one; an environment's otherwise.

    Raises:
        ConfigError: GitHub Actions delivers: no other account is trusted then. Or no boundary is asked for.
        RefusedError: The CDK CLI gives no template, or one that trusts accounts in another way.
    """
    if config.delivery.engine != "codepipeline":
        raise ConfigError(
            "delivery.engine: GitHub Actions takes each account's roles within that account: bootstrap without --trust"
        )
    result = run_cdk("bootstrap", "--show-template", "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        template = json.loads(result.stdout)
    except ValueError:
        raise RefusedError(
            f"cdk bootstrap: gave no template: {result.stderr.strip()[-200:]}: run `make setup`"
        ) from None
    return bounded(template, config) if toolchain else limited(template, config)


def limited(template: Mapping[str, Any], config: Config) -> dict[str, Any]:
    """A bootstrap template whose roles trust named roles of the trusted accounts, and not every role of them.

    Args:
        template: What ``cdk bootstrap --show-template`` gives.

    Raises:
        RefusedError: It trusts accounts in a way that this does not know.
    """
    found = copy.deepcopy(dict(template))
    for role, taker in _TAKERS.items():
        names = [f"{PIPELINE_STACK}-{taker}*"]
        if role != "DeploymentActionRole":
            names.append(step_role_name(environment_prefix(config.platform.name, "*"), "publish"))
        arns = [f"arn:*:iam::{config.toolchain.account}:role/{name}" for name in names]
        statements = list(_trusting(found["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]))
        if not statements:
            raise RefusedError(f"{role}: trusts no account where `cdk bootstrap` did: use the CDK CLI of package.json")
        for statement in statements:
            statement["Condition"] = _both(statement.get("Condition"), {"ArnLike": {"aws:PrincipalArn": arns}})
    return found


def _trusting(statements: list[Any]) -> Iterator[dict[str, Any]]:
    """The statements whose principals are the accounts that somebody has named."""
    for statement in statements:
        match statement:
            case {"Fn::If": ["HasTrustedAccounts", {"Principal": {"AWS": {"Ref": "TrustedAccounts"}}} as given, _]}:
                yield given


def _both(condition: Any, added: Mapping[str, Any]) -> dict[str, Any]:
    match condition:
        case None:
            return dict(added)
        case {"Fn::If": [name, Mapping() as then, {"Ref": "AWS::NoValue"}]}:
            return {"Fn::If": [name, {**then, **added}, dict(added)]}
    raise RefusedError("cdk bootstrap: sets a condition that Nova does not know: use the CDK CLI of package.json")
