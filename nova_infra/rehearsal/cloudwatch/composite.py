"""Composite alarms: their rule, and their state from the states of other alarms.

See https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.cloudwatch.alarms import State, topics_of

_TOKEN = re.compile(
    r"\s*(?:(?P<state>ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?P<quote>[\"']?)(?P<name>[^\"'()]+?)(?P=quote)\s*\)"
    r"|(?P<word>AND|OR|NOT|TRUE|FALSE)\b|(?P<sign>[()]))\s*"
)
_Holds = Callable[[Mapping[str, State]], bool]


@dataclass(frozen=True)
class CompositeAlarm:
    """An alarm over the states of others.

    Attributes:
        rule: Its rule, such as ``ALARM("a") AND NOT ALARM("b")``.
        alarm_topics: Told when it goes to ALARM.
        ok_topics: Told when it goes to OK.
    """

    name: str
    rule: str
    alarm_topics: tuple[str, ...]
    ok_topics: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse a rule that is not one."""
        self._holds()

    @property
    def alarms(self) -> tuple[str, ...]:
        """The alarms that it is over."""
        return tuple(_name(match) for match in _TOKEN.finditer(self.rule) if match["state"])

    def state(self, states: Mapping[str, State]) -> State:
        """The state that follows from the others', given by name."""
        return "ALARM" if self._holds()(states) else "OK"

    def _holds(self) -> _Holds:
        tokens, at = list[re.Match[str]](), 0
        while at < len(self.rule):
            match = _TOKEN.match(self.rule, at)
            if match is None:
                raise self._error()
            tokens.append(match)
            at = match.end()
        holds, rest = self._either(tokens)
        if rest:
            raise self._error()
        return holds

    def _either(self, tokens: list[re.Match[str]]) -> tuple[_Holds, list[re.Match[str]]]:
        terms, rest = self._joined("OR", self._both, tokens)
        return (lambda states: any(term(states) for term in terms)), rest

    def _both(self, tokens: list[re.Match[str]]) -> tuple[_Holds, list[re.Match[str]]]:
        terms, rest = self._joined("AND", self._single, tokens)
        return (lambda states: all(term(states) for term in terms)), rest

    def _joined(
        self, word: str, read: Callable[[list[re.Match[str]]], tuple[_Holds, list[re.Match[str]]]], tokens: Any
    ) -> tuple[list[_Holds], list[re.Match[str]]]:
        first, rest = read(tokens)
        terms = [first]
        while rest and rest[0]["word"] == word:
            term, rest = read(rest[1:])
            terms.append(term)
        return terms, rest

    def _single(self, tokens: list[re.Match[str]]) -> tuple[_Holds, list[re.Match[str]]]:
        if not tokens:
            raise self._error()
        first, rest = tokens[0], tokens[1:]
        if first["state"]:
            name, wanted = _name(first), first["state"]
            return (lambda states: states.get(name) == wanted), rest
        if first["word"] in ("TRUE", "FALSE"):
            return (lambda _, value=first["word"] == "TRUE": value), rest
        if first["word"] == "NOT":
            holds, rest = self._single(rest)
            return (lambda states: not holds(states)), rest
        if first["sign"] == "(":
            holds, rest = self._either(rest)
            if rest and rest[0]["sign"] == ")":
                return holds, rest[1:]
        raise self._error()

    def _error(self) -> UnresolvableError:
        return UnresolvableError(
            f"{self.name}: AlarmRule {self.rule!r} is not one that the rehearsal knows: correct it"
        )


def _name(term: re.Match[str]) -> str:
    """The name of the alarm that a term names by name or ARN."""
    return term["name"].rpartition(":alarm:")[2]


def read_composite_alarm(properties: Mapping[str, Any]) -> CompositeAlarm:
    """The composite alarm that a resource's resolved properties define."""
    return CompositeAlarm(
        name=str(properties["AlarmName"]),
        rule=str(properties["AlarmRule"]),
        alarm_topics=topics_of(properties, "AlarmActions"),
        ok_topics=topics_of(properties, "OKActions"),
    )
