"""The firewall in front of a load balancer: those of AWS's common rules that AWS describes exactly; they answer 403.

https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-baseline.html: sizes, user agents, and the
patterns that it gives as examples. What else the rules read in a request only AWS knows.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from aiohttp import web

_GROUP = ("AWS", "AWSManagedRulesCommonRuleSet")
_FILES = re.compile(r"\.(?:log|ini)$", re.IGNORECASE)
_REMOTE_FILE = re.compile(r"(?:https?|ftps?|file)://(?!127\.)\d{1,3}(?:\.\d{1,3}){3}", re.IGNORECASE)
"""Here a listener has an address of this machine in place of its name."""
_BAD_BOTS = re.compile("nessus|nmap", re.IGNORECASE)
_RULES: Mapping[str, Callable[[web.BaseRequest], bool]] = {
    "NoUserAgent_HEADER": lambda request: not request.headers.get("User-Agent"),
    "UserAgent_BadBots_HEADER": lambda request: bool(_BAD_BOTS.search(request.headers.get("User-Agent", ""))),
    "SizeRestrictions_QUERYSTRING": lambda request: len(request.raw_path.partition("?")[2]) > 2048,
    "SizeRestrictions_Cookie_HEADER": lambda request: len(request.headers.get("Cookie", "")) > 10_240,
    "SizeRestrictions_BODY": lambda request: (request.content_length or 0) > 8192,
    "SizeRestrictions_URIPATH": lambda request: len(request.raw_path.partition("?")[0]) > 1024,
    "RestrictedExtensions_URIPATH": lambda request: bool(_FILES.search(request.path)),
    "GenericLFI_QUERYARGUMENTS": lambda request: any("../../" in each for each in request.query.values()),
    "GenericRFI_QUERYARGUMENTS": lambda request: any(map(_REMOTE_FILE.search, request.query.values())),
    "EC2MetaDataSSRF_QUERYARGUMENTS": lambda request: any("169.254.169.254" in e for e in request.query.values()),
}


class RequestFilter:
    """What refuses requests to a load balancer.

    Attributes:
        rules: Names of the rules that refuse what they match.
        refused: Rule to the requests that it has refused.
    """

    def __init__(self, rules: Collection[str] = ()) -> None:
        self.rules = rules
        self.refused: Counter[str] = Counter()

    def refusing(self, request: web.BaseRequest) -> str | None:
        """Which rule refuses a request, if any does."""
        name = next((each for each in self.rules if _RULES[each](request)), None)
        if name is not None:
            self.refused[name] += 1
        return name


def read_firewall(acl: Mapping[str, Any]) -> frozenset[str]:
    """The rules of a web ACL, among those that are known here, that refuse whatever they match."""
    rules = acl.get("Rules") or ()
    # Where a rule lets requests pass, those after it may not see them.
    passes = any("Allow" in (each.get("Action") or {}) for each in rules)
    return frozenset() if passes else frozenset(name for each in rules for name in _refusing(each))


def _refusing(rule: Mapping[str, Any]) -> Iterator[str]:
    group = rule["Statement"].get("ManagedRuleGroupStatement") or {}
    is_counted = "Count" in (rule.get("OverrideAction") or {})
    if (group.get("VendorName"), group.get("Name")) == _GROUP and not is_counted and "ScopeDownStatement" not in group:
        changed = {each["Name"] for key in ("RuleActionOverrides", "ExcludedRules") for each in group.get(key) or ()}
        yield from (name for name in _RULES if name not in changed)
