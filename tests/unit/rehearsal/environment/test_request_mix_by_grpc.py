"""What a service of gRPC is asked: the calls in its file, what its reflection names, or its health check."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf import descriptor_pb2

from helpers.http2_server import Answer, Reply, said, serving
from nova_infra.rehearsal.environment.request_mix import Asked
from nova_infra.rehearsal.load_balancer.client import open_client
from nova_infra.rehearsal.load_balancer.http2.grpc import framed, messages
from nova_infra.rehearsal.load_balancer.routing import RoutingRule, WeightedGroup
from nova_infra.rehearsal.load_balancer.targets import TargetGroup, read_target_group
from nova_infra.rehearsal.report.answers import broken_operations
from nova_infra.rehearsal.requests.http_file import read_http
from nova_infra.rehearsal.requests.sample import RequestFileError, SampleRequest
from nova_infra.rehearsal.rerouted import Elsewhere

ERRORS = "it speaks gRPC, whose errors have HTTP's status 200: no alarm of the load balancer sees them"
STREAMS = "gRPC /shop.Shop/Watch streams, and only methods that take and give one message are called"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"


def files() -> dict[str, bytes]:
    """shop.proto, and money.proto which it imports."""
    money = descriptor_pb2.FileDescriptorProto(name="money.proto", package="shop", syntax="proto3")
    money.message_type.add(name="Money").field.add(name="cents", number=2, type=3, label=1)
    shop = descriptor_pb2.FileDescriptorProto(
        name="shop.proto", package="shop", syntax="proto3", dependency=["money.proto"]
    )
    order = shop.message_type.add(name="Order")
    order.field.add(name="item", number=1, type=9, label=1)
    order.field.add(name="price", number=3, type=11, label=1, type_name=".shop.Money")
    service = shop.service.add(name="Shop")
    for name, streams in (("Place", False), ("List", False), ("Watch", True)):
        service.method.add(name=name, input_type=".shop.Order", output_type=".shop.Order", server_streaming=streams)
    return {"shop.proto": shop.SerializeToString(), "money.proto": money.SerializeToString()}


def field(number: int, value: bytes) -> bytes:
    length = len(value)
    return (
        bytes([number << 3 | 2])
        + (bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7]))
        + value
    )


def reflected(body: bytes) -> Reply:
    """Each question of a stream answered, imports only where they are asked for, as some servers do."""
    replies = []
    for message in messages(body):
        kind, asked = message[0] >> 3, message[2:].decode()
        if kind == 7:
            names = ["grpc.reflection.v1.ServerReflection", "shop.Shop"]
            replies.append(field(6, b"".join(field(1, field(1, name.encode())) for name in names)))
        else:
            name = "shop.proto" if kind == 4 else asked
            replies.append(field(4, field(1, files()[name])))
    return Reply(200, b"".join(map(framed, replies)), [("content-type", "application/grpc")], [("grpc-status", "0")])


def asked_of(
    answer: Answer, *, written: list[SampleRequest] | None = None, paths: tuple[str, ...] = ("/shop.*",)
) -> Asked:
    group = TargetGroup(
        "g", read_target_group({"ProtocolVersion": "GRPC", "HealthCheckPath": "/grpc.health.v1.Health/Check"})
    )
    rule = RoutingRule("shop", 1.0, paths=paths, forward=[WeightedGroup(group, 100)])
    service: Any = SimpleNamespace(
        is_asked=True,
        groups=[group],
        rule=rule,
        load_balancer=SimpleNamespace(rules=[rule], public_host="shop.example.jp"),
        name="shop",
    )
    asked = Asked(service, written or [])

    async def learn() -> None:
        async with open_client() as client, serving(answer) as port:
            await asked.learn(client, port, "shop:1", baseline=True)

    asyncio.run(learn())
    return asked


def written(tmp_path: Path, text: str) -> list[SampleRequest]:
    return read_http(tmp_path / "requests.http", text)


def test_each_method_that_reflection_names_is_called_with_an_empty_message() -> None:
    calls: list[tuple[str, bytes]] = []

    def answer(headers: dict[str, str], body: bytes) -> Reply:
        if headers[":path"] == REFLECTION:
            return reflected(body)
        calls.append((headers[":path"], body))
        return said(status=3 if headers[":path"].endswith("Place") else 0)

    asked = asked_of(answer)
    assert asked.operations == ["gRPC /shop.Shop/Place", "gRPC /shop.Shop/List"]  # Watch answers with a stream
    assert calls == [("/shop.Shop/Place", framed(b"")), ("/shop.Shop/List", framed(b""))]
    assert asked.answers == {"shop:1": {"gRPC /shop.Shop/Place": {400: 1}, "gRPC /shop.Shop/List": {200: 1}}}
    assert (asked.left_out, asked.requests_per_minute > 0) == ([ERRORS, STREAMS], True)


@pytest.mark.exhaustive("test_each_method_that_reflection_names_is_called_with_an_empty_message")
def test_a_method_that_the_baseline_fails_on_an_empty_message_is_left_out_in_the_words_of_grpc() -> None:
    def answer(headers: dict[str, str], body: bytes) -> Reply:
        return reflected(body) if headers[":path"] == REFLECTION else said(status=2 * headers[":path"].endswith("List"))

    asked = asked_of(answer)
    assert asked.operations == ["gRPC /shop.Shop/Place"]
    assert asked.left_out == [ERRORS, STREAMS, "gRPC /shop.Shop/List answers UNKNOWN to a made-up request"]


def test_calls_of_a_file_are_made_with_their_json_as_a_message(tmp_path: Path) -> None:
    calls: list[bytes] = []

    def answer(headers: dict[str, str], body: bytes) -> Reply:
        if headers[":path"] == REFLECTION:
            return reflected(body)
        calls.append(body)
        return said(b"")

    text = (
        'GRPC localhost:50051/shop.Shop/Place\n\n{"item": "tea", "price": {"cents": 300}}\n###\nGRPC /shop.Shop/List\n'
    )
    asked = asked_of(answer, written=written(tmp_path, text))
    assert asked.operations == ["gRPC /shop.Shop/Place", "gRPC /shop.Shop/List"]
    assert calls == [framed(b"\x0a\x03tea\x1a\x03\x10\xac\x02"), framed(b"")]
    assert asked.origin == "their files"


@pytest.mark.parametrize(
    ("text", "reflects", "why"),
    [
        ('GRPC /shop.Shop/Place\n\n{"item": 3}', True, "gRPC /shop.Shop/Place is not what the method takes"),
        ('GRPC /shop.Shop/Gone\n\n{"a": 3}', True, "is given as JSON, but reflection does not name it"),
        ('GRPC /shop.Shop/Place\n\n{"item": "tea"}', False, "is given as JSON, but the service has no reflection"),
        ("GRPC /shop.Shop/Watch", True, STREAMS),
        ("GET /shop.json", True, "GET /shop.json is HTTP, and the service speaks gRPC: write GRPC /package"),
    ],
)
def test_a_call_that_cannot_be_made_is_left_out_and_said(tmp_path: Path, text: str, reflects: bool, why: str) -> None:
    def answer(headers: dict[str, str], body: bytes) -> Reply:
        return reflected(body) if reflects and headers[":path"] == REFLECTION else said(status=12)

    asked = asked_of(answer, written=written(tmp_path, text))
    assert asked.operations == []
    assert asked.left_out[0] == ERRORS
    assert why in asked.left_out[1]


@pytest.mark.parametrize(
    ("paths", "operations"), [(("/*",), ["gRPC /grpc.health.v1.Health/Check"]), (("/shop.*",), [])]
)
def test_without_reflection_the_health_check_is_called_where_a_rule_leads_to_it(
    paths: tuple[str, ...], operations: list[str]
) -> None:
    asked = asked_of(lambda headers, _: said(status=0 if "Health" in headers[":path"] else 12), paths=paths)
    assert asked.operations == operations
    assert ("it names no method by reflection" in asked.left_out[-1]) is (not operations)


@pytest.mark.parametrize("garbage", [b"\xff" * 9, framed(b"\x32\xff"), framed(b"\x09"), b""])
def test_reflection_that_answers_nonsense_counts_as_none(garbage: bytes) -> None:
    reply = Reply(200, garbage, [("content-type", "application/grpc")], [("grpc-status", "0")])
    assert asked_of(lambda *_: reply).operations == []


def test_a_line_that_names_no_method_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        RequestFileError, match=r"requests.http:1: 'localhost:1/shop' is not a method: write GRPC /pack"
    ):
        written(tmp_path, "GRPC localhost:1/shop")


def test_a_method_that_fails_now_is_named_in_the_words_of_grpc() -> None:
    deployment: Any = SimpleNamespace(
        baseline=False,
        answers={"gRPC /shop.Shop/List": {200: 1, 500: 9}, "gRPC /shop.Shop/Gone": {405: 4}},
        answers_before={"gRPC /shop.Shop/List": {200: 8}, "gRPC /shop.Shop/Gone": {400: 4}},
        elsewhere=Elsewhere(),
    )
    assert broken_operations(deployment) == [
        "gRPC /shop.Shop/List answers INTERNAL to 9 of 10 requests (OK before)",
        "gRPC /shop.Shop/Gone answers UNIMPLEMENTED to 4 of 4 requests (INVALID_ARGUMENT before)",
    ]


def test_users_name_the_load_balancer_or_a_host_of_their_rule() -> None:
    asked = asked_of(lambda *_: said())
    assert asked.headers() == [("Host", "shop.example.jp")]
    asked.service.rule.hosts = ("*.example.org",)
    assert asked.headers() == [("Host", "www.example.org")]
