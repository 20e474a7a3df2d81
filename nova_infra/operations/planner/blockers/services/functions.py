"""Lambda functions (runtime, variables), state machines, CodeBuild projects, CodePipelines: refused properties.

https://docs.aws.amazon.com/lambda/latest/dg/runtime-support-policy.html,
https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html,
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html,
https://docs.aws.amazon.com/step-functions/latest/dg/statemachine-structure.html, API_CreateProject (CodeBuild).
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.operations.changes.stated_values import may_be_given, table, tables
from nova_infra.operations.planner.model import Refusal
from nova_infra.operations.planner.step import Fault, Judges, Step

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
_ENDING = ("Choice", "Succeed", "Fail")
_STATES = ("Task", "Pass", "Wait", "Parallel", "Map", *_ENDING)


def refused_functions(step: Step) -> Iterator[Refusal]:
    """Refuse functions that Lambda does not take, and machines, builds and pipelines."""
    yield from step.judged_by(_JUDGES)
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


def _machine(properties: Mapping[str, Any]) -> Iterator[Fault]:
    text = properties.get("DefinitionString")
    if not isinstance(text, str) or "DefinitionSubstitutions" in properties:
        return
    try:
        machine = json.loads(text)
    except ValueError:
        yield "DefinitionString", "is no JSON", "write the machine in the Amazon States Language"
        return
    start, states = (machine.get(key) if isinstance(machine, dict) else None for key in ("StartAt", "States"))
    if not isinstance(start, str) or not isinstance(states, dict) or start not in states:
        fault = f"starts at {start}, which is none of its states" if isinstance(start, str) else "starts at no state"
        yield "DefinitionString", fault, "name one in StartAt"
    for name, state in table(states).items():
        if not isinstance(state, Mapping) or state.get("Type") in _ENDING:
            continue
        if state.get("Type") not in _STATES:
            yield "DefinitionString", f"has {name} of type {state.get('Type')}", f"make it one of {', '.join(_STATES)}"
        elif "Next" not in state and state.get("End") is not True:
            yield "DefinitionString", f"does not say what comes after {name}", "add Next or End to that state"
        elif isinstance(state.get("Next"), str) and state["Next"] not in table(states):
            yield "DefinitionString", f"goes from {name} to {state['Next']}, which is none of its states", "correct it"


def _pipeline(properties: Mapping[str, Any]) -> Iterator[Fault]:
    """https://docs.aws.amazon.com/codepipeline/latest/userguide/reference-pipeline-structure.html."""
    stages = tables(properties.get("Stages"))
    for where, parts in (("Stages", stages), *((f"Stages.{s.get('Name')}", tables(s.get("Actions"))) for s in stages)):
        names = [each["Name"] for each in parts if isinstance(each.get("Name"), str)]
        if twice := [name for name in names if names.count(name) > 1]:
            yield where, f"has {twice[0]} twice", "rename one"


def _project(properties: Mapping[str, Any]) -> Iterator[Fault]:
    source = table(properties.get("Source"))
    if source.get("Type") == "NO_SOURCE" and not may_be_given(source, "BuildSpec"):
        yield "Source.BuildSpec", "is missing, and there is no source to have one", "write it here"


_JUDGES: Judges = {
    "AWS::StepFunctions::StateMachine": _machine,
    "AWS::CodePipeline::Pipeline": _pipeline,
    "AWS::CodeBuild::Project": _project,
}
