"""The Lambda code of the smoke tests: requests a new revision's smoke paths before any user reaches it.

ECS calls it at POST_TEST_TRAFFIC_SHIFT, when requests with the header reach only the new revision. It stands in the
template as text, so it knows nothing but Python's own library, and boto3, which Lambda has.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/lambda-lifecycle-hooks.html
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import SplitResult, urlsplit

TRIES = 4
SECONDS = 2


def handler(event: dict[str, Any], _context: object) -> dict[str, str]:
    """Continue the deployment only if every path answers with 2xx or 3xx."""
    details = event.get("hookDetails") or {}
    if isinstance(details, str):  # a template has them as text; no document says what becomes of it on its way here
        details = json.loads(details)
    faults = [fault for fault in (ask(url, details) for url in details.get("urls", ())) if fault]
    if not details.get("urls"):
        faults = ["hookDetails names no urls"]
    elif faults and details.get("stops") and wants_none(event):
        print("not tested: the service wants no task at this hour, so nobody answers")
        return {"hookStatus": "SUCCEEDED"}
    for fault in faults:
        print(fault)
    return {"hookStatus": "FAILED" if faults else "SUCCEEDED"}


def wants_none(event: dict[str, Any]) -> bool:
    """Whether a schedule has stopped the service, as ECS says it."""
    import boto3  # only where a service stops

    _, cluster, name = (event.get("executionDetails") or event)["serviceArn"].rsplit("/", 2)
    [service] = boto3.client("ecs").describe_services(cluster=cluster, services=[name])["services"]
    return bool(service["desiredCount"] == 0)


def ask(url: str, details: dict[str, Any]) -> str:
    """What is wrong with the answer to a request; nothing where it is good."""
    fault = ""
    opener = urllib.request.build_opener(Here(details.get("hosts", {})))
    for attempt in range(TRIES):
        time.sleep(SECONDS * bool(attempt))
        request = urllib.request.Request(url, headers={details["header"]: details["value"]})  # noqa: S310  the template's
        if details.get("host"):
            request.add_header("Host", details["host"])
        try:
            with opener.open(request, timeout=10) as answer:
                answer.read()
                return ""
        except urllib.error.HTTPError as error:
            if 300 <= error.code < 400 and not error.msg.startswith(Here.inf_msg):
                return led_away(url, error)
            fault = f"{url} answered {error.code}"
            # What the load balancer says itself may be over in a moment; what the service says will not.
            if error.code not in (502, 503, 504):
                return fault
        except ValueError as error:
            return f"{url} leads to what is no address: {error}"
        except (OSError, HTTPException) as error:
            fault = f"{url} did not answer: {error}"
    return fault


def led_away(url: str, error: urllib.error.HTTPError) -> str:
    """What is wrong with a redirect that is not followed: nothing, if the service said it, since it did answer."""
    # So the load balancer signs what it says itself.
    if not error.headers.get("Server", "").startswith("awselb/"):
        return ""
    to = error.headers.get("Location")
    return f"{url} answered {error.code}: the load balancer itself leads to {to}, so the service was not tested"


class Here(urllib.request.HTTPRedirectHandler):
    """Follows redirects to the service's own hosts: any other may answer well whatever the new revision does."""

    def __init__(self, hosts: Mapping[str, str]) -> None:
        """Know the service's hosts, each with the base URL at which it is asked, where there are several."""
        self.hosts = hosts

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Follow to no other host; reach one's own at the load balancer that was asked."""
        asked, to = urlsplit(req.full_url), urlsplit(newurl)
        if place(to) in (place(asked), place(urlsplit(f"//{req.get_header('Host', asked.netloc)}"))):
            there = to._replace(netloc=asked.netloc)
        elif place(to) in [(host, None) for host in self.hosts]:
            base = urlsplit(self.hosts[str(to.hostname)])
            there = to._replace(scheme=base.scheme, netloc=base.netloc)
        else:
            return None
        request = super().redirect_request(req, fp, code, msg, headers, there.geturl())
        if request is not None and "Host" in req.headers and to.hostname in self.hosts:
            request.add_header("Host", str(to.hostname))
        return request


def place(address: SplitResult) -> tuple[str | None, int | None]:
    """Host and port of an address; no port for the usual ones, since a load balancer may move HTTP to HTTPS."""
    return address.hostname, address.port if address.port not in (80, 443) else None
