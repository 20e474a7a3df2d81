from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from nova_infra.rehearsal.load_balancer.firewall import RequestFilter, read_firewall

AGENT = {"User-Agent": "curl/8"}
COMMON = {"VendorName": "AWS", "Name": "AWSManagedRulesCommonRuleSet"}
COUNT = {"Name": "SizeRestrictions_BODY", "ActionToUse": {"Count": {}}}


def acl(group: dict[str, Any], **rule: Any) -> dict[str, Any]:
    said = {"Name": "common", "OverrideAction": {"None": {}}, "Statement": {"ManagedRuleGroupStatement": group}}
    return {"Rules": [{**said, **rule}]}


def request(path: str = "/", **headers: str) -> web.BaseRequest:
    return make_mocked_request("GET", path, headers=headers)


@pytest.mark.parametrize(
    ("asked", "rule"),
    [
        (request(**AGENT), None),
        (request(), "NoUserAgent_HEADER"),
        (request(**{"User-Agent": ""}), "NoUserAgent_HEADER"),
        (request(**{"User-Agent": "Mozilla (compatible; Nmap)"}), "UserAgent_BadBots_HEADER"),
        (request("/?q=" + 2046 * "x", **AGENT), None),
        (request("/?q=" + 2047 * "x", **AGENT), "SizeRestrictions_QUERYSTRING"),
        (request("/" + 1024 * "x", **AGENT), "SizeRestrictions_URIPATH"),
        (request("/files/app.log?of=a.ini", **AGENT), "RestrictedExtensions_URIPATH"),
        (request("/files?of=app.log&up=..%2Fa&see=https://example.com/a", **AGENT), None),
        (request("/files?of=..%2F..%2Fetc/passwd", **AGENT), "GenericLFI_QUERYARGUMENTS"),
        (request("/load?from=http%3A//198.51.100.7/x", **AGENT), "GenericRFI_QUERYARGUMENTS"),
        (request("/login?next=http%3A//127.0.0.1%3A8123/", **AGENT), None),
        (request("/load?from=169.254.169.254", **AGENT), "EC2MetaDataSSRF_QUERYARGUMENTS"),
        (request(Cookie="a=" + 10_239 * "x", **AGENT), "SizeRestrictions_Cookie_HEADER"),
        (request(**{**AGENT, "Content-Length": "8192"}), None),
        (request(**{**AGENT, "Content-Length": "8193"}), "SizeRestrictions_BODY"),
    ],
)
def test_the_common_rules_refuse_what_aws_describes_exactly(asked: web.BaseRequest, rule: str | None) -> None:
    assert RequestFilter(read_firewall(acl(COMMON))).refusing(asked) == rule


@pytest.mark.parametrize(
    "said",
    [
        {},
        acl({**COMMON, "VendorName": "Acme"}),
        acl({**COMMON, "Name": "AWSManagedRulesLinuxRuleSet"}),
        acl(COMMON, OverrideAction={"Count": {}}),
        acl({**COMMON, "ScopeDownStatement": {"GeoMatchStatement": {"CountryCodes": ["SE"]}}}),
        acl({**COMMON, "ExcludedRules": [{"Name": "NoUserAgent_HEADER"}]}),
        acl({**COMMON, "RuleActionOverrides": [{"Name": "NoUserAgent_HEADER", "ActionToUse": {"Count": {}}}]}),
        {"Rules": [*acl(COMMON)["Rules"], {"Name": "ours", "Action": {"Allow": {}}, "Statement": {}}]},
        {"Rules": [{"Name": "rate", "Action": {"Block": {}}, "Statement": {"RateBasedStatement": {"Limit": 100}}}]},
    ],
)
def test_what_is_counted_or_let_pass_or_not_known_refuses_nothing(said: dict[str, Any]) -> None:
    assert RequestFilter(read_firewall(said)).refusing(request()) is None


def test_one_rule_that_only_counts_leaves_the_others() -> None:
    firewall = RequestFilter(read_firewall(acl({**COMMON, "RuleActionOverrides": [COUNT]})))
    assert firewall.refusing(request(**{**AGENT, "Content-Length": "9000000"})) is None
    assert firewall.refusing(request()) == "NoUserAgent_HEADER"
    assert firewall.refused == {"NoUserAgent_HEADER": 1}
