"""Reports cron expressions that start more often than meant: CDK fills each omitted field with ``*``.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
"""

import re
from collections.abc import Iterator
from typing import Any

from nova_infra.operations.planner.model import Consequence
from nova_infra.operations.planner.step import Step
from nova_infra.schedules import Cron, parse

_TYPES = ("AWS::Events::Rule", "AWS::Scheduler::Schedule")
_EVERY = re.compile(r"\*|[*0]/1")
_CHOSEN = re.compile(r"\w+(,\w+)*")


def crowded_schedules(step: Step) -> Iterator[Consequence]:
    """Warn about a schedule that comes each minute, or each hour, of times that it chooses one by one."""
    for kind in _TYPES:
        for logical_id, properties in step.given_of_type(kind):
            before = step.before.resources.get(logical_id, {}) if step.before is not None else {}
            text = properties.get("ScheduleExpression")
            if text == before.get("Properties", {}).get("ScheduleExpression") or properties.get("State") == "DISABLED":
                continue
            if times := _times(text):
                what = f"{text} starts it {times}: where one start is meant, give cron its minute and its hour"
                yield step.note(logical_id, what, hurts=True)


def _times(text: Any) -> str:
    """How often it starts on a day, where it names an hour or a day and leaves out what is finer; empty elsewhere."""
    try:
        schedule = parse(text) if isinstance(text, str) else None
    except ValueError:
        return ""  # refused elsewhere
    if not isinstance(text, str) or not isinstance(schedule, Cron):
        return ""
    minute, hour, day, month, weekday = text[5:].split()[:5]
    names_a_day = any(map(_CHOSEN.fullmatch, (day, month, weekday)))
    if _EVERY.fullmatch(minute) and (_CHOSEN.fullmatch(hour) or (names_a_day and _EVERY.fullmatch(hour))):
        return f"{60 * len(schedule.hours)} times a day"
    return "24 times a day" if names_a_day and _EVERY.fullmatch(hour) and minute.isdigit() else ""
