"""Which outputs a step's script writes, and what it masks, which no job hands on (workflow-commands)."""

import re
from collections.abc import Mapping
from typing import Any

from nova_infra.rehearsal.delivery.workflows.language.expressions import embedded
from nova_infra.rehearsal.delivery.workflows.language.values import UNKNOWN, Open, as_text

_TO_FILE = r"[ \t]*>>?[ \t]*[\"']?\$\{?GITHUB_OUTPUT\}?[\"']?"
_GROUP = re.compile(rf"\{{[ \t]*\n((?:(?![{{}}])[^\n]*\n)*?)[ \t]*\}}({_TO_FILE})")
_OPENS = re.compile(rf"echo[ \t]+[\"']?([\w-]+)<<([\w-]+)[\"']?({_TO_FILE})?[ \t]*\n(.*)\n[ \t]*echo[ \t]+[\"']?\2\b")
_PLAIN = r"(?:\$\([^()\n]*\)|\$\{?\w+\}?|[^\s\"'`;|&(){}<>$])*"
_SAYS = re.compile(
    rf"echo[ \t]+(?:\"([\w-]+)=([^\"\n]*)\"|'([\w-]+)=([^'\n]*)'|([\w-]+)=({_PLAIN})){_TO_FILE}"
    r"|echo\s+[\"']?::set-output name=([\w-]+)::(.*?)[\"']?\s*$",
    re.MULTILINE,
)
_EXPORTS = re.compile(
    r"^[ \t]*echo[ \t]+(?:\"(\w+)=([^\"$`\\\n]+)\"|'(\w+)=([^'\n]+)'|(\w+)=([^\s\"'`;|&(){}<>$\\]+))"
    r"[ \t]*>>[ \t]*[\"']?\$\{?GITHUB_ENV\}?[\"']?[ \t]*$",
    re.MULTILINE,
)
_COMMENT = re.compile(r"^[ \t]*#.*$", re.MULTILINE)
_WRITES_ANEW = re.compile(r"^.*[^>\n]>\s*[\"']?\$\{?GITHUB_OUTPUT", re.MULTILINE)
_WRITES = re.compile(r"GITHUB_OUTPUT|::set-output ")
_WRITES_KNOWN = re.compile(r"nova (?:github outputs|registry --compare)|--outputs|^\s*: ")
"""What writes outputs that are known, and what is left of a delimiter."""
_DECIDES = re.compile(r"\b(if|case|for|while|until|exit)\b|&&|\|\|")
_LEAVES_ALONE = re.compile(
    r"\s*(?:[{}():]|\[|\w+=|(?:nova|echo|printf|cat|jq|git|date|cd|ls|grep|head|tail|sort|wc|tr|sed|awk|cut|set|test"
    r"|export|if|then|elif|else|fi|for|while|do|done|case|esac|true|tee)\b|$)"
)
"""Commands that write no output, unless they name the file."""
_NEXT = re.compile(r"&&|\|\|?|;|\$\(|\b(?:do|then|else)\b")
_MASKS = re.compile(r"::add-mask::(?:%s\S*)?[\"']*\s*[\"']?(?:\$\{?(\w+)\}?|(\$\{\{.*?\}\}))")
_MASKED_TEXT = re.compile(r"::add-mask::([^\s\"'$`%\\]+)")
_SIGN_IN = "aws-actions/configure-aws-credentials"
_LOG_IN = "aws-actions/amazon-ecr-login"
_MASKED_BY = {
    "actions/create-github-app-token": ("token",),
    _SIGN_IN: ("aws-access-key-id", "aws-secret-access-key", "aws-session-token"),
}
"""Actions to the outputs that they mask themselves."""
_TEXT_WITH = r"(?:[^$`]|\$(?:\w+\b|\{{\w+\}}))*\$(?:{name}\b|\{{{name}\}})(?:[^$`]|\$(?:\w+\b|\{{\w+\}}))*"
"""A value that holds another one as it is, and runs nothing."""


def in_lines(script: str) -> str:
    """A script that writes each output in a line of its own, without what a later ``>`` overwrites."""
    script = _COMMENT.sub("", script)
    script = _GROUP.sub(lambda found: "".join(f"{each}{found[2]}\n" for each in found[1].splitlines()), script)
    script = _OPENS.sub(_in_a_line, script)
    return script[max((found.start() for found in _WRITES_ANEW.finditer(script)), default=0) :]


def exported(script: str, variables: Mapping[str, Any], *, certain: bool) -> dict[str, Any]:
    """The variables of a job after a script that may write some to ``GITHUB_ENV``.

    Those with a text for a value are known; others are left out, and so is what it writes in lines that may not run.
    """
    said = [next(filter(all, zip(each[::2], each[1::2], strict=True)), ("", "")) for each in _EXPORTS.findall(script)]
    lines = [line for line in script.splitlines() if "GITHUB_ENV" in line]
    if certain and len(said) == len(lines) and not _DECIDES.search(script):
        return {**variables, **dict(said)}
    written = {name for line in lines for name in re.findall(r"([A-Za-z_]\w*)=", line)}
    return {name: value for name, value in variables.items() if name not in written}


def _written(script: str) -> list[tuple[str, str]]:
    return [next(filter(all, zip(each[::2], each[1::2], strict=True)), ("", "")) for each in _SAYS.findall(script)]


def _in_a_line(found: re.Match[str]) -> str:
    """An output of several lines as one; what follows its delimiter stays."""
    name, delimiter, to_file, command = found.groups(default="")
    command = re.sub(rf"{_TO_FILE}[ \t]*$", "", command.strip()) if to_file else command.strip()
    return f'echo "{name}=$({command})"{to_file}\n: "{delimiter}'


def outputs(script: str, known: Mapping[str, Any], services: Any) -> dict[str, Any]:
    """The outputs that a script writes in lines of their own: open, unless all that writes them is known.

    Args:
        known: What its commands of ours write.
        services: What ``nova services --json`` says.
    """
    lines = _SAYS.sub("", script.replace("\\\n", " ")).splitlines()
    commands = {line: _NEXT.split(line) for line in lines}
    rest = [each for each in lines if _WRITES.search(each) or not all(map(_LEAVES_ALONE.match, commands[each]))]
    found: dict[str, Any] = {}
    for name, value in _written(script):
        unsure = "$" in value or "`" in value or _DECIDES.search(script) or found.get(name, value) != value
        found[name] = services if value == "$(nova services --json)" else UNKNOWN if unsure else value
    found |= known
    return found if found and all(_WRITES_KNOWN.search(line) for line in rest) else Open(found)


def masked(step: Mapping[str, Any], variables: Mapping[str, str], *, account: bool = False) -> set[str]:
    """The expressions whose values a step masks, texts and its own outputs among them; ``account`` for AWS's account.

    Args:
        variables: Those of the step, as they are written.
        account: Whether that id is masked already.
    """
    action, _, version = str(step.get("uses", "")).partition("@")
    given = step.get("with") or {}
    script = str(step.get("run", ""))
    found = _MASKS.findall(script)
    names = {name for name, _ in found if name}
    said = _written(in_lines(script))
    hidden = {key for key, value in said for name in names if re.fullmatch(_TEXT_WITH.format(name=name), value)}
    hidden |= {*_MASKED_BY.get(action, ())} | ({"registry"} if account and action == _LOG_IN else set())
    masks_account = action == _SIGN_IN and isinstance(given, Mapping)
    if masks_account and as_text(given.get("mask-aws-account-id", version.startswith("v1"))) == "true":
        return {"account", *(f"steps.{step.get('id')}.outputs.{each}" for each in {*hidden, "aws-account-id"})}
    texts = [variables.get(name, "") or expression for name, expression in found]
    own = {f"steps.{step.get('id')}.outputs.{name}" for name in hidden} | {
        f"'{text}'" for text in _MASKED_TEXT.findall(script)
    }
    return own | {inner.strip() for text in texts for inner in embedded(text)}
