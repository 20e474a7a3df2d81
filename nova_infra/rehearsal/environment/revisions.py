"""Registers task definitions of an environment: a new revision number for each change."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from nova_infra.assembly import Template, resources_of_type
from nova_infra.rehearsal.cloudformation.physical import Home
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.tasks.definition import TaskDefinition, read_task_definition


class Revisions:
    """The revisions of an environment's task definitions, numbered as in ECS."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._definitions: dict[str, TaskDefinition] = {}
        self._numbers: dict[str, tuple[int, str]] = {}

    def __getitem__(self, ref: str) -> TaskDefinition:
        return self._definitions[ref]

    def resolve(self, stack_name: str, template: Template, exports: Mapping[str, Any]) -> PlayedStack:
        """The stack of a template, with a revision number for each task definition that rises only when it changes."""
        revisions = {}
        for logical_id in resources_of_type(template, "AWS::ECS::TaskDefinition"):
            key = f"{stack_name}/{logical_id}"
            content = hashlib.sha256(json.dumps(template["Resources"][logical_id], sort_keys=True).encode()).hexdigest()
            number, known = self._numbers.get(key, (0, ""))
            if content != known:
                number += 1
                self._numbers[key] = (number, content)
            revisions[logical_id] = f"{key}:{number}"
        stack = PlayedStack(stack_name, template, exports=exports, revisions=revisions, home=self._home)
        for logical_id in revisions:
            self._definitions[revisions[logical_id]] = read_task_definition(
                stack.properties(logical_id), stack.revision(logical_id), stack.serving(logical_id)
            )
        return stack
