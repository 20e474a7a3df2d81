import json
from typing import Any

import pytest

from helpers.assembly import Assembly

ELB = "AWS::ElasticLoadBalancingV2"
PLATFORM = "nova-prod-platform"


def attributes(assembly: Assembly, stack: str) -> dict[str, str]:
    load_balancer = assembly.only(stack, f"{ELB}::LoadBalancer")
    return {each["Key"]: each["Value"] for each in load_balancer["LoadBalancerAttributes"]}


def listeners(assembly: Assembly, stack: str) -> dict[int, dict[str, Any]]:
    return {listener["Port"]: listener for listener in assembly.properties(stack, f"{ELB}::Listener")}


@pytest.mark.parametrize("stack", ["nova-dev-platform", "nova-staging-platform", PLATFORM])
def test_invalid_headers_are_dropped_and_every_request_is_logged(assembly: Assembly, stack: str) -> None:
    assert attributes(assembly, stack)["routing.http.drop_invalid_header_fields.enabled"] == "true"
    assert attributes(assembly, stack)["access_logs.s3.enabled"] == "true"


def test_a_target_that_hangs_is_given_up_after_the_minute_that_bakes_leave_for_it(assembly: Assembly) -> None:
    assert attributes(assembly, PLATFORM)["idle_timeout.timeout_seconds"] == "60"


def test_what_needs_an_approval_is_protected_from_deletion(assembly: Assembly) -> None:
    protected = {
        name: attributes(assembly, f"nova-{name}-platform")["deletion_protection.enabled"]
        for name in ("dev", "staging", "prod")
    }
    assert protected == {"dev": "false", "staging": "false", "prod": "true"}


def test_a_domain_is_served_with_tls_1_2_or_newer_and_its_own_certificate(assembly: Assembly) -> None:
    https = listeners(assembly, PLATFORM)[443]
    assert https["Protocol"] == "HTTPS"
    assert https["SslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
    [(certificate_id, certificate)] = assembly.resources(PLATFORM, "AWS::CertificateManager::Certificate").items()
    assert https["Certificates"] == [{"CertificateArn": {"Ref": certificate_id}}]
    assert certificate["Properties"]["DomainName"] == "nova.example.com"
    assert certificate["Properties"]["ValidationMethod"] == "DNS"


def test_plain_http_is_redirected_where_there_is_tls(assembly: Assembly) -> None:
    [action] = listeners(assembly, PLATFORM)[80]["DefaultActions"]
    assert action["RedirectConfig"] == {"Port": "443", "Protocol": "HTTPS", "StatusCode": "HTTP_301"}


def test_port_80_is_left_by_the_listener_of_plain_http_before_the_redirect_takes_it(assembly: Assembly) -> None:
    """Where a domain is new, the listener moves from 80 to 443: CloudFormation could create the redirect before."""
    listeners = assembly.resources(PLATFORM, f"{ELB}::Listener")
    [main] = [key for key, listener in listeners.items() if listener["Properties"]["Port"] == 443]
    [redirect] = [listener for listener in listeners.values() if listener["Properties"]["Port"] == 80]
    assert main in redirect["DependsOn"]


def test_the_load_balancer_is_reached_from_the_internet_in_public_subnets(assembly: Assembly) -> None:
    load_balancer = assembly.only(PLATFORM, f"{ELB}::LoadBalancer")
    assert load_balancer["Scheme"] == "internet-facing"
    assert all("PublicSubnet" in subnet["Ref"] for subnet in load_balancer["Subnets"])


def test_the_load_balancers_own_name_stays_exported_where_a_domain_makes_it_needless(assembly: Assembly) -> None:
    """Services read it as long as there is no domain, and what is still read cannot be removed."""
    for stack in ("nova-dev-platform", PLATFORM):
        [load_balancer] = assembly.resources(stack, f"{ELB}::LoadBalancer")
        exported = [output["Value"] for output in assembly.templates[stack]["Outputs"].values() if "Export" in output]
        assert {"Fn::GetAtt": [load_balancer, "DNSName"]} in exported


def test_the_domain_leads_to_the_load_balancer(assembly: Assembly) -> None:
    record = assembly.only(PLATFORM, "AWS::Route53::RecordSet")
    assert (record["Name"], record["Type"], record["HostedZoneId"]) == (
        "nova.example.com.",
        "A",
        "Z00000000000000PROD",
    )
    [load_balancer] = assembly.resources(PLATFORM, f"{ELB}::LoadBalancer")
    assert load_balancer in str(record["AliasTarget"])


def test_without_a_domain_there_is_plain_http_only(assembly: Assembly) -> None:
    assert set(listeners(assembly, "nova-dev-platform")) == {80}
    assert not assembly.resources("nova-dev-platform", "AWS::CertificateManager::Certificate")


@pytest.mark.parametrize(("stack", "port"), [("nova-dev-platform", 80), (PLATFORM, 443)])
def test_what_no_service_takes_is_answered_404(assembly: Assembly, stack: str, port: int) -> None:
    [action] = listeners(assembly, stack)[port]["DefaultActions"]
    answer = action["FixedResponseConfig"]
    assert (answer["StatusCode"], answer["ContentType"]) == ("404", "application/json")
    assert json.loads(answer["MessageBody"])["status"] == 404


def test_the_url_is_that_of_the_domain_and_tasks_get_it(assembly: Assembly) -> None:
    assert assembly.templates[PLATFORM]["Outputs"]["Url"]["Value"] == "https://nova.example.com"
    [container] = assembly.only("nova-prod-bills-service", "AWS::ECS::TaskDefinition")["ContainerDefinitions"]
    assert {"Name": "NOVA_API_URL", "Value": "https://nova.example.com"} in container["Environment"]


def test_the_load_balancer_reaches_the_vpc_only(assembly: Assembly) -> None:
    [load_balancer] = assembly.properties(PLATFORM, f"{ELB}::LoadBalancer")
    [group_id] = [group["Fn::GetAtt"][0] for group in load_balancer["SecurityGroups"]]
    group = assembly.templates[PLATFORM]["Resources"][group_id]["Properties"]
    assert {rule["CidrIp"] for rule in group["SecurityGroupEgress"]} == {"10.30.0.0/16"}
    assert {(rule["FromPort"], rule["ToPort"]) for rule in group["SecurityGroupEgress"]} == {(0, 65535)}
    opened = [(rule["CidrIp"], rule["FromPort"], rule["ToPort"]) for rule in group["SecurityGroupIngress"]]
    assert opened == [("0.0.0.0/0", 80, 80), ("0.0.0.0/0", 443, 443)]


def test_the_firewall_has_the_managed_groups_and_lets_uploads_through(assembly: Assembly) -> None:
    acl = assembly.only(PLATFORM, "AWS::WAFv2::WebACL")
    groups = {
        rule["Name"]: rule["Statement"]["ManagedRuleGroupStatement"].get("RuleActionOverrides") for rule in acl["Rules"]
    }
    assert set(groups) == {
        "AWSManagedRulesAmazonIpReputationList",
        "AWSManagedRulesKnownBadInputsRuleSet",
        "AWSManagedRulesCommonRuleSet",
    }
    assert groups["AWSManagedRulesCommonRuleSet"] == [{"Name": "SizeRestrictions_BODY", "ActionToUse": {"Count": {}}}]
    assert all(rule["OverrideAction"] == {"None": {}} for rule in acl["Rules"]), "what a group blocks is blocked"
    association = assembly.only(PLATFORM, "AWS::WAFv2::WebACLAssociation")
    assert association["ResourceArn"] == {"Ref": next(iter(assembly.resources(PLATFORM, f"{ELB}::LoadBalancer")))}
    assert all(each["VisibilityConfig"]["CloudWatchMetricsEnabled"] for each in (acl, *acl["Rules"]))
    logging = assembly.only(PLATFORM, "AWS::WAFv2::LoggingConfiguration")
    log_groups = assembly.resources(PLATFORM, "AWS::Logs::LogGroup").items()
    [group] = [key for key, each in log_groups if each["Properties"]["LogGroupName"] == "aws-waf-logs-nova-prod"]
    arn = "arn:aws:logs:us-east-1:333333333333:log-group:"
    assert logging["LogDestinationConfigs"] == [{"Fn::Join": ["", [arn, {"Ref": group}]]}]


def test_an_environment_without_firewall_has_none(assembly: Assembly) -> None:
    assert not assembly.resources("nova-dev-platform", "AWS::WAFv2::WebACL")


def test_the_firewall_lets_through_what_no_rule_stops_and_leaves_each_rule_its_own_action(assembly: Assembly) -> None:
    """An action that every request gets would stop all of them, or, in place of the rules' own, none."""
    acl = assembly.only(PLATFORM, "AWS::WAFv2::WebACL")
    assert acl["DefaultAction"] == {"Allow": {}}
    assert acl["Rules"]
    for rule in acl["Rules"]:
        assert rule["OverrideAction"] == {"None": {}}
        assert "Action" not in rule
