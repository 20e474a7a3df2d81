"""Lists a gRPC service's methods by reflection, and converts JSON to messages (grpc: server-reflection.md)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace

from google.protobuf import descriptor, descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import DecodeError

from nova_infra.rehearsal.load_balancer.http2.grpc import HEADERS, OPERATION, framed, messages
from nova_infra.rehearsal.requests.sample import Origin, SampleRequest

Call = Callable[[str, bytes], Awaitable[bytes | None]]
"""Calls a method with a body of messages; the body of the answer, None where it failed."""

_SERVICES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
_NOT_FOR_USERS = "grpc."
# Numbers of fields in reflection.proto.
_FILE_BY_NAME, _FILE_OF_SYMBOL, _LIST_SERVICES = 3, 4, 7
_FILES, _SERVICE_LIST = 4, 6


@dataclass
class GrpcMethods:
    """The methods that a service says it has.

    Attributes:
        types: Path of a method that takes and gives one message to the type that it takes.
        streams: Paths of the others.
    """

    types: dict[str, descriptor.Descriptor] = field(default_factory=dict)
    streams: set[str] = field(default_factory=set)
    _pool: descriptor_pool.DescriptorPool = field(default_factory=descriptor_pool.DescriptorPool)

    @classmethod
    async def read(cls, call: Call) -> GrpcMethods:
        """Ask a task by reflection; without it, no method is known."""
        for service in _SERVICES:
            reflection = _Reflection(f"/{service}/ServerReflectionInfo", call)
            try:
                names = await reflection.services()
                if names is not None:
                    return cls._of(names, await reflection.files(names))
            except (DecodeError, ValueError, TypeError, KeyError):
                continue
        return cls()

    @classmethod
    def _of(cls, names: list[str], files: dict[str, descriptor_pb2.FileDescriptorProto]) -> GrpcMethods:
        found = cls()
        for file in _in_order(files):
            found._pool.Add(file)
        for name in names:
            if name.startswith(_NOT_FOR_USERS):
                continue
            for method in found._pool.FindServiceByName(name).methods:
                if method.client_streaming or method.server_streaming:
                    found.streams.add(f"/{name}/{method.name}")
                else:
                    found.types[f"/{name}/{method.name}"] = method.input_type
        return found

    def samples(self) -> list[SampleRequest]:
        """A call of each method with an empty message."""
        return [call_of(path, b"", origin="document") for path in self.types]

    @staticmethod
    def not_called(path: str) -> str:
        """Why a method that streams is not called, a clause."""
        return f"{OPERATION}{path} streams, and only methods that take and give one message are called"

    def written(self, each: SampleRequest) -> SampleRequest | str:
        """A call that is written down, its JSON as a message; or why that cannot be, a clause."""
        if not each.operation.startswith(OPERATION):
            return f"{each.operation} is HTTP, and the service speaks gRPC: write GRPC /package.Service/Method"
        if each.path in self.streams:
            return self.not_called(each.path)
        if not each.body.strip():
            return replace(each, body=framed(b""))
        if (taken := self.types.get(each.path)) is None:
            why = "reflection does not name it" if self.types else "the service has no reflection"
            return f"{each.operation} is given as JSON, but {why}, which is needed to make a message of it"
        message = message_factory.GetMessageClass(taken)()
        try:
            json_format.Parse(each.body, message, descriptor_pool=self._pool)
        except (json_format.ParseError, UnicodeDecodeError) as error:
            return f"{each.operation} is not what the method takes ({error})"
        return replace(each, body=framed(message.SerializeToString()))


def call_of(path: str, body: bytes, *, origin: Origin) -> SampleRequest:
    """A call of a method.

    Args:
        body: JSON where ``origin`` is a file, and a message otherwise.
    """
    return SampleRequest(
        f"{OPERATION}{path}", "POST", path, HEADERS, body if origin == "file" else framed(body), origin=origin
    )


@dataclass
class _Reflection:
    path: str
    call: Call

    async def services(self) -> list[str] | None:
        answer = await self._ask(_field(_LIST_SERVICES, b"*"))
        if answer is None:
            return None
        lists = [value for message in answer for number, value in _fields(message) if number == _SERVICE_LIST]
        entries = [value for each in lists for number, value in _fields(each) if number == 1]
        return [value.decode() for each in entries for number, value in _fields(each) if number == 1]

    async def files(self, services: list[str]) -> dict[str, descriptor_pb2.FileDescriptorProto]:
        found: dict[str, descriptor_pb2.FileDescriptorProto] = {}
        wanted = b"".join(
            framed(_field(_FILE_OF_SYMBOL, name.encode())) for name in services if not name.startswith(_NOT_FOR_USERS)
        )
        while wanted:
            before = len(found)
            for message in messages(await self.call(self.path, wanted) or b""):
                for file in _files_of(message):
                    found[file.name] = file
            missing = {name for file in found.values() for name in file.dependency} - found.keys()
            wanted = b"".join(framed(_field(_FILE_BY_NAME, name.encode())) for name in sorted(missing))
            if len(found) == before:
                break
        return found

    async def _ask(self, request: bytes) -> list[bytes] | None:
        body = await self.call(self.path, framed(request))
        return None if not body else list(messages(body))


def _files_of(response: bytes) -> Iterator[descriptor_pb2.FileDescriptorProto]:
    for number, value in _fields(response):
        if number == _FILES:
            for inner, content in _fields(value):
                if inner == 1:
                    yield descriptor_pb2.FileDescriptorProto.FromString(content)


def _in_order(files: dict[str, descriptor_pb2.FileDescriptorProto]) -> list[descriptor_pb2.FileDescriptorProto]:
    """The files, each after those that it imports."""
    ordered: dict[str, descriptor_pb2.FileDescriptorProto] = {}

    def add(name: str) -> None:
        if name not in ordered:
            for imported in files[name].dependency:
                add(imported)
            ordered[name] = files[name]

    for name in files:
        add(name)
    return list(ordered.values())


def _field(number: int, value: bytes) -> bytes:
    """A field of text or bytes: https://protobuf.dev/programming-guides/encoding/."""
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of text, bytes or messages, by number."""
    place = 0
    while place < len(message):
        tag, place = _read_varint(message, place)
        match tag & 7:
            case 0:
                _, place = _read_varint(message, place)
            case 2:
                length, place = _read_varint(message, place)
                yield tag >> 3, message[place : place + length]
                place += length
            case other:
                raise ValueError(f"a field of wire type {other}")


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _read_varint(message: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if place >= len(message):
            raise ValueError("a message that ends in a number")
        byte = message[place]
        number |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return number, place
