"""SQS queues, SNS topics and subscriptions, EventBridge rules and schedules: FIFO, cron and rate, dead letters.

Sentences of API_CreateQueue (SQS), API_Subscribe and API_CreateTopic (SNS), API_PutTargets (EventBridge),
API_CreateSchedule and API_FlexibleTimeWindow (Scheduler), and
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html.
"""

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from zoneinfo import available_timezones

from nova_infra.checks.rule import referenced
from nova_infra.documents.text import shortened
from nova_infra.operations.changes.stated_values import is_on, may_be_given, parsed, table, values_at
from nova_infra.operations.planner.model import Consequence, Refusal
from nova_infra.operations.planner.step import Fault, Judges, Step
from nova_infra.schedules import Cron, parse

_CRON = (
    *(("minutes", 0, 59), ("hours", 0, 23), ("day of the month", 1, 31), ("month", 1, 12)),
    *(("weekday", 1, 7), ("year", 1970, 2199)),
)
# Only rules of EventBridge tell the singular from the plural, its Scheduler takes either:
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rate-expressions.html,
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#rate-based
_RATE = re.compile(r"rate\(([1-9]\d*) (?:minute|hour|day)(s?)\)")
_QUEUE = "AWS::SQS::Queue"
_TYPES = ("AWS::Events::Rule", "AWS::Scheduler::Schedule")
_EVERY = re.compile(r"\*|[*0]/1")
_CHOSEN = re.compile(r"\w+(,\w+)*")


def refused_messages(step: Step) -> Iterator[Refusal]:
    """Refuse queues, topics, rules and schedules that their services do not take."""
    yield from step.judged_by(_JUDGES)
    for logical_id, properties in step.given_of_type(_QUEUE):
        yield from step.refuse_each(logical_id, _order(step, properties))


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


def _order(step: Step, properties: Mapping[str, Any]) -> Iterator[Fault]:
    is_fifo, name = keeps_order(properties), properties.get("QueueName")
    if is_fifo is None:
        return
    if isinstance(name, str):
        base = name.removesuffix(".fifo")
        if is_fifo is not name.endswith(".fifo"):
            fault = f"is {name}, and the queue is {'a' if is_fifo else 'no'} FIFO queue"
            yield "QueueName", fault, "end the name in .fifo, and the name of no other queue"
        elif not re.fullmatch(r"[A-Za-z0-9_-]{1,80}", base) or len(name) > 80:
            yield "QueueName", f"is {shortened(name)}", "use up to 80 letters, digits, hyphens and underscores"
    target = properties.get("RedrivePolicy", {})
    dead = referenced(target.get("deadLetterTargetArn")) if isinstance(target, Mapping) else None
    other = step.after.resources.get(dead or "", {})
    if other.get("Type") == _QUEUE and keeps_order(other.get("Properties", {})) is (not is_fifo):
        kinds = ("FIFO", "standard") if is_fifo else ("standard", "FIFO")
        fault = f"leads from a {kinds[0]} queue to a {kinds[1]} one"
        yield "RedrivePolicy.deadLetterTargetArn", fault, "make both the same"


def keeps_order(properties: Mapping[str, Any]) -> bool | None:
    """Whether a queue or a topic is a FIFO one; None where only CloudFormation knows."""
    given = properties.get("FifoQueue", properties.get("FifoTopic", False))
    return None if isinstance(given, Mapping | list) else is_on(given)


def _queue(properties: Mapping[str, Any]) -> Iterator[Fault]:
    if is_on(properties.get("ContentBasedDeduplication")) and not may_be_given(properties, "FifoQueue"):
        yield "ContentBasedDeduplication", "is on, and only a FIFO queue has it", "add FifoQueue, or leave it out"
    by_group = properties.get("FifoThroughputLimit") == "perMessageGroupId"
    if by_group and properties.get("DeduplicationScope", "queue") == "queue":
        yield "DeduplicationScope", "is queue, and FifoThroughputLimit is perMessageGroupId", "make it messageGroup"
    allows = table(properties.get("RedriveAllowPolicy"))
    if allows.get("redrivePermission") == "byQueue" and not may_be_given(allows, "sourceQueueArns"):
        yield "RedriveAllowPolicy.sourceQueueArns", "is missing, and redrivePermission is byQueue", "name the queues"


def _topic(properties: Mapping[str, Any]) -> Iterator[Fault]:
    name = properties.get("TopicName")
    if isinstance(name, str) and is_on(properties.get("FifoTopic")) and not name.endswith(".fifo"):
        yield "TopicName", f"is {name[:60]}, and the topic is a FIFO topic", "end the name in .fifo"
    if is_on(properties.get("ContentBasedDeduplication")) and not may_be_given(properties, "FifoTopic"):
        yield "ContentBasedDeduplication", "is on, and only a FIFO topic has it", "add FifoTopic, or leave it out"


def _subscription(properties: Mapping[str, Any]) -> Iterator[Fault]:
    protocol, endpoint = properties.get("Protocol"), properties.get("Endpoint")
    if isinstance(endpoint, str) and "{{" not in endpoint:
        if protocol in ("http", "https") and not endpoint.startswith(f"{protocol}://"):
            yield "Endpoint", f"is {endpoint}, and the protocol is {protocol}", f"begin it with {protocol}://"
        if protocol in ("email", "email-json") and "@" not in endpoint:
            yield "Endpoint", f"is {endpoint}, which is no e-mail address", "name one"
    if protocol in ("email", "email-json", "sms", "lambda") and is_on(properties.get("RawMessageDelivery")):
        yield "RawMessageDelivery", f"is on, and {protocol} has none", "leave it out"


def _event_rule(properties: Mapping[str, Any]) -> Iterator[Fault]:
    if not any(may_be_given(properties, each) for each in ("EventPattern", "ScheduleExpression")):
        yield (
            "EventPattern",
            "is missing, as is ScheduleExpression, and a rule needs one of them",
            "say when it applies",
        )
    for text in values_at(properties, "Targets[].Input"):
        if isinstance(text, str) and parsed(text) is None:
            yield "Targets.Input", "is no JSON", "write a text in quotation marks, or an object"
    for pattern in values_at(properties, "EventPattern"):
        plain = [key for key, each in table(pattern).items() if isinstance(each, str | int)]
        if plain:
            yield f"EventPattern.{plain[0]}", "is no list of values", "put the value into a list"
    yield from _expression(text := properties.get("ScheduleExpression"), ("rate", "cron"))
    if isinstance(text, str) and (rate := _RATE.fullmatch(text)) and (rate[1] == "1") is bool(rate[2]):
        yield "ScheduleExpression", f"is {text}", "write one in the singular and more in the plural, as in rate(1 hour)"


def _schedule(properties: Mapping[str, Any]) -> Iterator[Fault]:
    start, end = (properties.get(key) for key in ("StartDate", "EndDate"))
    if isinstance(start, str) and isinstance(end, str) and start.endswith("Z") and end.endswith("Z") and end <= start:
        yield "EndDate", f"is {end}, and the schedule starts on {start}", "end it after its start"
    yield from _expression(properties.get("ScheduleExpression"), ("rate", "cron", "at"))
    zone = properties.get("ScheduleExpressionTimezone")
    if isinstance(zone, str) and _zones() and zone not in _zones():
        yield "ScheduleExpressionTimezone", f"is {zone}, which is not a time zone", "name one such as Europe/Berlin"
    window = table(properties.get("FlexibleTimeWindow"))
    if window.get("Mode") == "FLEXIBLE" and "MaximumWindowInMinutes" not in window:
        yield "FlexibleTimeWindow.MaximumWindowInMinutes", "is missing, and FLEXIBLE needs it", "add it, or make it OFF"


@functools.cache
def _zones() -> set[str]:
    """Names of time zones, as this machine knows them; none where it has no list. Looking for them takes a while."""
    return available_timezones()


def _expression(text: Any, kinds: Sequence[str]) -> Iterator[Fault]:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html."""
    if not isinstance(text, str):
        return
    where, shape = "ScheduleExpression", re.fullmatch(r"(\w+)\((.*)\)", text)
    if shape is None or shape[1] not in kinds:
        yield where, f"is {shortened(text)}", f"write {' or '.join(f'{each}(…)' for each in kinds)}"
    elif shape[1] == "rate":
        if not _RATE.fullmatch(text):
            yield where, f"is {text}", "write a number and a unit, such as rate(1 hour) or rate(5 minutes)"
    elif shape[1] == "cron":
        fields = shape[2].split()
        if len(fields) != len(_CRON):
            yield where, f"has {len(fields)} fields", "write minutes, hours, day, month, weekday and year"
        elif (fields[2] == "?") is (fields[4] == "?"):
            yield where, f"is {text}", "write ? for either the day of the month or the weekday, not for both or none"
        for field, (name, least, most) in zip(fields, _CRON, strict=False):
            numbers = [int(each) for part in field.split(",") for each in re.findall(r"\d+", re.split("[/#]", part)[0])]
            if odd := [each for each in numbers if not least <= each <= most]:
                yield where, f"has {odd[0]} for the {name}", f"choose {least} to {most}"


_JUDGES: Judges = {
    _QUEUE: _queue,
    "AWS::SNS::Topic": _topic,
    "AWS::SNS::Subscription": _subscription,
    "AWS::Events::Rule": _event_rule,
    "AWS::Scheduler::Schedule": _schedule,
}
