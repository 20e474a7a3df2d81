"""What every kind of service would let a step before the approval do, by one permission each."""

import pytest

from helpers.exhaustive import one_of_each
from helpers.small_pipeline import allow, details, grant, put, small_pipeline

CHANGING = (
    *("appconfig:StartDeployment", "appconfig:CreateHostedConfigurationVersion", "lambda:PublishLayerVersion"),
    *("lambda:UpdateAlias", "lambda:InvokeFunctionUrl", "lambda:AddPermission", "lambda:CreateEventSourceMapping"),
    *("ecr:CreatePullThroughCacheRule", "ecr:PutReplicationConfiguration", "ecr:PutRegistryPolicy"),
    *("ssm:StartAutomationExecution", "ssm:UpdateDocument", "ssm:CreateAssociation", "ssm:StartSession"),
    *("secretsmanager:RotateSecret", "secretsmanager:PutResourcePolicy", "codeartifact:PublishPackageVersion"),
    *("backup:StartRestoreJob", "datasync:StartTaskExecution", "pipes:CreatePipe", "scheduler:CreateSchedule"),
    *("cloudformation:ActivateType", "cloudformation:CreateStackInstances", "servicecatalog:ProvisionProduct"),
    *("ram:CreateResourceShare", "rolesanywhere:CreateTrustAnchor", "cognito-identity:SetIdentityPoolRoles"),
    *("sso:CreateAccountAssignment", "identitystore:CreateGroupMembership", "states:SendTaskSuccess"),
    *("firehose:UpdateDestination", "s3-object-lambda:PutObject", "s3:PutAccessGrant", "events:PutRule"),
    *("glue:StartJobRun", "sagemaker:CreateNotebookInstance", "amplify:StartDeployment", "apprunner:UpdateService"),
    *("imagebuilder:StartImagePipelineExecution", "eks:CreateAccessEntry", "eks-auth:AssumeRoleForPodIdentity"),
    *("iot:AssumeRoleWithCertificate", "deadline:AssumeFleetRoleForRead", "codepipeline:PutJobSuccessResult"),
)
CREDENTIALS = (
    *("lakeformation:GetTemporaryGlueTableCredentials", "redshift-serverless:GetCredentials", "s3:GetDataAccess"),
    *("elasticmapreduce:GetClusterSessionCredentials", "datazone:GetEnvironmentCredentials", "sts:GetWebIdentityToken"),
    *("emr-containers:GetManagedEndpointSessionCredentials", "bedrock-agentcore:GetResourceApiKey"),
    *("lightsail:GetRelationalDatabaseMasterUserPassword", "gamelift:GetInstanceAccess", "connect:GetFederationToken"),
)
LOOKING = (
    *("appconfig:GetDeployment", "codeartifact:GetAuthorizationToken", "sts:GetServiceBearerToken"),
    *("ecr:GetAuthorizationToken", "backup:ListBackupJobs", "sts:GetCallerIdentity", "sts:DecodeAuthorizationMessage"),
    *("iam:GetCredentialReport", "servicecatalog:SearchProducts", "ram:GetResourceShares", "s3:GetAccessPoint"),
    *("secretsmanager:GetRandomPassword", "quicksight:DescribeDashboard", "lightsail:GetInstances"),
    *("firehose:PutRecord", "sqs:SendMessage", "xray:PutTraceSegments", "cloudwatch:PutMetricData"),
)


def found(action: str) -> list[str]:
    template = small_pipeline()
    grant(template, allow(action))
    return details(template)


@pytest.mark.parametrize("action", [*one_of_each(CHANGING), *one_of_each(CREDENTIALS, kind=lambda each: "s3" in each)])
def test_what_changes_something_or_gives_credentials_is_a_way(action: str) -> None:
    assert any(f"may {action} on *" in each for each in found(action))


@pytest.mark.parametrize("action", one_of_each(LOOKING))
def test_what_only_looks_or_sends_data_is_no_way(action: str) -> None:
    assert found(action) == []


@pytest.mark.parametrize(
    "objects",
    [
        {"Fn::Sub": "${Bucket.Arn}/*"},
        {"Fn::Sub": "arn:aws:s3:::${Bucket}/*"},
        {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":s3:::", {"Ref": "Bucket"}, "/*"]]},
        "arn:aws:s3:::pipeline-bucket-1a2b3c/*",
    ],
    ids=str,
)
def test_the_artifacts_are_theirs_however_their_bucket_is_named(objects: object) -> None:
    template = small_pipeline()
    grant(template, allow("s3:PutObject", objects))
    assert any(each.endswith(": the artifacts that await the approval") for each in details(template))
    other = small_pipeline()
    put(other, "Reports", "AWS::S3::Bucket")
    grant(other, allow("s3:PutObject", {"Fn::Sub": "arn:aws:s3:::${Reports}/*"}))
    assert not details(other)
