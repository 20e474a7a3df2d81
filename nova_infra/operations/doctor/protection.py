"""Finds stacks of an environment with an approval that are not protected from deletion: CodePipeline protects none.

Reported: https://github.com/aws/aws-cdk/issues/17871.
"""

from collections.abc import Iterator

from nova_infra.config import Config, Environment
from nova_infra.deployed.protocol import Account
from nova_infra.errors import NovaError
from nova_infra.names import environment_prefix, stack_name
from nova_infra.operations.doctor.check import Check, not_known


def unprotected_stacks(config: Config, environment: Environment, access: Account) -> Iterator[Check]:
    """The deployed stacks without termination protection, and how to protect them; nothing where there are none."""
    prefix = environment_prefix(config.platform.name, environment.name)
    names = ("platform", "overview", *(service.name for service in config.services)) if environment.approval else ()
    found = []
    for stack in (stack_name(prefix, name) for name in names):
        try:
            [described] = access.call("cloudformation", "describe_stacks", StackName=stack)["Stacks"]
        except NovaError as error:
            if error.code == "ValidationError":
                continue  # it is not deployed yet
            yield not_known("which stacks are protected from deletion", error)
            return
        if not described.get("EnableTerminationProtection"):
            found.append(stack)
    if found:
        command = "aws cloudformation update-termination-protection --enable-termination-protection"
        remedy = f"for stack in {' '.join(found)}; do {command} --region {environment.region} --stack-name $stack; done"
        yield Check(None, f"{', '.join(found)}: not protected from deletion", remedy)
