from helpers.assembly import Assembly

PLATFORM = "nova-prod-platform"


def test_subnets_lie_in_the_configured_zones(assembly: Assembly, variant: Assembly) -> None:
    zones = {subnet["AvailabilityZone"] for subnet in assembly.properties(PLATFORM, "AWS::EC2::Subnet")}
    assert zones == {"us-east-1a", "us-east-1b", "us-east-1c"}
    zones = {subnet["AvailabilityZone"] for subnet in variant.properties("acme-live-platform", "AWS::EC2::Subnet")}
    assert zones == {"us-east-1a", "us-east-1c", "us-east-1d"}


def test_no_subnet_gives_out_public_addresses(assembly: Assembly, variant: Assembly) -> None:
    subnets = [
        subnet
        for each in (assembly, variant)
        for stack in each.templates
        for subnet in each.properties(stack, "AWS::EC2::Subnet")
    ]
    assert len(subnets) == 2 * (2 + 2 + 3) + 2 * (2 + 3)
    assert {subnet["MapPublicIpOnLaunch"] for subnet in subnets} == {False}


def test_nat_gateways_are_as_many_as_configured(assembly: Assembly, variant: Assembly) -> None:
    assert len(assembly.resources(PLATFORM, "AWS::EC2::NatGateway")) == 3
    assert len(assembly.resources("nova-dev-platform", "AWS::EC2::NatGateway")) == 1
    assert not variant.resources("acme-live-platform", "AWS::EC2::NatGateway")


def test_a_third_zone_finds_its_place_taken_by_nobody(assembly: Assembly) -> None:
    """Every subnet is an eighth of the network, however many zones there are: one that is added moves no other."""
    for stack, base, zones in (("nova-dev-platform", "10.10", 2), (PLATFORM, "10.30", 3)):
        blocks = [subnet["CidrBlock"] for subnet in assembly.properties(stack, "AWS::EC2::Subnet")]
        eighths = [f"{base}.{32 * number}.0/19" for number in range(6)]
        assert blocks == [*eighths[:zones], *eighths[3 : 3 + zones]]


def test_private_subnets_reach_the_internet_through_nat_alone_and_are_not_reached_from_it(assembly: Assembly) -> None:
    for stack in ("nova-dev-platform", "nova-staging-platform", PLATFORM):
        routes = assembly.resources(stack, "AWS::EC2::Route")
        private = {key: route["Properties"] for key, route in routes.items() if "PrivateSubnet" in key}
        assert len(private) == len(routes) / 2
        for route in private.values():
            assert "GatewayId" not in route
            assert "NatGatewayId" in route


def test_without_nat_only_public_subnets_have_a_way_to_the_internet(variant: Assembly) -> None:
    routes = variant.resources("acme-live-platform", "AWS::EC2::Route")
    assert len(routes) == 3
    assert all("PublicSubnet" in key for key in routes)


def test_s3_is_always_reached_through_a_gateway_endpoint(assembly: Assembly, variant: Assembly) -> None:
    for each, stack in ((assembly, PLATFORM), (variant, "acme-live-platform"), (variant, "acme-test-eu-platform")):
        gateways = [
            endpoint
            for endpoint in each.properties(stack, "AWS::EC2::VPCEndpoint")
            if endpoint["VpcEndpointType"] == "Gateway"
        ]
        assert len(gateways) == 1


def test_interface_endpoints_are_those_configured_and_take_https_from_the_vpc_only(variant: Assembly) -> None:
    endpoints = [
        endpoint
        for endpoint in variant.properties("acme-live-platform", "AWS::EC2::VPCEndpoint")
        if endpoint["VpcEndpointType"] == "Interface"
    ]
    names = {endpoint["ServiceName"].removeprefix("com.amazonaws.us-east-1.") for endpoint in endpoints}
    assert names == {"ecr.api", "ecr.dkr", "logs", "secretsmanager", "ssmmessages"}
    [group] = {endpoint["SecurityGroupIds"][0]["Fn::GetAtt"][0] for endpoint in endpoints}
    [rule] = variant.templates["acme-live-platform"]["Resources"][group]["Properties"]["SecurityGroupIngress"]
    assert (rule["CidrIp"], rule["FromPort"], rule["ToPort"]) == ("10.1.0.0/16", 443, 443)


def test_all_traffic_is_logged(assembly: Assembly) -> None:
    log = assembly.only(PLATFORM, "AWS::EC2::FlowLog")
    assert (log["TrafficType"], log["LogDestinationType"]) == ("ALL", "s3")


def test_flow_logs_may_be_written_with_an_acl_or_without_one_and_for_this_account_only(assembly: Assembly) -> None:
    [policy] = assembly.properties(PLATFORM, "AWS::S3::BucketPolicy")
    conditions = [
        each["Condition"]
        for each in policy["PolicyDocument"]["Statement"]
        if "/flow-logs/AWSLogs/" in str(each["Resource"]) and each["Effect"] == "Allow"
    ]
    assert [each["StringEquals"].get("s3:x-amz-acl") for each in conditions] == ["bucket-owner-full-control", None]
    for each in conditions:
        assert each["StringEquals"]["aws:SourceAccount"] == "333333333333"
        assert ":333333333333:*" in str(each["ArnLike"]["aws:SourceArn"])
