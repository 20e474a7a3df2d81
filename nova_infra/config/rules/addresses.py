"""Refuses addresses in variables that lead to a closed port, which would only show as a timeout."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

_DEFAULT_PORTS = {
    "http": 80,
    "https": 443,
    "ws": 80,
    "wss": 443,
    "postgres": 5432,
    "postgresql": 5432,
    "mysql": 3306,
    "mariadb": 3306,
    "sqlserver": 1433,
    "mssql": 1433,
    "oracle": 1521,
    "redis": 6379,
    "rediss": 6379,
    "valkey": 6379,
    "valkeys": 6379,
    "memcached": 11211,
    "mongodb": 27017,
    "amqp": 5672,
    "amqps": 5671,
    "mqtt": 1883,
    "mqtts": 8883,
    "nats": 4222,
    "kafka": 9092,
    "clickhouse": 9000,
    "cassandra": 9042,
    "ldap": 389,
    "ldaps": 636,
    "smtp": 25,
    "smtps": 465,
    "ftp": 21,
    "sftp": 22,
    "ssh": 22,
    "grpc": 443,
}
OPEN_PORTS = frozenset({80, 443})
"""What every task may reach anywhere: AWS's endpoints, and other services."""

_URL = re.compile(r"([a-z][a-z0-9+.-]{0,31})://([^/?#\s]*)", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}|\[[0-9A-Fa-f:]{2,45}\]")
_LOCAL = re.compile(r"localhost|127\.\d+\.\d+\.\d+|0\.0\.0\.0|\[?::1\]?", re.IGNORECASE)


@dataclass(frozen=True)
class Address:
    """A host and port that a variable leads to."""

    variable: str
    host: str
    port: int


def addresses(variables: Mapping[str, str]) -> Iterator[Address]:
    """The addresses that variables lead to: URLs, ``host:port``, ``DB_HOST`` with ``DB_PORT``; not ``localhost``."""
    for name, value in variables.items():
        for host, port in _in(value.strip()):
            if not _LOCAL.fullmatch(host) and 0 < port < 65536:
                yield Address(name, host, port)
        if (match := re.fullmatch(r"(.*)PORT", name)) and re.fullmatch(r"[0-9]{1,5}", value):
            host = next((variables[f"{match[1]}{end}"] for end in _HOST_NAMES if f"{match[1]}{end}" in variables), "")
            if _HOST.fullmatch(host) and not _LOCAL.fullmatch(host) and 0 < int(value) < 65536:
                yield Address(name, host, int(value))


_HOST_NAMES = ("HOST", "HOSTNAME", "SERVER", "ADDRESS", "ADDR")


def _in(value: str) -> Iterator[tuple[str, int]]:
    urls = list(_URL.finditer(value))
    for url in urls:
        # What is before the colon of a scheme such as postgresql+psycopg, and jdbc:postgresql://, is a driver.
        scheme = url[1].lower().split("+")[0]
        for part in url[2].rpartition("@")[2].split(","):
            host, _, port = part.rpartition(":") if re.search(r":\d+$", part) else (part, "", "")
            number = int(port[:6]) if port else _DEFAULT_PORTS.get(scheme, 0)
            if host and number:
                yield host, number
    if not urls:
        for part in re.split(r"[,;\s]+", value):
            host, _, port = part.rpartition(":")
            # "12:30" is a time, and "1:2:3" is none of ours.
            if re.fullmatch(r"[0-9]{2,5}", port) and _HOST.fullmatch(host) and re.search(r"[A-Za-z.\[]", host):
                yield host, int(port)


def is_local(host: str) -> bool:
    """Whether a host is the task itself."""
    return _LOCAL.fullmatch(host) is not None


def is_open(address: Address, connections: tuple[str, ...]) -> bool:
    """Whether a task may reach an address."""
    if address.port in OPEN_PORTS:
        return True
    for connection in connections:
        host, _, port = connection.rpartition(":")
        if int(port) != address.port:
            continue
        try:
            if ip_address(address.host) in ip_network(host):
                return True
        except ValueError:
            # A name on either side: a security group knows addresses only, so the port is open everywhere.
            return True
    return False
