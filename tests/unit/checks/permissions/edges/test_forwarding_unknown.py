"""Kinds of resources that nobody has thought of, what is fetched from a bucket, and keys of users."""

from typing import Any

from helpers.small_pipeline import Template, allow, arn, grant, put, with_function
from nova_infra.checks.permissions.boundary import production_out_of_reach
from nova_infra.checks.rule import Template as Loaded

Resource = tuple[str, dict[str, Any]]

REPORTS: Resource = ("AWS::S3::Bucket", {"BucketName": "reports"})
KEY: Resource = ("AWS::IAM::AccessKey", {"UserName": {"Ref": "User"}})
DEPLOYS = {"PolicyDocument": allow("sts:AssumeRole", "arn:aws:iam::333333333333:role/deployer")}
CACHE = {"Type": "S3", "Location": {"Fn::Join": ["/", [{"Ref": "Reports"}, "cache"]]}}
INCLUDED = {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://reports/part.yml"}}}


CLUSTER: Resource = ("AWS::EKS::Cluster", {})
SCRIPT: Resource = (
    "AWS::SSM::Association",
    {
        "Name": "AWS-RunRemoteScript",
        "Parameters": {"sourceInfo": ['{"path": "https://s3.amazonaws.com/reports/x.sh"}']},
    },
)


OWN = {"Ref": "Cluster"}


def pods(name: Any) -> Resource:
    return "AWS::EKS::PodIdentityAssociation", {"ClusterName": name, "RoleArn": arn("Role")}


def cluster(principal: str, name: Any = OWN) -> dict[str, Resource]:
    """A cluster that lets a role in, and pods that have the other role."""
    entry: Resource = ("AWS::EKS::AccessEntry", {"ClusterName": name, "PrincipalArn": arn(principal)})
    return {"Cluster": CLUSTER, "Entry": entry, "Pods": pods(name)}


def template(**resources: Resource) -> Template:
    """Resources beside the function; the tests may write to the bucket of reports."""
    found = with_function()
    for name, (kind, properties) in {"Reports": REPORTS, **resources}.items():
        put(found, name, kind, **properties)
    grant(found, allow("s3:PutObject", {"Fn::Sub": "${Reports.Arn}/*"}))
    return found


def user(**properties: Any) -> Resource:
    return "AWS::IAM::User", properties


def stack(url: Any) -> Resource:
    return "AWS::CloudFormation::Stack", {"TemplateURL": url}


def project(**properties: Any) -> Resource:
    return "AWS::CodeBuild::Project", {"ServiceRole": arn("Role"), "Source": {"Type": "CODEPIPELINE"}, **properties}


def function(**properties: Any) -> Resource:
    return "AWS::Lambda::Function", {"Role": arn("Role"), **properties}


WAYS = {
    "a function that some service calls": template(
        Other=("AWS::New::Thing", {"Calls": [{"Handler": arn("Function")}]})
    ),
    "a role that some service has": template(Other=("AWS::New::Thing", {"By": {"RoleArn": arn("Role")}})),
    "a role that some service has by a profile": template(
        Profile=("AWS::IAM::InstanceProfile", {"Roles": [{"Ref": "Role"}]}),
        Other=("AWS::New::Fleet", {"Profile": {"Ref": "Profile"}}),
    ),
    "a function that some service may call": template(
        Other=("AWS::Lambda::Permission", {"FunctionName": {"Ref": "Function"}, "Principal": "new.amazonaws.com"})
    ),
    "a user's key": template(User=user(Policies=[DEPLOYS]), Key=KEY),
    "a user's key, by a policy beside": template(
        User=user(), Key=KEY, Beside=("AWS::IAM::Policy", {**DEPLOYS, "Users": [{"Ref": "User"}]})
    ),
    "a user's key, by the user's own policy": template(
        User=user(UserName="deployer"),
        Key=KEY,
        Beside=("AWS::IAM::UserPolicy", {**DEPLOYS, "UserName": "deployer"}),
    ),
    "a user's key, whose groups nobody looks at": template(User=user(Groups=["people"]), Key=KEY),
    "a nested stack": template(Nested=stack("https://reports.s3.us-east-1.amazonaws.com/x.json")),
    "a nested stack, by a path": template(Nested=stack("https://s3.us-east-1.amazonaws.com/reports/x.json")),
    "a nested stack, by the bucket": template(Nested=stack({"Fn::Sub": "https://${Reports}.s3.amazonaws.com/x"})),
    "a part of the template": template(Part=("AWS::SSM::Parameter", {"Value": INCLUDED})),
    "a cache": template(Project=project(Cache=CACHE)),
    "a source of its own": template(Project=project(Source={"Type": "S3", "Location": "reports/source.zip"})),
    "a function's code": template(Other=function(Code={"S3Bucket": "reports", "S3Key": "x.zip"})),
    "a function's code, in a bucket of the template": template(Other=function(Code={"S3Bucket": {"Ref": "Reports"}})),
    "a function's layer": template(
        Layer=("AWS::Lambda::LayerVersion", {"Content": {"S3Bucket": "reports", "S3Key": "x.zip"}}),
        Other=function(Layers=[{"Ref": "Layer"}]),
    ),
    "variables of a task": template(
        Task=(
            "AWS::ECS::TaskDefinition",
            {
                "TaskRoleArn": arn("Role"),
                "ContainerDefinitions": [{"EnvironmentFiles": [{"Type": "s3", "Value": "arn:aws:s3:::reports/x.env"}]}],
            },
        )
    ),
    "a script that runs on a machine": template(
        Profile=("AWS::IAM::InstanceProfile", {"Roles": [{"Ref": "Role"}]}),
        Machine=("AWS::EC2::Instance", {"IamInstanceProfile": {"Ref": "Profile"}}),
        Runs=SCRIPT,
    ),
    "a script that runs on a group of machines": template(
        Profile=("AWS::IAM::InstanceProfile", {"Roles": [{"Ref": "Role"}]}),
        Machines=("AWS::EC2::LaunchTemplate", {"LaunchTemplateData": {"IamInstanceProfile": {"Arn": arn("Profile")}}}),
        Runs=SCRIPT,
    ),
    "a stack that follows a branch": template(
        Follows=("AWS::CodeConnections::SyncConfiguration", {"Branch": "any", "RoleArn": arn("Role")})
    ),
    "pods of a cluster that lets the tests in": template(**cluster("TestRole")),
    "pods of a cluster by its name": template(**cluster("TestRole", "main"), Main=("AWS::EKS::Cluster", {})),
    "pods of a cluster of the template by its name": template(
        **{
            **cluster("TestRole", "main"),
            "Pods": pods({"Ref": "Main"}),
            "Main": ("AWS::EKS::Cluster", {"Name": "main"}),
        }
    ),
    "a role whose ARN is filled in": template(
        Follows=("AWS::CodeConnections::SyncConfiguration", {"RoleArn": {"Fn::Sub": "${Role.Arn}"}})
    ),
    "a product that the tests may have made": template(
        Offers=("AWS::ServiceCatalog::Portfolio", {}),
        Lets=(
            "AWS::ServiceCatalog::PortfolioPrincipalAssociation",
            {"PortfolioId": {"Ref": "Offers"}, "PrincipalARN": arn("TestRole")},
        ),
        By=("AWS::ServiceCatalog::LaunchRoleConstraint", {"PortfolioId": {"Ref": "Offers"}, "RoleArn": arn("Role")}),
    ),
    "objects that the tests are granted": template(
        Where=("AWS::S3::AccessGrantsLocation", {"IamRoleArn": arn("Role"), "LocationScope": "s3://x/*"}),
        Granted=(
            "AWS::S3::AccessGrant",
            {
                "AccessGrantsLocationId": {"Fn::GetAtt": ["Where", "AccessGrantsLocationId"]},
                "Grantee": {"GranteeType": "IAM", "GranteeIdentifier": arn("TestRole")},
            },
        ),
    ),
    "a definition of what happens": template(
        Other=(
            "AWS::StepFunctions::StateMachine",
            {"RoleArn": arn("Role"), "DefinitionS3Location": {"Bucket": "reports"}},
        )
    ),
}
NO_WAYS = {
    "pods of a cluster that lets others in": template(**cluster("Weak"), Weak=("AWS::IAM::Role", {})),
    "pods of another cluster": template(**{**cluster("TestRole"), "Pods": pods({"Ref": "Others"}), "Others": CLUSTER}),
    "pods of another cluster by its name": template(**{**cluster("TestRole", "main"), "Pods": pods("others")}),
    "a schedule by the cluster's name": template(
        **{
            **cluster("TestRole", "main"),
            "Pods": ("AWS::Scheduler::Schedule", {"Name": "main", "RoleArn": arn("Role")}),
        }
    ),
    "whom else the cluster lets in": template(
        **{
            **cluster("TestRole", "main"),
            "Pods": ("AWS::EKS::AccessEntry", {"ClusterName": "main", "PrincipalArn": arn("Role")}),
        }
    ),
    "pods that only are in the same region": template(
        **{**cluster("TestRole", {"Ref": "AWS::StackName"}), "Pods": pods({"Ref": "AWS::Region"})},
        Somewhere=(
            "AWS::EC2::Instance",
            {"Tags": [{"Ref": "AWS::StackName"}], "IamInstanceProfile": {"Ref": "Profile"}},
        ),
        Profile=("AWS::IAM::InstanceProfile", {"Roles": [{"Ref": "Role"}]}),
    ),
    "a script of somebody else's on a machine": template(
        Profile=("AWS::IAM::InstanceProfile", {"Roles": [{"Ref": "Role"}]}),
        Machine=("AWS::EC2::Instance", {"IamInstanceProfile": {"Ref": "Profile"}}),
        Runs=(
            "AWS::SSM::Association",
            {"Name": "AWS-RunRemoteScript", "Parameters": {"sourceInfo": ["s3://others/x"]}},
        ),
    ),
    "a script on a machine that may do nothing": template(Machine=("AWS::EC2::Instance", {}), Runs=SCRIPT),
    "a connection": template(Connection=("AWS::CodeConnections::Connection", {"ConnectionName": "x"})),
    "a service that names nothing": template(Other=("AWS::New::Thing", {"Name": "x"})),
    "a service with a weaker role": template(
        Weak=("AWS::IAM::Role", {}), Other=("AWS::New::Thing", {"RoleArn": arn("Weak")})
    ),
    "a job that somebody has to start": template(Other=("AWS::Batch::JobDefinition", {"JobRoleArn": arn("Role")})),
    "a function that AWS rotates a secret by": template(
        Other=(
            "AWS::Lambda::Permission",
            {"FunctionName": {"Ref": "Function"}, "Principal": "secretsmanager.amazonaws.com"},
        )
    ),
    "a function that another account may call": template(
        Other=("AWS::Lambda::Permission", {"FunctionName": {"Ref": "Function"}, "Principal": "555555555555"})
    ),
    "a user without a key": template(User=user(Policies=[DEPLOYS])),
    "a user's key that reads": template(
        User=user(ManagedPolicyArns=["arn:aws:iam::aws:policy/CloudWatchReadOnlyAccess"]), Key=KEY
    ),
    "a nested stack of another bucket": template(Nested=stack("https://others.s3.amazonaws.com/reports/x.json")),
    "a cache in another bucket": template(Project=project(Cache={"Type": "S3", "Location": "others/reports"})),
    "a cache on the machine": template(Project=project(Cache={"Type": "LOCAL", "Modes": ["LOCAL_SOURCE_CACHE"]})),
    "where a build writes its logs": template(
        Project=project(LogsConfig={"S3Logs": {"Status": "ENABLED", "Location": "arn:aws:s3:::reports/logs"}})
    ),
    "where a build writes what it made": template(Project=project(Artifacts={"Type": "S3", "Location": "reports"})),
    "a bucket that a function has in its variables": template(
        Other=function(Environment={"Variables": {"BUCKET": "reports", "URL": "s3://reports/x"}})
    ),
    "a bucket that a weaker function is made from": template(
        Weak=("AWS::IAM::Role", {}),
        Other=("AWS::Lambda::Function", {"Role": arn("Weak"), "Code": {"S3Bucket": "reports"}}),
    ),
}


def details(template: Template) -> list[str]:
    return [finding.detail for finding in production_out_of_reach(Loaded(template["Resources"]))]


def test_what_nobody_has_thought_of_may_do_what_it_names_for_anybody() -> None:
    assert {name for name, each in WAYS.items() if not any(" assumes " in said for said in details(each))} == set()


def test_what_asks_nobody_and_fetches_nothing_of_theirs_leads_nowhere() -> None:
    assert {name: said for name, each in NO_WAYS.items() if (said := details(each))} == {}
