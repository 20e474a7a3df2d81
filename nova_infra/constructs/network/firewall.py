"""The firewall (WAF web ACL) of a load balancer: default action, managed rules that block or count, its log."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

from nova_infra.constructs.observability.retention import log_group
from nova_infra.names import firewall_log_group

# AWS's managed groups, and the rules in them that only count. A body above 8 KiB is what an upload is.
_GROUPS: dict[str, tuple[str, ...]] = {
    "AWSManagedRulesAmazonIpReputationList": (),
    "AWSManagedRulesKnownBadInputsRuleSet": (),
    "AWSManagedRulesCommonRuleSet": ("SizeRestrictions_BODY",),
}


class Firewall(Construct):
    """AWS's managed rule groups for known attackers, known exploits and common attacks, with logs."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        load_balancer_arn: str,
        key: kms.IKey,
        retention: logs.RetentionDays,
    ) -> None:
        super().__init__(scope, construct_id)
        acl = wafv2.CfnWebACL(
            self,
            "Acl",
            name=name,
            scope="REGIONAL",
            default_action=wafv2.CfnWebACL.DefaultActionProperty(allow=wafv2.CfnWebACL.AllowActionProperty()),
            visibility_config=_visibility(name),
            rules=[_rule(group, priority, counted) for priority, (group, counted) in enumerate(_GROUPS.items())],
        )
        wafv2.CfnWebACLAssociation(self, "Association", resource_arn=load_balancer_arn, web_acl_arn=acl.attr_arn)
        self._log_to(log_group(self, "Logs", retention, key, name=firewall_log_group(name)), acl)

    def _log_to(self, group: logs.LogGroup, acl: wafv2.CfnWebACL) -> None:
        wafv2.CfnLoggingConfiguration(
            self,
            "Logging",
            resource_arn=acl.attr_arn,
            # Not the group's own ARN: that ends in :*, which the firewall refuses.
            log_destination_configs=[
                cdk.Stack.of(self).format_arn(
                    service="logs",
                    resource="log-group",
                    resource_name=group.log_group_name,
                    arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
                )
            ],
        )


def _rule(group: str, priority: int, counted: Sequence[str]) -> wafv2.CfnWebACL.RuleProperty:
    """One of AWS's rule groups, with some rules set to count only."""
    count = wafv2.CfnWebACL.RuleActionProperty(count=wafv2.CfnWebACL.CountActionProperty())
    managed = wafv2.CfnWebACL.ManagedRuleGroupStatementProperty(
        vendor_name="AWS",
        name=group,
        rule_action_overrides=[
            wafv2.CfnWebACL.RuleActionOverrideProperty(name=rule, action_to_use=count) for rule in counted
        ],
    )
    return wafv2.CfnWebACL.RuleProperty(
        name=group,
        priority=priority,
        override_action=wafv2.CfnWebACL.OverrideActionProperty(none={}),
        visibility_config=_visibility(group),
        statement=wafv2.CfnWebACL.StatementProperty(managed_rule_group_statement=managed),
    )


def _visibility(name: str) -> wafv2.CfnWebACL.VisibilityConfigProperty:
    return wafv2.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=True
    )
