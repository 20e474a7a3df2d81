"""An experiment with an ECS lifecycle hook that calls a Lambda function."""

from collections.abc import Iterator
from dataclasses import replace

from nova_infra.assumptions.experiments.service_state import OVER, again, deployments, next_deployment
from nova_infra.assumptions.sandbox.experiment import Experiment, Reading, held_if
from nova_infra.assumptions.sandbox.services import SandboxService, service_template
from nova_infra.assumptions.sandbox.stacks import Sandbox
from nova_infra.assumptions.sandbox.templates import allow, attribute, resource, role

# It says that it is at work for some calls, as a function does that waits for another service's deployment.
_HANDLER = """
calls = 0
def handler(event, context):
    global calls
    calls += 1
    return {"hookStatus": "IN_PROGRESS" if calls % 4 else "SUCCEEDED"}
"""


def _before_steps(sandbox: Sandbox) -> Iterator[Reading]:
    """A canary whose function is at work for a while before each step."""
    hook = {
        "TargetType": "AWS_LAMBDA",
        "HookTargetArn": attribute("Function", "Arn"),
        "RoleArn": attribute("Caller", "Arn"),
        "LifecycleStages": ["PRE_PRODUCTION_TRAFFIC_SHIFT"],
        "TimeoutConfiguration": {"TimeoutInMinutes": 12, "Action": "ROLLBACK"},
    }
    function = {
        "Runtime": "python3.13",
        "Handler": "index.handler",
        "Role": attribute("Runner", "Arn"),
        "Code": {"ZipFile": _HANDLER},
    }
    more = {
        "Runner": role("lambda"),
        "Function": resource("AWS::Lambda::Function", function),
        "Caller": role("ecs", statements=[allow("lambda:InvokeFunction", attribute("Function", "Arn"))]),
    }
    service = SandboxService(strategy="CANARY", priority=26, hooks=[hook])
    first = service_template(sandbox.ground, service, **more)
    first["Outputs"]["Function"] = {"Value": attribute("Function", "Arn")}
    stack = sandbox.deploy(first)
    before = len(deployments(sandbox, stack.outputs["Service"]))
    sandbox.start(service_template(sandbox.ground, replace(service, variables={"RELEASE": "2"}), **more))
    begun = next_deployment(sandbox, stack.outputs["Service"], before=before)
    listed: set[str] = set()

    def over() -> str | None:
        found = again(sandbox, begun)
        hooks = [hook for hook in found.get("lifecycleHookDetails", ()) if hook.get("status") == "IN_PROGRESS"]
        listed.update(str(hook.get("targetArn", "none")) for hook in hooks)
        return str(found["status"]) if found["status"] in OVER else None

    status = sandbox.wait("the end of the deployment", over, minutes=18)
    said = f"while the function was at work, targetArn was {', '.join(sorted(listed)) or 'not described'}"
    yield held_if("hook-before-steps", listed == {stack.outputs["Function"]}, f"{said}; deployment {status}")


EXPERIMENTS = (Experiment("hook-before-steps", ("hook-before-steps",), 25, _before_steps, tasks=2),)
