import json
from typing import Any

from helpers.assembly import Assembly

STACK = "nova-prod-carts-service"
SEARCH = "acme-live-search"


def definition(assembly: Assembly, stack: str = STACK) -> dict[str, Any]:
    return assembly.only(stack, "AWS::ECS::TaskDefinition")


def container(assembly: Assembly, stack: str = STACK) -> dict[str, Any]:
    [container] = definition(assembly, stack)["ContainerDefinitions"]
    found: dict[str, Any] = container
    return found


def test_the_root_file_system_is_read_only_except_tmp(assembly: Assembly) -> None:
    assert container(assembly)["ReadonlyRootFilesystem"] is True
    assert container(assembly)["MountPoints"] == [{"ContainerPath": "/tmp", "ReadOnly": False, "SourceVolume": "tmp"}]
    assert definition(assembly)["Volumes"] == [{"Name": "tmp"}]


def test_a_shell_needs_a_root_file_system_that_can_be_written(variant: Assembly) -> None:
    assert container(variant, SEARCH)["ReadonlyRootFilesystem"] is False
    assert variant.only(SEARCH, "AWS::ECS::Service")["EnableExecuteCommand"] is True


def test_no_shell_unless_asked_for(assembly: Assembly) -> None:
    assert assembly.only(STACK, "AWS::ECS::Service").get("EnableExecuteCommand", False) is False


def test_the_old_revision_outlives_its_replacement(assembly: Assembly) -> None:
    [resource] = assembly.resources(STACK, "AWS::ECS::TaskDefinition").values()
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_the_logs_outlive_their_stack_for_they_alone_say_why_a_first_deployment_failed(assembly: Assembly) -> None:
    [resource] = assembly.resources(STACK, "AWS::Logs::LogGroup").values()
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_size_and_architecture_are_as_configured(assembly: Assembly, variant: Assembly) -> None:
    assert (definition(assembly)["Cpu"], definition(assembly)["Memory"]) == ("256", "512")
    assert definition(assembly)["RuntimePlatform"]["CpuArchitecture"] == "X86_64"
    assert (definition(variant, SEARCH)["Cpu"], definition(variant, SEARCH)["Memory"]) == ("512", "2048")
    assert definition(variant, SEARCH)["RuntimePlatform"]["CpuArchitecture"] == "ARM64"


def test_a_task_outlives_the_drain_of_its_target_groups(assembly: Assembly) -> None:
    for group in assembly.properties(STACK, "AWS::ElasticLoadBalancingV2::TargetGroup"):
        drain = {each["Key"]: each["Value"] for each in group["TargetGroupAttributes"]}
        # Fargate gives a task 120 seconds at most.
        assert int(drain["deregistration_delay.timeout_seconds"]) < container(assembly)["StopTimeout"] <= 120


def test_the_container_checks_its_own_health_and_is_given_time_to_start_and_three_tries(assembly: Assembly) -> None:
    assert container(assembly)["HealthCheck"] == {
        "Command": ["CMD", "python", "-m", "nova_kit.healthcheck"],
        "Interval": 10,
        "Timeout": 5,
        "Retries": 3,
        "StartPeriod": 30,
    }


def test_the_container_is_told_what_it_is_and_what_the_user_configured(variant: Assembly) -> None:
    environment = {each["Name"]: each["Value"] for each in container(variant, SEARCH)["Environment"]}
    assert environment == {
        "LANGUAGE": "ja",
        "PORT": "9000",
        "STOP_TIMEOUT": "30",
        "NOVA_SERVICE": "search",
        "NOVA_RELEASE": "abc123",
        "NOVA_API_URL": "https://acme.example.com",
    }


def test_secrets_come_from_secrets_manager_and_are_not_in_the_template(variant: Assembly) -> None:
    [secret] = container(variant, SEARCH)["Secrets"]
    assert secret["Name"] == "API_TOKEN"
    assert "secret:acme/token" in json.dumps(secret["ValueFrom"])


def test_the_execution_role_reads_only_this_image_these_logs_and_these_secrets(variant: Assembly) -> None:
    resources = {
        json.dumps(statement["Resource"]): statement["Action"]
        for statement in variant.statements(SEARCH, "ExecutionRole")
    }
    assert sum("repository/acme/search" in resource for resource in resources) == 1
    assert sum("secret:acme/token" in resource for resource in resources) == 1
    assert sum("Logs" in resource for resource in resources) == 1
    assert resources['"*"'] == "ecr:GetAuthorizationToken"
    assert len(resources) == 4


def test_the_task_role_may_do_nothing(assembly: Assembly) -> None:
    assert assembly.statements(STACK, "TaskRole") == []


def test_the_task_and_execution_roles_are_taken_by_ecs_tasks_only(assembly: Assembly) -> None:
    for key, role in assembly.resources(STACK, "AWS::IAM::Role").items():
        [statement] = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        expected = "ecs.amazonaws.com" if "Green" in key else "ecs-tasks.amazonaws.com"
        assert statement["Principal"] == {"Service": expected}


def test_logs_are_encrypted_and_kept_as_long_as_configured(assembly: Assembly) -> None:
    log_group = assembly.only(STACK, "AWS::Logs::LogGroup")
    assert log_group["RetentionInDays"] == 365
    assert "KmsKeyId" in log_group
    assert assembly.only("nova-dev-carts-service", "AWS::Logs::LogGroup")["RetentionInDays"] == 30
