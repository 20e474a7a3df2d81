"""What a shell's script does after a failed check; in doubt nothing (GitHub: jobsjob_idstepsshell)."""

import re
from collections.abc import Iterator
from itertools import chain

_CHECKS = re.compile(
    r"\b(?:make(?:[ \t]+[^\s;&|()]+)*?[ \t]+"
    r"(?:test[^\s;&|()'\"]*|(?:check|integration|e2e|verify|preflight|gate)(?:[-_][^\s;&|()'\"]*)?)"
    r"|(?:make|npx|python[\d.]*|(?:ba)?sh|scripts/\S+)[ \t]+[^\n;&|()]*?"
    r"(?<![A-Za-z])(?:(?:unit)?tests?|e2e|smoke)(?![A-Za-z])[^\n;&|()]*?(?=[ \t]*(?:2>&1[ \t]*)?\|&?[ \t]*tee\b)"
    r"|nova deploy|pytest|tox|nox|(?:npm|pnpm|yarn)(?:[ \t]+run)?[ \t]+test[^\s;&|()'\"]*)(?![\w.=/-])"
)
_IS_NO_CHECK = re.compile(r"#|\b(?:install|add|sync|echo|printf|which|command -v)\b|[\w.-]$")
_QUOTED = re.compile(r"'[^'\n]*'|\"(?:\\.|[^\"\\\n])*\"")
_JOINED = re.compile(r"(\\|&&|\|\||(?<!\|)\|)[ \t]*\n[ \t]*")
_SETS = re.compile(r"\bset((?:[ \t]+(?:[-+][A-Za-z]+|errexit|nounset|pipefail|xtrace|noglob))+)")
_OPTION = re.compile(r"([-+])([A-Za-z]+)(?:[ \t]+(\w+))?")
_HARMLESS = re.compile(
    r"\|\|\s*(?:[{(]\s*)?"
    r"(?:(?:/\S*/)?true|:|exit\s+0|(?:echo|printf|date|cat|tail|ls|rm|docker\s+(?:logs|ps|compose\s+logs))\b|\w+=)"
)
_ENDS = re.compile(r"\b(?:exit|return)\b(?!\s+0\b)|\bfalse\b|\bkill\b|GITHUB_(?:OUTPUT|ENV)")
_PIPED = re.compile(r"(?<![|>])\|(?!\|)&?\s*[\w./-]+")
_BACKGROUND = re.compile(r"(?<![&>|])&(?![&>])")
_OWN = re.compile(r"[^\n;#)]*(?:[\s;)}]*[)}][ \t]*\|\|[^\n;#)]*)?")
"""What follows a command and depends on it, past the end of a group whose failure is caught."""
_HOLDER = re.compile(r"(?:^|[\n;&|])[ \t]*([^\n;&|]*?)\$\(\s*\Z")
"""The command whose words a check writes."""
_SWALLOWS = re.compile(r"(?:(?:then|else|do|\{|\()\s+)*(echo|printf|export|local|declare|readonly)\s")
"""A command that ends well whatever the one whose words it takes came to."""
_KEEPS = re.compile(r"(?:\w+=\S*\s*)+\Z")
_LISTS = re.compile(r"\s(?:-\w*[nq]|--(?:dry-run|version|help|list|collect-only))\b|[-_](?:list|files|names|version)\Z")
_FUNCTION = re.compile(
    r"(?:^|[\n;])[ \t]*(?:function[ \t]+)?([\w-]+)[ \t]*(?:\(\))?[ \t]*\{(.*?)(?:\n[ \t]*|;[ \t]*)\}", re.DOTALL
)
_STATUS = re.compile(r"\s*(?:(?:local|export|declare)\s+)?(\w+)=[\"']?\$(?:\?|\{PIPESTATUS)")
_REST = re.compile(r"(?:\s|;|#.*|\b(?:fi|done|esac)\b|\})*\Z")


def checks(script: str, shell: str) -> Iterator[tuple[str, str]]:
    """Each check of a script, and what makes the script go on if it fails; empty for nothing, or a shell unlike sh."""
    is_known = re.match(r"(?:\S*/)?(?:ba|da|z|k)?sh\b|\S*/env\b|$", shell) is not None
    script = _JOINED.sub(lambda found: " " if found[1] == "\\" else f"{found[1]} ", script)
    bare = _QUOTED.sub(_blank, script)
    if is_known:
        yield from _called(script, bare, shell)
    for check in _CHECKS.finditer(bare):
        lead = re.split(r"[\n;&|({]", bare[: check.start()])[-1]
        line = bare[: check.start()].rpartition("\n")[2]
        if "#" in line or _IS_NO_CHECK.search(lead) or _LISTS.search(check[0]):
            continue
        yield check[0], _ignores(_Check(script, bare, check.start(), check.end(), lead, shell)) if is_known else ""


def _called(script: str, bare: str, shell: str) -> Iterator[tuple[str, str]]:
    """Checks in functions whose callers go on if they fail."""
    for function in _FUNCTION.finditer(bare):
        if (check := _CHECKS.search(function[2])) is None:
            continue
        name = re.escape(function[1])
        for call in re.finditer(rf"(?m)^([ \t]*(?:(?:if|!)[ \t]+)*){name}(?=[ \t\n;&|)]|\Z)(?![ \t]*[({{])", bare):
            if why := _ignores(_Check(script, bare, call.end(1), call.end(), call[1], shell)):
                yield check[0], f"{function[1]}: {why}"


def _blank(found: re.Match[str]) -> str:
    """Quoted text as signs that mean nothing, but for the commands in it that a shell runs."""
    parts = re.split(r"(\$\([^()]*\))", found[0]) if found[0].startswith('"') else [found[0]]
    return "".join(each if at % 2 else re.sub(r"[^\n]", "x", each) for at, each in enumerate(parts))


class _Check:
    """A check in a script, and the text around it.

    Attributes:
        line: What stands before it in its line.
        own: What follows it up to the next command that does not depend on it.
        after: What follows that.
        stops: Whether the shell ends where a command fails.
        why_on: Why it does not.
        pipefail: Whether a pipe fails where any part of it does.
    """

    def __init__(self, script: str, bare: str, start: int, end: int, lead: str, shell: str) -> None:
        self.lead, self.text, self.bare = lead, script[end:], bare[end:]
        self.line = bare[:start].rpartition("\n")[2]
        self.nested = bare[:start].count("(") > bare[:start].count(")")
        self.holder = _HOLDER.search(bare[:start])
        found = _OWN.match(self.bare)
        at = found.end() if found else 0
        self.own, self.after = self.bare[:at], self.text[at:]
        self.stops = "{0}" not in shell or bool(re.search(r"-\w*e|errexit", shell))
        self.why_on = f"shell: {shell}"
        self.pipefail = shell == "bash" or "pipefail" in shell
        for sign, letters, name in chain.from_iterable(_OPTION.findall(each) for each in _SETS.findall(bare[:start])):
            if "e" in letters or name == "errexit":
                self.stops, self.why_on = sign == "-", "set +e"
            if name == "pipefail":
                self.pipefail = sign == "-"

    def asks(self) -> bool:
        """Whether what follows looks at its status, as far as anybody can tell."""
        following = self.after.lstrip("\n; \t").split("\n")[0]
        if status := _STATUS.match(following):
            return re.search(rf"\$\{{?{status[1]}\b", self.after) is not None
        return "$?" in following or "PIPESTATUS" in following


def _ignores(check: _Check) -> str:
    """What makes a script go on after a check that fails; empty for nothing, or for what nobody knows."""
    first = re.split(r"&&|\|\|", check.own)[0]
    if (piped := _PIPED.search(first)) and not (check.pipefail or "PIPESTATUS" in check.text):
        return f"{piped[0]}, without pipefail"
    if background := _BACKGROUND.search(check.own):
        return "" if re.search(r"\bwait\s+[-$%\"]", check.bare + check.text) else background[0]
    if check.holder is not None and check.holder[1] and not _KEEPS.match(check.holder[1]):
        return f"{found[1]} $( )" if (found := _SWALLOWS.match(check.holder[1])) else ""
    if re.search(r"(?:^|\s)!\s+\Z", check.lead) and not re.search(r"\b(?:if|elif|while|until)\b", check.line):
        return "" if re.search(r"&&|\|\|", check.own) else "!"
    if (condition := re.search(r"\b(if|elif|while|until)\s+(!\s*)?", check.lead)) is not None:
        return "" if condition[1] in ("while", "until") else _of_a_condition(check, negated=bool(condition[2]))
    harmless = _HARMLESS.search(check.bare)
    if harmless is not None and harmless.start() < len(check.own):
        return "" if _handles(check, harmless) else re.sub(r"\s+", " ", harmless[0])
    if "||" in check.own or check.nested or check.asks():
        return ""
    ends = _REST.match(check.after) is not None
    if "&&" in check.own and not ends:
        return "&& before another command, where the shell does not end"
    return "" if check.stops or ends else check.why_on


def _handles(check: _Check, harmless: re.Match[str]) -> bool:
    """Whether what runs after a failure ends the script all the same, or notes it for later."""
    if variable := re.search(r"(\w+)=$", harmless[0]):
        return re.search(rf"\$\{{?{variable[1]}\b|\(\(.*\b{variable[1]}\b", check.after) is not None
    ends = "}" if "{" in harmless[0] else ")" if "(" in harmless[0] else "\n"
    handler = check.text[harmless.start() :].partition(ends)[0]
    return _ENDS.search(handler.replace("exit 0", "") if "exit 0" in harmless[0] else handler) is not None


def _of_a_condition(check: _Check, *, negated: bool) -> str:
    """What makes a script go on after a check that is a condition: no branch of its failure ends it."""
    depth, body = 1, check.text
    for word in re.finditer(r"(?:^|[;\n&|])\s*(if|fi)\b", check.bare):
        depth += 1 if word[1] == "if" else -1
        if depth == 0:
            body = check.text[: word.start()]
            break
    _, otherwise, failed = body.partition("else") if not negated else body.partition("then")
    failed = re.split(r"\belse\b", failed)[0] if negated else failed
    noted = re.findall(r"\b(\w+)=", failed)
    rest = check.text[len(body) :]
    if _ENDS.search(failed) or any(re.search(rf"\$\{{?{name}\b|\b{name}\b", rest) for name in noted):
        return ""
    if not negated and not otherwise and (check.asks() or _ENDS.search(rest)):
        return ""
    return "if, whose other branch does not end it"
