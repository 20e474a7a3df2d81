import pytest

from helpers.assembly import Assembly

PLACES = [
    ("nova-prod-platform", ["cloudwatch.amazonaws.com", "events.amazonaws.com"]),
    ("NovaPipelineStack", ["codestar-notifications.amazonaws.com", "events.amazonaws.com"]),
]


@pytest.mark.parametrize(("stack", "publishers"), PLACES)
def test_only_the_services_that_have_something_to_say_may_publish_and_over_tls_only(
    assembly: Assembly, stack: str, publishers: list[str]
) -> None:
    statements = assembly.only(stack, "AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]
    allowed = [statement["Principal"] for statement in statements if statement["Effect"] == "Allow"]
    # What Inspector finds is on its way to the pipeline's topic, what becomes of deployments to the environment's.
    assert allowed == [{"Service": publisher} for publisher in publishers]
    [denied] = [statement for statement in statements if statement["Effect"] == "Deny"]
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.parametrize(("stack", "publishers"), PLACES)
def test_messages_are_encrypted_with_a_rotated_key_that_the_publishers_may_use(
    assembly: Assembly, stack: str, publishers: list[str]
) -> None:
    topic = assembly.only(stack, "AWS::SNS::Topic")
    [(key_id, key)] = assembly.resources(stack, "AWS::KMS::Key").items()
    assert topic["KmsMasterKeyId"] == {"Fn::GetAtt": [key_id, "Arn"]}
    assert key["Properties"]["EnableKeyRotation"] is True
    for publisher in publishers:
        policy = key["Properties"]["KeyPolicy"]["Statement"]
        [statement] = [s for s in policy if s["Principal"].get("Service") == publisher]
        assert statement["Action"] == ["kms:Decrypt", "kms:GenerateDataKey*"]
        # EventBridge supports none on the way to an encrypted topic.
        assert ("Condition" in statement) == (publisher != "events.amazonaws.com")


def test_alarms_of_other_accounts_cannot_use_the_key(assembly: Assembly) -> None:
    key = assembly.only("nova-prod-platform", "AWS::KMS::Key")
    [alarms] = [s for s in key["KeyPolicy"]["Statement"] if s.get("Sid") == "Publish"]
    assert alarms["Condition"] == {"StringEquals": {"aws:SourceAccount": "333333333333"}}


def test_a_key_encrypts_the_log_groups_of_its_environment_alone(assembly: Assembly) -> None:
    key = assembly.only("nova-prod-platform", "AWS::KMS::Key")
    [logs] = [s for s in key["KeyPolicy"]["Statement"] if s.get("Sid") == "LogGroups"]
    groups = "arn:aws:logs:us-east-1:333333333333:log-group"
    assert logs["Principal"] == {"Service": "logs.us-east-1.amazonaws.com"}
    assert logs["Condition"] == {
        "ArnLike": {
            "kms:EncryptionContext:aws:logs:arn": [
                f"{groups}:nova-prod-*",
                f"{groups}:/aws/lambda/nova-prod-*",
                f"{groups}:aws-waf-logs-nova-prod",
                f"{groups}:/nova/nova-prod-*",
                f"{groups}:/aws/vendedlogs/states/nova-prod-*",
            ]
        }
    }


def test_alarms_of_other_accounts_cannot_publish(assembly: Assembly) -> None:
    statements = assembly.only("nova-prod-platform", "AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]
    allowed = {s["Principal"]["Service"]: s for s in statements if s["Effect"] == "Allow"}
    own = {"StringEquals": {"aws:SourceAccount": "333333333333"}}
    assert allowed["cloudwatch.amazonaws.com"]["Condition"] == own


def test_people_are_notified_by_email(assembly: Assembly) -> None:
    subscription = assembly.only("nova-prod-platform", "AWS::SNS::Subscription")
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "on-call@example.com")


def test_a_chat_channel_is_notified_and_may_only_read(variant: Assembly) -> None:
    for stack in ("acme-live-platform", "NovaPipelineStack"):
        slack = variant.only(stack, "AWS::Chatbot::SlackChannelConfiguration")
        assert (slack["SlackWorkspaceId"], slack["SlackChannelId"]) == ("T01234567", "C01234567")
        assert "CloudWatchReadOnlyAccess" in str(slack["GuardrailPolicies"])


def test_nobody_is_notified_unless_configured(assembly: Assembly) -> None:
    assert not assembly.resources("nova-dev-platform", "AWS::SNS::Subscription")
    assert not assembly.resources("nova-dev-platform", "AWS::Chatbot::SlackChannelConfiguration")
