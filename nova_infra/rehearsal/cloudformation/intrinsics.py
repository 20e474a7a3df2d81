"""Resolves intrinsic functions, such as ``Ref``, ``Fn::If`` and ``Fn::Sub``, to values."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from nova_infra.errors import NovaError

NO_VALUE = object()
"""What ``AWS::NoValue`` stands for: the property or list entry is left out."""


class UnresolvableError(NovaError):
    """A template contains something that the rehearsal does not know."""


def _named(argument: Any) -> tuple[str, ...]:
    """The logical id in the argument of ``Ref`` or ``Fn::GetAtt``; none for what AWS itself names."""
    first = argument[0] if isinstance(argument, list) and argument else argument
    name = first.partition(".")[0] if isinstance(first, str) else ""
    return () if name.startswith("AWS::") else (name,)


def _known(value: Any) -> Any:
    """A value, unless CloudFormation looks it up.

    Raises:
        ValueError: It does.
    """
    if "{{resolve:" in str(value):
        raise ValueError("only CloudFormation can look it up")
    return value


def _list(value: Any) -> list[Any]:
    """A list: of a text, each character would count.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    return value


class Resolver:
    """Replaces intrinsic functions by values, which come from callables: resources may have any order."""

    def __init__(
        self,
        *,
        ref: Callable[[str], Any],
        get_att: Callable[[str, str], Any],
        import_value: Callable[[str], Any],
        conditions: Mapping[str, Any],
        mappings: Mapping[str, Any],
    ) -> None:
        """Keep the sources of values.

        Args:
            ref: Value of ``Ref`` for a logical id, parameter or pseudo parameter. Raises KeyError for an unknown one.
            get_att: Value of ``Fn::GetAtt`` for a logical id and attribute. Raises KeyError for an unknown one.
            import_value: Value of an export. Raises KeyError for an unknown one.
        """
        self._ref = ref
        self._get_att = get_att
        self._import_value = import_value
        self._conditions = conditions
        self._mappings = mappings

    def resolve(self, value: Any, *, where: str) -> Any:
        """The value with every intrinsic function in it replaced."""
        if isinstance(value, list):
            resolved = (self.resolve(item, where=f"{where}[{index}]") for index, item in enumerate(value))
            return [item for item in resolved if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            if name in ("Ref", "Condition") or name.startswith("Fn::"):
                try:
                    return self._call(name, argument, where)
                except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
                    if (
                        name in ("Ref", "Fn::GetAtt")
                        and isinstance(error, KeyError)
                        and error.args[0] in _named(argument)
                    ):
                        raise UnresolvableError(
                            f"{where}: refers to {error.args[0]}, which is not in the template, so CloudFormation "
                            "would refuse it: keep it, or take out what refers to it"
                        ) from None
                    raise UnresolvableError(
                        f"{where}: {name} {argument!r} cannot be resolved ({error}): "
                        "the rehearsal does not know it, so it cannot play this template"
                    ) from None
        pairs = ((key, self.resolve(item, where=f"{where}.{key}")) for key, item in value.items())
        return {key: item for key, item in pairs if item is not NO_VALUE}

    def _call(self, name: str, argument: Any, where: str) -> Any:  # noqa: C901 - one case for each function
        def resolved(part: Any = argument) -> Any:
            return self.resolve(part, where=where)

        match name:
            case "Ref":
                return NO_VALUE if argument == "AWS::NoValue" else self._ref(argument)
            case "Condition":
                return resolved(self._conditions[argument])
            case "Fn::GetAtt":
                logical_id, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
                return self._get_att(logical_id, attribute)
            case "Fn::ImportValue":
                return self._import_value(resolved())
            case "Fn::Join":
                return argument[0].join(str(part) for part in _list(resolved(argument[1])))
            case "Fn::Sub":
                return self._substitute(argument, where)
            case "Fn::Select":
                return _list(resolved(argument[1]))[int(resolved(argument[0]))]
            case "Fn::Split":
                return _known(resolved(argument[1])).split(argument[0])
            case "Fn::FindInMap":
                mapping, key, inner = resolved()
                return self._mappings[mapping][key][inner]
            case "Fn::If":
                return resolved(argument[1] if resolved(self._conditions[argument[0]]) else argument[2])
            case "Fn::Equals":
                left, right = map(_known, resolved())
                return left == right
            case "Fn::Not":
                return not resolved()[0]
            case "Fn::And":
                return all(resolved())
            case "Fn::Or":
                return any(resolved())
            case "Fn::GetAZs":
                region = resolved() or self._ref("AWS::Region")
                return [f"{region}{letter}" for letter in "abc"]
        raise ValueError("no such function here")

    def _substitute(self, argument: Any, where: str) -> str:
        text, variables = argument if isinstance(argument, list) else (argument, {})

        def value(match: re.Match[str]) -> str:
            name = match.group(1)
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in variables:
                return str(self.resolve(variables[name], where=where))
            if "." in name:
                return str(self._get_att(*name.split(".", 1)))
            return str(self._ref(name))

        return re.sub(r"\$\{([^}]+)\}", value, text)
