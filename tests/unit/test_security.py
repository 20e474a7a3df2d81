"""What must not be anywhere in what the app synthesizes."""

import json

import pytest


@pytest.fixture(scope="session")
def everything(assembly, variant):
    """Every resource of both assemblies: (place, logical id, type, properties)."""
    return [
        ((number, stack), key, resource["Type"], resource.get("Properties", {}))
        for number, each in enumerate((assembly, variant))
        for stack, template in each.templates.items()
        for key, resource in template["Resources"].items()
    ]


def statements(everything):
    for stack, key, _, properties in everything:
        for name in ("PolicyDocument", "AssumeRolePolicyDocument", "KeyPolicy", "RepositoryPolicyText"):
            for statement in properties.get(name, {}).get("Statement", []):
                yield stack, key, name, statement


def as_list(value):
    return value if isinstance(value, list) else [value]


def test_nothing_but_the_load_balancer_is_reached_from_the_internet(everything):
    open_groups = {
        key
        for _, key, kind, properties in everything
        if kind.startswith("AWS::EC2::SecurityGroup")
        and any(
            "0.0.0.0/0" in json.dumps(r) for r in [properties.get("SecurityGroupIngress"), properties.get("CidrIp")]
        )
    }
    assert len(open_groups) == 1
    assert "Ingress" in next(iter(open_groups))


def test_no_rule_opens_all_ports(everything):
    for stack, key, kind, properties in everything:
        if kind == "AWS::EC2::SecurityGroup":
            for rule in [*properties.get("SecurityGroupIngress", []), *properties.get("SecurityGroupEgress", [])]:
                # CDK writes a rule that matches nothing where all egress is refused.
                if rule.get("CidrIp") != "255.255.255.255/32":
                    assert rule["IpProtocol"] == "tcp", (stack, key)


def test_no_task_has_a_public_address(everything):
    services = [properties for _, _, kind, properties in everything if kind == "AWS::ECS::Service"]
    assert services
    for service in services:
        assert service["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "DISABLED"


def test_no_policy_allows_every_action(everything):
    for stack, key, _, statement in statements(everything):
        if statement["Effect"] == "Allow":
            for action in as_list(statement["Action"]):
                # An account's own root owns its keys: without it nobody could administer them.
                assert action != "*", (stack, key)
                assert not action.endswith(":*") or (action == "kms:*" and ":root" in str(statement["Principal"]))


def test_nobody_unnamed_is_allowed_anything(everything):
    for stack, key, _, statement in statements(everything):
        if statement["Effect"] == "Allow":
            assert statement.get("Principal") not in ("*", {"AWS": "*"}), (stack, key)


def test_roles_are_taken_by_these_services_and_accounts_only(everything):
    principals = {
        json.dumps(statement["Principal"], sort_keys=True)
        for _, _, name, statement in statements(everything)
        if name == "AssumeRolePolicyDocument"
    }
    services = {json.loads(principal).get("Service") for principal in principals} - {None}
    assert services == {
        "chatbot.amazonaws.com",
        "codebuild.amazonaws.com",
        "codepipeline.amazonaws.com",
        "ecs-tasks.amazonaws.com",
        "ecs.amazonaws.com",
    }


def _is_own(stack):
    """Not one that CDK adds to copy artifacts to another region."""
    return "-support-" not in stack


def test_buckets_are_private_encrypted_and_take_tls_only(everything):
    buckets = {(s, k): p for s, k, kind, p in everything if kind == "AWS::S3::Bucket"}
    policies = [(s, p) for s, _, kind, p in everything if kind == "AWS::S3::BucketPolicy"]
    assert len(buckets) >= 5
    for (stack, key), bucket in buckets.items():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert "BucketEncryption" in bucket
        [policy] = [p for s, p in policies if s == stack and p["Bucket"] == {"Ref": key}]
        assert '"aws:SecureTransport": "false"' in json.dumps(policy)
        if _is_own(stack[1]):
            assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
            assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
            assert '"s3:TlsVersion": 1.2' in json.dumps(policy)


def test_every_bucket_outlives_its_stack_and_forgets_what_is_in_it(assembly, variant):
    for each in (assembly, variant):
        for stack in each.templates:
            for key, bucket in each.resources(stack, "AWS::S3::Bucket").items():
                if _is_own(stack):
                    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("Retain", "Retain")
                    rules = bucket["Properties"]["LifecycleConfiguration"]["Rules"]
                    assert [rule["ExpirationInDays"] for rule in rules] != [], (stack, key)


def test_every_key_is_rotated_and_kept(assembly, variant):
    for each in (assembly, variant):
        for stack in each.templates:
            for key in each.resources(stack, "AWS::KMS::Key").values():
                assert key["Properties"]["EnableKeyRotation"] is True
                assert key["DeletionPolicy"] == "Retain"


def test_every_log_group_is_encrypted_and_forgets(everything):
    for stack, key, kind, properties in everything:
        if kind == "AWS::Logs::LogGroup":
            assert "KmsKeyId" in properties, (stack, key)
            assert properties["RetentionInDays"] <= 365


def test_no_custom_resource_runs_code_in_any_account(everything):
    kinds = {kind for _, _, kind, _ in everything}
    assert not {kind for kind in kinds if kind.startswith(("Custom::", "AWS::CloudFormation::Custom", "AWS::Lambda"))}
