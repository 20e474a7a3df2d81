import json
from typing import Any

from helpers.assembly import Assembly

# https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-policy-examples.html
PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")


def repositories(assembly: Assembly) -> dict[str, dict[str, Any]]:
    return assembly.resources("NovaRegistryStack", "AWS::ECR::Repository")


def test_there_is_one_repository_for_each_service(assembly: Assembly, service_names: list[str]) -> None:
    names = {repository["Properties"]["RepositoryName"] for repository in repositories(assembly).values()}
    assert names == {f"nova/{service}" for service in service_names}


def test_tags_cannot_be_moved_and_images_are_scanned_and_encrypted(assembly: Assembly) -> None:
    for repository in repositories(assembly).values():
        assert repository["Properties"]["EncryptionConfiguration"] == {"EncryptionType": "KMS"}
        assert repository["Properties"]["ImageTagMutability"] == "IMMUTABLE"
        assert repository["Properties"]["ImageScanningConfiguration"] == {"ScanOnPush": True}


def test_repositories_outlive_their_stack_but_not_a_first_deployment_that_fails(assembly: Assembly) -> None:
    for repository in repositories(assembly).values():
        assert (repository["DeletionPolicy"], repository["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_leaving_enhanced_scanning_does_not_reset_the_accounts_setting(assembly: Assembly) -> None:
    [scanning] = assembly.resources("NovaRegistryStack", "AWS::ECR::RegistryScanningConfiguration").values()
    assert (scanning["DeletionPolicy"], scanning["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_by_what_images_were_signed_can_be_told_for_as_long_as_they_are_kept(assembly: Assembly) -> None:
    for kind, policy in (
        ("AWS::Signer::SigningProfile", "Retain"),
        ("AWS::ECR::SigningConfiguration", "RetainExceptOnCreate"),
    ):
        [kept] = assembly.resources("NovaRegistryStack", kind).values()
        assert (kept["DeletionPolicy"], kept["UpdateReplacePolicy"]) == (policy, "Retain"), kind


def test_no_image_that_a_ledger_may_name_is_ever_expired(assembly: Assembly) -> None:
    for repository in repositories(assembly).values():
        [rule] = json.loads(repository["Properties"]["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
        assert rule["selection"] == {
            "tagStatus": "untagged",
            "countType": "sinceImagePushed",
            "countNumber": 7,
            "countUnit": "days",
        }


def test_images_of_this_installation_are_scanned_again_whenever_a_vulnerability_becomes_known(
    assembly: Assembly,
) -> None:
    scanning = assembly.only("NovaRegistryStack", "AWS::ECR::RegistryScanningConfiguration")
    assert scanning["ScanType"] == "ENHANCED"
    [rule] = scanning["Rules"]
    assert rule["ScanFrequency"] == "CONTINUOUS_SCAN"
    assert rule["RepositoryFilters"] == [{"Filter": "nova/*", "FilterType": "WILDCARD"}]


def test_the_environments_accounts_may_pull_and_nobody_may_push(assembly: Assembly) -> None:
    for repository in repositories(assembly).values():
        statements = repository["Properties"]["RepositoryPolicyText"]["Statement"]
        for action in (*PULL, "ecr:DescribeImageSigningStatus"):
            principals = json.dumps([each["Principal"] for each in statements if action in each["Action"]])
            assert all(account in principals for account in ("111111111111", "222222222222", "333333333333"))
            assert "*" not in principals
        assert not any("Put" in str(each["Action"]) or "Upload" in str(each["Action"]) for each in statements)


def test_one_account_alone_needs_no_grant(variant: Assembly) -> None:
    [repository] = repositories(variant).values()
    assert "RepositoryPolicyText" not in repository["Properties"]
