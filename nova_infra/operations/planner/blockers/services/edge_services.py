"""CloudFront distributions, Route 53 records and WAF ACLs: certificates, origins, zones, rules that are refused.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cnames-and-https-requirements.html,
https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_CreateDistribution.html,
https://docs.aws.amazon.com/waf/latest/APIReference/API_CreateWebACL.html,
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html#CNAMEFormat,
https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.config.values.fields import aws_regions
from nova_infra.operations.changes.stated_values import (
    is_given,
    is_known,
    is_whole,
    may_be_left_out,
    table,
    tables,
    values_at,
)
from nova_infra.operations.changes.template_values import references
from nova_infra.operations.planner.model import Action, Consequence, Refusal
from nova_infra.operations.planner.step import Fault, Step

_ASSOCIATION = "AWS::WAFv2::WebACLAssociation"
_UNDONE = (Action.DELETE, Action.REPLACE)
_HOME = "us-east-1"
_ELSEWHERE = re.compile(r"arn:aws:acm:(?!us-east-1:)([a-z0-9-]+):.*")
_BEHAVIORS = "CacheBehaviors[].TargetOriginId"


def refused_edges(step: Step) -> Iterator[Refusal]:
    """Refuse distributions without what their names need, and records that their zone does not take."""
    for logical_id, properties in step.given_of_type("AWS::CloudFront::Distribution"):
        for where, fault, remedy in _distribution(table(properties.get("DistributionConfig"))):
            yield step.refuse(f"{logical_id}.DistributionConfig.{where}", fault, remedy)
    for logical_id, properties in step.given_of_type("AWS::WAFv2::WebACL"):
        region = step.after.key.region
        if properties.get("Scope") == "CLOUDFRONT" and region != _HOME and aws_regions().get(region) == "aws":
            fault = f"is CLOUDFRONT, and the stack is in {region}"
            yield step.refuse(f"{logical_id}.Scope", fault, f"deploy it in {_HOME}")
        yield from step.refuse_each(logical_id, _acl(properties))
    for logical_id, properties in step.given_of_type("AWS::Route53::RecordSet"):
        yield from step.refuse_each(logical_id, _record(properties, _zone_of(step, properties)))


def unfiltered(step: Step) -> Iterator[Consequence]:
    """Warn about what stays and loses its firewall in the clean-up; it has one ACL (WAF: AssociateWebACL)."""
    others = [references(each.get("ResourceArn")) for _, each in step.after.of_type(_ASSOCIATION)]
    for action in step.actions:
        if action.type == _ASSOCIATION and action.action in _UNDONE and step.before is not None:
            properties = table(step.before.resources[action.logical_id].get("Properties"))
            for name in references(properties.get("ResourceArn")):
                if name in step.after.resources and not any(name in each for each in others):
                    yield step.note(name, "its firewall goes: nothing filters its requests any more")


def _distribution(config: Mapping[str, Any]) -> Iterator[Fault]:
    certificate = config.get("ViewerCertificate", {})
    own = {"AcmCertificateArn", "IamCertificateId"} & table(certificate).keys()
    names = [each for each in values_at(config, "Aliases[]") if isinstance(each, str)]
    if names and is_known(certificate) and not own:
        yield "Aliases", f"has {names[0]}, and there is no certificate for it", "set ViewerCertificate"
    for each in tables(config.get("Origins")):
        if isinstance(address := each.get("DomainName"), str) and "/" in address:
            yield "Origins.DomainName", f"is {address}", "write the bare name, and a path into OriginPath"
        if not {"CustomOriginConfig", "S3OriginConfig", "VpcOriginConfig"} & each.keys():
            yield "Origins", f"has {each.get('Id')} of no kind", "give it CustomOriginConfig or S3OriginConfig"
    arn = table(certificate).get("AcmCertificateArn")
    if isinstance(arn, str) and (match := _ELSEWHERE.fullmatch(arn)):
        yield "ViewerCertificate.AcmCertificateArn", f"is in {match[1]}", f"request it in {_HOME}"
    origins, groups = config.get("Origins", []), [*values_at(config, "OriginGroups.Items[]")]
    ids = {str(table(each).get("Id")) for each in (*tables(origins), *groups)}
    wanted = (*values_at(config, "DefaultCacheBehavior.TargetOriginId"), *values_at(config, _BEHAVIORS))
    known = is_known([*(table(one).get("Id") for one in tables(origins)), config.get("OriginGroups")])
    for each in wanted if is_whole(origins) and known else ():
        if isinstance(each, str) and each not in ids:
            yield "CacheBehaviors.TargetOriginId", f"is {each}, which is none of the origins", "name one of them"


def _zone_of(step: Step, record: Mapping[str, Any]) -> str:
    """The name of a record's zone, where a template has it; empty otherwise."""
    name = record.get("HostedZoneName")
    if (owner := step.world.named(step.after, record.get("HostedZoneId"))) is not None:
        zone = owner[0].resources[owner[1]]
        name = zone.get("Properties", {}).get("Name") if zone["Type"] == "AWS::Route53::HostedZone" else None
    return name.rstrip(".").lower() if isinstance(name, str) else ""


def _record(properties: Mapping[str, Any], zone: str) -> Iterator[Fault]:
    has_values = "ResourceRecords" in properties and not may_be_left_out(properties["ResourceRecords"])
    if has_values and "TTL" not in properties:
        yield "TTL", "is missing, and a record with values needs one", "add it, such as 300"
    given = properties.get("Name")
    if not zone or not isinstance(given, str):
        return
    name = given.rstrip(".").lower()
    if name != zone and not name.endswith(f".{zone}"):
        yield "Name", f"is {given}, outside of its zone {zone}", "choose a name that ends in the zone's"
    elif name == zone and properties.get("Type") == "CNAME":
        yield "Type", "is CNAME at the name of the zone itself", "make it an alias of type A"


def _acl(properties: Mapping[str, Any]) -> Iterator[Fault]:
    """API_Rule: a rule has an Action, one that refers to a group of rules an OverrideAction."""
    rules = tables(properties.get("Rules"))
    names = Counter(each["Name"] for each in rules if isinstance(each.get("Name"), str))
    if twice := [name for name, count in names.items() if count > 1]:
        yield "Rules.Name", f"has {twice[0]} twice", "give each rule a name of its own"
    for each in rules:
        of_group = {"ManagedRuleGroupStatement", "RuleGroupReferenceStatement"} & table(each.get("Statement")).keys()
        needed, other = ("OverrideAction", "Action") if of_group else ("Action", "OverrideAction")
        if is_given(each, other) and is_known(each.get("Statement")):
            what = "refers to a group of rules" if of_group else "has a statement of its own"
            yield f"Rules.{other}", f"is set in {each.get('Name')}, which {what}", f"make it {needed}"
