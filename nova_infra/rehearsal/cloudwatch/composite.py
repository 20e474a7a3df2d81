"""Composite alarms: rule, and state from other alarms' states (API_PutCompositeAlarm)."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.cloudwatch.alarms import State, topics_of

_NAME = r"""\s*(?:"(?:[^"\\]|\\.)+"|'(?:[^'\\]|\\.)+'|[^\s"'(),](?:[^"'(),]*[^\s"'(),])?)\s*"""
_TOKEN = re.compile(
    rf"""\s*(?:(?P<state>ALARM|OK|INSUFFICIENT_DATA)\s*\((?P<name>{_NAME})\)
    |AT_LEAST\s*\(\s*(?P<least>\d+)\s*(?P<percent>%?)\s*,\s*(?P<not>(?:NOT\s+)?)
        (?P<each>ALARM|OK|INSUFFICIENT_DATA)\s*,\s*\((?P<names>{_NAME}(?:,{_NAME})*)\)\s*\)
    |(?P<word>AND|OR|NOT|TRUE|FALSE)\b|(?P<sign>[()]))\s*""",
    re.VERBOSE,
)
_Holds = Callable[[Mapping[str, State]], bool | None]
"""Whether part of a rule holds; None where that depends on an alarm that has no state here."""


@dataclass(frozen=True)
class CompositeAlarm:
    """An alarm over the states of others.

    Attributes:
        rule: Its rule, such as ``ALARM("a") AND NOT ALARM("b")``.
    """

    name: str
    rule: str
    alarm_topics: tuple[str, ...]
    ok_topics: tuple[str, ...]

    def __post_init__(self) -> None:
        self._holds()

    @property
    def alarms(self) -> tuple[str, ...]:
        """The alarms that it is over."""
        return tuple(name for match in _TOKEN.finditer(self.rule) for name in _names(match))

    def state(self, states: Mapping[str, State]) -> State | None:
        """The state that follows from the others', given by name; None where it depends on one that is not given."""
        holds = self._holds()(states)
        return None if holds is None else "ALARM" if holds else "OK"

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
        return (lambda states: _at_least(1, [term(states) for term in terms])), rest

    def _both(self, tokens: list[re.Match[str]]) -> tuple[_Holds, list[re.Match[str]]]:
        terms, rest = self._joined("AND", self._single, tokens)
        return (lambda states: _at_least(len(terms), [term(states) for term in terms])), rest

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
        if names := _names(first):
            return _counts(first, names), rest
        if first["word"] in ("TRUE", "FALSE"):
            return (lambda _, value=first["word"] == "TRUE": value), rest
        if first["word"] == "NOT":
            holds, rest = self._single(rest)
            return (lambda states: None if (held := holds(states)) is None else not held), rest
        if first["sign"] == "(":
            holds, rest = self._either(rest)
            if rest and rest[0]["sign"] == ")":
                return holds, rest[1:]
        raise self._error()

    def _error(self) -> UnresolvableError:
        return UnresolvableError(
            f"{self.name}: AlarmRule {self.rule!r} is not one that the rehearsal knows: correct it"
        )


def _names(term: re.Match[str]) -> tuple[str, ...]:
    """The alarms that a term names by name or ARN."""
    given = [each.strip() for each in re.findall(_NAME, term["name"] or term["names"] or "")]
    plain = [re.sub(r"\\(.)", r"\1", each[1:-1]) if each[0] in "\"'" else each for each in given]
    return tuple(each.rpartition(":alarm:")[2] for each in plain)


def _counts(term: re.Match[str], names: tuple[str, ...]) -> _Holds:
    """Whether enough alarms of a term, as ``OK(a)`` or ``AT_LEAST(2, NOT OK, (a, b, c))``, are in its state."""
    wanted, negated = term["state"] or term["each"], bool(term["not"])
    least = float(term["least"] or 1) * (len(names) / 100 if term["percent"] else 1)
    return lambda states: _at_least(
        least, [None if name not in states else (states[name] == wanted) is not negated for name in names]
    )


def _at_least(least: float, holds: Iterable[bool | None]) -> bool | None:
    """Whether so many of some conditions hold, of which None is not known."""
    found = list(holds)
    sure, possible = found.count(True), len(found) - found.count(False)
    return True if sure >= least else None if possible >= least else False


def read_composite_alarm(properties: Mapping[str, Any]) -> CompositeAlarm:
    """The composite alarm that a resource's resolved properties define."""
    return CompositeAlarm(
        name=str(properties["AlarmName"]),
        rule=str(properties["AlarmRule"]),
        alarm_topics=topics_of(properties, "AlarmActions"),
        ok_topics=topics_of(properties, "OKActions"),
    )
