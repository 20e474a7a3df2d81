"""Refuses wait conditions that nobody signals, and custom resources that never answer (CloudFormation)."""

import re
import sys
from collections.abc import Iterator

from nova_infra.checks.rule import referenced
from nova_infra.operations.changes.stated_values import table
from nova_infra.operations.changes.template_values import references, shown
from nova_infra.operations.planner.model import Refusal
from nova_infra.operations.planner.step import Step

_WAITS = "AWS::CloudFormation::WaitCondition"
_VAIN = "CloudFormation would wait for this in vain, and roll back"
_MODULE = re.compile(
    r"""^\s*(?:import|from)\s+(\.?\w+)|(?:\brequire\(|\bimport\(|\bfrom\s|^\s*import\s)\s*["'](?:node:)?([^"']+)""",
    re.MULTILINE,
)
_OF_NODE = frozenset(
    {"assert", "buffer", "crypto", "events", "fs", "os", "path", "querystring", "stream", "util", "zlib"}
)
# Code that mentions none of these cannot send anything anywhere, its request included.
_SENDS = re.compile(r"(?i)response_?url|cfn|crhelper|boto|sdk|http|url|socket|request|fetch|client|import_module")
_HOUR = 3600


def waits_in_vain(step: Step) -> Iterator[Refusal]:
    """Refuse wait conditions whose handle nobody gets, and custom resources whose function cannot answer."""
    new = {action.logical_id for action in step.actions if action.makes_new}
    parts = [(name, each) for name, each in step.after.resources.items() if each["Type"] != _WAITS]
    waiting = list(step.after.of_type(_WAITS))
    given = {name for _, part in parts for name in references(part)} if waiting else set()
    given |= set(references(step.after.template.get("Outputs", {})))
    for logical_id, properties in waiting:
        handle = referenced(properties.get("Handle"))
        if logical_id in new and handle is not None and handle not in given and str(properties.get("Count")) != "0":
            fault = f"waits for {shown(properties.get('Timeout', 0))} s for a signal, and nothing is given {handle}"
            remedy = "give its URL to what signals, or remove both; DependsOn orders resources without waiting"
            yield step.refuse(logical_id, fault, remedy, _VAIN)
    for logical_id, resource in step.after.resources.items():
        properties = table(resource.get("Properties"))
        function = referenced(properties.get("ServiceToken")) or ""
        code = table(table(step.after.resources.get(function, {}).get("Properties")).get("Code")).get("ZipFile")
        if logical_id in new and isinstance(code, str) and not _may_answer(code):
            seconds = shown(properties.get("ServiceTimeout", _HOUR))
            fault = f"waits for an answer for {seconds} s, and {function} sends none"
            remedy = "let it PUT its result to the event's ResponseURL, as the module cfnresponse does"
            yield step.refuse(logical_id, fault, remedy, _VAIN)


def _may_answer(code: str) -> bool:
    """Whether code may send something: by itself, or by a module of its own, such as one of a layer."""
    modules = {name or other for name, other in _MODULE.findall(code)}
    return _SENDS.search(code) is not None or not modules <= sys.stdlib_module_names | _OF_NODE
