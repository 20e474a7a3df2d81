"""An implementation of AWS that answers over HTTP, with faults where a test asks for them."""

import functools
import io
import json
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn
from urllib.parse import parse_qsl, urlsplit

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectionClosedError
from botocore.handlers import BUILTIN_HANDLERS
from moto.cloudformation.models import cloudformation_backends
from moto.core.botocore_stubber import MockRawResponse
from moto.ecs.models import ecs_backends
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.datastructures import Headers
from werkzeug.http import http_date
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import create_environ, run_wsgi_app

ACCOUNT, REGION = "123456789012", "us-east-1"
_LOOKS_WHILE_IT_ROLLS_BACK = 2

Fault = tuple[int, str] | str
PASSING: dict[str, Fault] = {
    "throttled": (400, "ThrottlingException"),
    "cut before": "cut before",
    "cut after": "cut after",
    "failing": (500, "InternalFailure"),
}
"""What happens to one call and passes by itself."""

MORE_THAN_TRIED = 20
DENIED: Fault = (400, "AccessDeniedException")
EXPIRED: Fault = (400, "ExpiredTokenException")
STOPPING: dict[str, tuple[list[Fault], str]] = {
    "denied": ([DENIED], "AWS does not allow"),
    "expired": ([EXPIRED], "credentials: AWS rejects them"),
    "skewed": ([(403, "RequestTimeTooSkewed")], "clock: this machine's clock is wrong"),
    "unreachable": (["cut before"] * MORE_THAN_TRIED, "check the network"),
}
"""What stops a command: the faults of its next calls, and the words that name the cause."""

# If no answer ever comes although the call is carried out, that is recognized, and is not a failure either.
HARMLESS: dict[str, list[Fault]] = {
    **{name: [fault] for name, fault in PASSING.items()},
    "silent": ["cut after"] * MORE_THAN_TRIED,
}
"""What changes nothing about the end: the faults of a command's next calls."""


class _Quiet(WSGIRequestHandler):
    def log(self, *_: object, **__: object) -> None:
        """Logs nothing."""


class LocalAws:
    """An implementation of AWS that answers over HTTP, chosen operations with faults first.

    It is moto, with two operations that moto lacks: CancelUpdateStack and ExecuteCommand. What asks in the same process
    gets the same answers without a connection, which takes longer than the answer: see ``ask``.

    Attributes:
        faults: Operation to what happens to its next calls, one after the other, before it works: a status and a code;
            ``cut before`` or ``cut after`` for a connection that ends before or after the call is carried out; None for
            nothing.
        calls: The operations that were called, in order.
        requests: Operation to what its latest request said.
    """

    def __init__(self) -> None:
        self._application = DomainDispatcherApplication(create_backend_app)
        # moto lists its own directory and matches two hundred patterns, for every call.
        cached = functools.cache(self._application.get_backend_for_host)
        self._application.get_backend_for_host = cached  # type: ignore[method-assign]  # of this one alone
        self._server = make_server("127.0.0.1", 0, self, threaded=True, request_handler=_Quiet)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.faults: dict[str, list[tuple[int, str] | str | None]] = {}
        self.calls: list[str] = []
        self.requests: dict[str, dict[str, Any]] = {}
        self._rolling_back: dict[str, int] = {}
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()
        _RUNNING[self.url] = self

    def ask(self, request: AWSPreparedRequest) -> AWSResponse:
        """Answer a request of the SDK in this process: what it would get over the network, or its error of there.

        Raises:
            ConnectionClosedError: The connection would have been cut.
        """
        url = urlsplit(request.url)
        environ = create_environ(
            path=url.path,
            base_url=self.url,
            query_string=url.query,
            method=request.method,
            headers={name: _text(value) for name, value in request.headers.items()},
            data=_bytes(request.body),
        )
        try:
            body, status, headers = run_wsgi_app(self, environ, buffered=True)
        except ConnectionResetError:
            raise ConnectionClosedError(endpoint_url=request.url) from None
        except Exception:  # a server answers 500, whatever its application raises
            body, status, headers = (b"",), "500 INTERNAL SERVER ERROR", Headers()
        answered = HTTPHeaders.from_dict({"Date": http_date(), **dict(headers)})
        return AWSResponse(request.url, int(status.split()[0]), answered, MockRawResponse(b"".join(body)))

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        operation, request = self._read(environ)
        self.calls.append(operation)
        self.requests[operation] = request
        fault = self.faults[operation].pop(0) if self.faults.get(operation) else None
        if isinstance(fault, tuple):
            return self._refuse(fault, operation, environ, start_response)
        if fault == "cut before":
            self._cut(environ)
        answers: dict[str, Callable[..., Iterable[bytes]]] = {
            "CancelUpdateStack": self._cancel_update,
            "ExecuteCommand": self._execute_command,
        }
        answered = (lambda *_: print) if fault else start_response
        if operation in answers:
            answer = answers[operation](request, environ, answered)
        else:
            answer = self._application(environ, answered)
        if operation == "DescribeStacks":
            self._roll_back()
        if fault == "cut after":
            self._cut(environ)
        return answer

    @staticmethod
    def _read(environ: Any) -> tuple[str, dict[str, Any]]:
        """The operation that a request asks for, in AWS's JSON or query protocol, and its arguments."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        if target := environ.get("HTTP_X_AMZ_TARGET", ""):
            return target.rpartition(".")[2], json.loads(body or b"{}")
        arguments = dict(parse_qsl(body.decode(errors="replace")))
        return arguments.get("Action", ""), arguments

    def _cancel_update(self, request: Mapping[str, Any], environ: Any, start_response: Any) -> Iterable[bytes]:
        """https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CancelUpdateStack.html"""
        stack = stack_behind(request["StackName"])
        if stack.status != "UPDATE_IN_PROGRESS":
            return self._refuse((400, "ValidationError"), "CancelUpdateStack", environ, start_response)
        stack.status = "UPDATE_ROLLBACK_IN_PROGRESS"
        self._rolling_back[stack.name] = _LOOKS_WHILE_IT_ROLLS_BACK
        start_response("200 OK", [("Content-Type", "text/xml")])
        return [b"<CancelUpdateStackResponse><ResponseMetadata/></CancelUpdateStackResponse>"]

    def _roll_back(self) -> None:
        """Let the updates that were cancelled come closer to their end."""
        for name, looks in list(self._rolling_back.items()):
            if looks:
                self._rolling_back[name] = looks - 1
            else:
                del self._rolling_back[name]
                stack_behind(name).status = "UPDATE_ROLLBACK_COMPLETE"

    @staticmethod
    def _execute_command(request: Mapping[str, Any], _: Any, start_response: Any) -> Iterable[bytes]:
        """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ExecuteCommand.html"""
        start_response("200 OK", [("Content-Type", "application/x-amz-json-1.1")])
        session = {"sessionId": "ecs-execute-command-1", "streamUrl": "wss://ssm.test/1", "tokenValue": "opens once"}
        return [json.dumps({"session": session, "taskArn": request["task"]}).encode()]

    @staticmethod
    def _refuse(fault: tuple[int, str], operation: str, environ: Any, start_response: Any) -> list[bytes]:
        status, code = fault
        message = f"{operation} is refused"
        if "HTTP_X_AMZ_TARGET" in environ:
            kind, body = "application/x-amz-json-1.1", json.dumps({"__type": code, "message": message})
        else:
            error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
            kind, body = "text/xml", f"<ErrorResponse>{error}</ErrorResponse>"
        start_response(f"{status} Error", [("Content-Type", kind)])
        return [body.encode()]

    @staticmethod
    def _cut(environ: Any) -> NoReturn:
        if connection := environ.get("werkzeug.socket"):
            connection.shutdown(socket.SHUT_RDWR)
        raise ConnectionResetError("cut, as the test asks")

    def reset(self) -> None:
        """Forget everything: the state is the process's, and that of tests without HTTP, too."""
        self.faults, self.calls, self.requests, self._rolling_back = {}, [], {}, {}
        moto_api_backend.reset()

    def credentials(self, account: str) -> dict[str, str]:
        """Environment variables of somebody in an account."""
        sts = boto3.client(
            "sts", endpoint_url=self.url, region_name=REGION, aws_access_key_id="k", aws_secret_access_key="s"
        )
        role = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/someone", RoleSessionName="test")["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": role["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": role["SecretAccessKey"],
            "AWS_SESSION_TOKEN": role["SessionToken"],
        }

    def client(self, service: str, account: str) -> Any:
        """A client in an account."""
        keys = {name.lower(): value for name, value in self.credentials(account).items()}
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, **keys)

    def stop(self) -> None:
        del _RUNNING[self.url]
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


_RUNNING: dict[str, LocalAws] = {}
"""Address to what answers there, in this process."""


def ask_in_this_process(request: AWSPreparedRequest, **_: object) -> AWSResponse | None:
    """Let the SDK of this process ask directly what answers in it; None where something else is asked."""
    for address, running in _RUNNING.items():
        if request.url.startswith(address):
            return running.ask(request)
    return None


BUILTIN_HANDLERS.append(("before-send", ask_in_this_process))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _bytes(body: str | bytes | None) -> bytes:
    return body.encode() if isinstance(body, str) else body or b""


def stack_behind(name: str) -> Any:
    """A stack as moto holds it, whose status a test may set: moto's own updates take no time."""
    return cloudformation_backends[ACCOUNT][REGION].get_stack(name)


def _service(name: str) -> Any:
    [service] = [each for each in ecs_backends[ACCOUNT][REGION].services.values() if each.name == name]
    return service


def allow_exec(service: str) -> None:
    """Let shells be opened in a service's tasks, which moto never says of itself."""
    _service(service).enable_execute_command = True


def launch_on_fargate(service: str, subnets: list[str]) -> None:
    """Give a service what moto leaves out of its template: where its tasks run, and in which network."""
    made = _service(service)
    made.launch_type = "FARGATE"
    made.network_configuration = {"awsvpcConfiguration": {"subnets": subnets, "securityGroups": []}}


def one_off_tasks() -> list[Any]:
    """The tasks that were started, as moto holds them."""
    return [task for tasks in ecs_backends[ACCOUNT][REGION].tasks.values() for task in tasks.values()]


def keep_running() -> None:
    """Let the tasks that were started run on: moto's end as soon as they are looked at."""
    for task in one_off_tasks():
        task.last_status, task.advance = "RUNNING", lambda: None


def forget_tasks() -> None:
    """Have none again."""
    ecs_backends[ACCOUNT][REGION].tasks.clear()
