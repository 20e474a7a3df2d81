"""The keys of a web service: paths, hosts, scaling targets, alarm thresholds; `container` has the health check."""

from typing import Annotated, Literal

from pydantic import Field

from nova_infra.config.values.fields import Model, PathPattern, WrittenOut, matching


class Targets(Model):
    """What autoscaling aims for."""

    cpu_percent: Annotated[int, Field(ge=10, le=90)] = 60
    """Default: 60."""
    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """Requests per task and minute. Default: 1000."""


class Thresholds(Model):
    """When a service's alarms fire. The CPU alarm is fixed: one task at 90 % for three minutes."""

    error_percent: Annotated[float, Field(gt=0, le=50)] = 5
    """Share of 5xx answers in a minute, in percent. Default: 5."""
    unanswered_percent: Annotated[float, Field(gt=0, le=100)] = 5
    """Share of requests that get no answer, in two minutes of four, in percent. 100 turns the alarm off, which
    WebSocket services need: the load balancer counts no answer to their requests. Default: 5."""
    min_requests: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    """Below this number of requests per minute, errors, unanswered requests and latency are ignored. Default: 20."""
    latency_ms: Annotated[int, Field(ge=10, le=60_000)] = 2000
    """95th percentile of the response time, for two minutes of four. Default: 2000."""
    memory_percent: Annotated[int, Field(ge=10, le=100)] = 90
    """Share of a task's memory, in one minute of three. Default: 90."""


Host = Annotated[
    str,
    *matching(
        r"(\*\.)?([a-z0-9{]([a-z0-9{}-]{0,61}[a-z0-9}])?\.)+[a-z]{2,63}",
        "is not a host name",
        "write it in lower case and without a scheme, as in api.example.com",
    ),
    Field(max_length=64),
]


class Web(Model):
    """What a service of ``kind = "web"`` may also say."""

    paths: Annotated[tuple[PathPattern, ...], Field(max_length=5)] = Field(default_factory=tuple)
    """Path patterns that the load balancer forwards to it. Default: ``/<name>/*``, or every path where there are
    ``hosts``."""
    hosts: Annotated[tuple[Host, ...], Field(max_length=5)] = ()
    """Host names that the load balancer forwards to it, in the hosted zone of the environment's domain. Nova creates
    their certificate and DNS records. ``{environment}`` in them is the environment's name. Default: any host."""
    requests: (
        Annotated[
            str,
            *matching(
                r"(?!/)(?!.*\.\./).{1,300}\.(http|rest|har)",
                "is not a file of requests in this project",
                'write its path, as in requests = "load/recorded.har"',
            ),
        ]
        | None
    ) = None
    """A HAR or .http file of requests that its users send, for the rehearsal, relative to ``nova.toml``. Default:
    ``services/<name>/requests.http`` or ``.har`` if there is one, else its OpenAPI document, else its paths."""
    smoke: Annotated[
        tuple[
            Annotated[
                str,
                *matching(r"/[!-~]{0,200}", "is not a path", "start it with /, without spaces, as in /shop/version"),
            ],
            ...,
        ],
        Field(max_length=10),
    ] = ()
    """Paths that a new revision must answer with 2xx or 3xx before any user reaches it. A function in the environment
    requests them through the load balancer; if one fails, ECS rolls back. Not for rolling rollouts, which have no such
    moment. Default: none, and where an environment requires an approval, what the kit answers, or the path of the
    health check where the load balancer leads to it."""
    untested_reason: Annotated[str, Field(min_length=10, max_length=200), WrittenOut] | None = None
    """Why new revisions reach users untested; needed with ``smoke = []`` where an environment requires an approval.
    Default: they do not."""
    internal: bool = False
    """Whether only the environment's other services reach it, over a private load balancer at ``NOVA_INTERNAL_URL``,
    which needs no NAT. Default: false."""
    protocol: Literal["http", "http2", "grpc"] = "http"
    """What the load balancer speaks to the container. http2 and grpc need a domain, because clients reach them over TLS
    only. Default: http."""
    priority: Annotated[int, Field(ge=1, le=50_000)] = Field(default_factory=int)
    """Place of its rule on the load balancer; lower ones are tried first. Default: drawn from the name, late for a
    service of all paths, because a place in the file would change with the order of the services, and a changed rule
    resets the weights that ECS has set."""
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    """Port that the container listens on; also in its environment, as ``PORT``. Default: 8080."""
    targets: Targets = Targets()
    alarms: Thresholds = Thresholds()
