"""Lambda functions: runtimes that are over, reserved or too many environment variables.

https://docs.aws.amazon.com/lambda/latest/dg/runtime-support-policy.html,
https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html,
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.operations.changes.certain import table
from nova_infra.operations.planner.model import Refusal
from nova_infra.operations.planner.step import Step

_OVER = (
    *("nodejs", "nodejs4.3", "nodejs4.3-edge", "nodejs6.10", "nodejs8.10", "nodejs10.x", "nodejs12.x", "python2.7"),
    *("python3.6", "ruby2.5", "dotnetcore1.0", "dotnetcore2.0", "dotnetcore2.1", "dotnetcore3.1"),
)
"""Runtimes in which nothing can be created or updated."""
_NOT_NEW = ("nodejs14.x", "python3.7", "ruby2.7", "java8", "go1.x", "provided")
"""Runtimes in which nothing can be created any more; functions that have one can still be updated."""
_OWN = (
    *("_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV", "AWS_ACCESS_KEY"),
    *("AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION"),
    *("AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API"),
    *("LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"),
)
_MOST_BYTES = 4096


def refused_functions(step: Step) -> Iterator[Refusal]:
    """Refuse functions that Lambda does not take."""
    new = {action.logical_id for action in step.actions if action.makes_new}
    for logical_id, properties in step.given_of_type("AWS::Lambda::Function"):
        runtime = properties.get("Runtime")
        if runtime in (*_OVER, *(_NOT_NEW if logical_id in new else ())):
            fault = f"is {runtime}, in which Lambda takes no {'new ' if runtime in _NOT_NEW else ''}function any more"
            yield step.refuse(f"{logical_id}.Runtime", fault, "choose a newer one")
        variables = table(table(properties.get("Environment")).get("Variables"))
        for fault, remedy in _of_variables(variables):
            yield step.refuse(f"{logical_id}.Environment.Variables", fault, remedy)


def _of_variables(variables: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if kept := sorted(variables.keys() & set(_OWN)):
        yield f"has {kept[0]}, which Lambda sets itself", "give it another name"
    known = {key: each for key, each in variables.items() if isinstance(each, str)}
    if (size := len(json.dumps(known, ensure_ascii=False, separators=(",", ":")).encode())) > _MOST_BYTES:
        fault = f"has {size:,} bytes, but Lambda allows {_MOST_BYTES:,}"
        yield fault, "put large values into a parameter or a file of the function"
