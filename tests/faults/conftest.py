"""A service of one file that can have many faults, and the miniature assembly of the rehearsal's own tests."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.engines import engine_or_skip
from helpers.faulty_services import Played, play_to_end, remove_images
from helpers.miniature import make_assembly
from nova_infra.assembly import Assembly, Template
from nova_infra.config import Dependency
from nova_infra.containers.engine import Engine
from nova_infra.rehearsal.delivery.removed_safeguards import weakened
from nova_infra.rehearsal.dependencies.container import Needed
from nova_infra.rehearsal.pipeline.forecast import forecast
from nova_infra.rehearsal.pipeline.precheck import precheck, taken_for_granted
from nova_infra.rehearsal.pipeline.release import Release
from nova_infra.rehearsal.pipeline.simulated import new_record
from nova_infra.rehearsal.requests.files import RequestFiles
from nova_infra.rehearsal.tasks.runtime import SourceRuntime

SERVER = """
import http.server, json, os, signal, sys, threading, time
FAULT = os.environ.get("FAULT", "")
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # as the first process of a container has to
OPERATIONS = [f"/tiny/{n}" for n in range(int(os.environ.get("OPERATIONS", "3")))]
kept, count = [], [0]
%(before)s
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two packets, and the second would wait for 40 ms
    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        status, body = (200 if path in OPERATIONS else 404), b"fine"
        if path == "/health":
            status = 200
        if path == "/tiny/openapi.json":
            good = {"get": {"responses": {"200": {"description": "good"}}}}
            document = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": dict.fromkeys(OPERATIONS, good)}
            status, body = 200, json.dumps(document).encode()
        count[0] += path in OPERATIONS
        self.more = []
%(within)s
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for header in self.more:
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(body)
    do_GET = do_POST = answer
    def log_message(self, *_): pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
Server((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""

Edit = Callable[[dict[str, Template]], None]


def play(
    directory: Path,
    *,
    before: str = "",
    within: str = "",
    only_production: bool = True,
    edit: Edit | None = None,
    edit_both: Edit | None = None,
    requests: str = "",
    approve: bool = True,
    seconds: float = 0.4,
    both: bool = False,
    ahead: bool = False,
    dependency: Dependency | None = None,
    **pipeline: Any,
) -> Played:
    """Release the miniature with a fault or an edit over the miniature without.

    Args:
        directory: Where to work.
        before: Python that the service runs when it starts, where the fault is.
        within: Python that handles a request, where the fault is; ``path``, ``status`` and ``body`` may change.
        only_production: Whether the fault is only in Prod.
        edit: Changes the candidate's templates, by file name.
        edit_both: Changes the templates of both releases.
        requests: What ``requests.http`` holds.
        approve: Whether the approval is given.
        seconds: Seconds in a minute.
        ahead: Whether environments open before their turn, and the first one's tasks stay up to the end.
        both: Whether what runs before has the fault, too.
        dependency: A container that runs beside it; skipped where there is no engine.
        pipeline: More for the miniature's assembly.
    """
    test = pipeline.pop("test", "true")
    assemblies = {}
    for name, release in (("old", "one"), ("new", "two")):
        given = {**pipeline, "test": test if name == "new" else "true"}
        assemblies[name] = make_assembly(directory / name, release=release, **given)
    checkouts = {}
    for name, faulty in (("old", False), ("new", True)):
        source = directory / f"sources-{name}" / "services" / "tiny"
        (source / "src").mkdir(parents=True)
        condition = "if os.environ.get('PLACE') == 'Prod':" if only_production else "if True:"
        blocks = {
            key: "\n".join([f"{indent}{condition}", *(f"{indent}    {line}" for line in code.splitlines())])
            if code and (faulty or both)
            else ""
            for key, code, indent in (("before", before, ""), ("within", within, "        "))
        }
        (source / "src" / "serve.py").write_text(SERVER % blocks)
        checkouts[name] = directory / f"sources-{name}"
    for name in ("old", "new"):
        templates = {
            each: json.loads((assemblies[name] / f"{each}.json").read_text()) for each in ("Dev", "Prod", "pipeline")
        }
        for place in ("Dev", "Prod"):
            [container] = templates[place]["Resources"]["Task"]["Properties"]["ContainerDefinitions"]
            container["Environment"].append({"Name": "PLACE", "Value": place})
        if edit_both is not None:
            edit_both(templates)
        if edit is not None and name == "new":
            edit(templates)
        for each, template in templates.items():
            (assemblies[name] / f"{each}.json").write_text(json.dumps(template))
    if requests:
        (checkouts["new"] / "requests.http").write_text(requests)
    runtime = SourceRuntime(engine_or_skip() if dependency else None)
    if dependency:
        runtime.dependencies = (Needed(dependency, dependency.image or ""),)
    return _play(directory, assemblies, checkouts, runtime, approve=approve, seconds=seconds, ahead=ahead)


def _play(
    directory: Path,
    assemblies: dict[str, Path],
    checkouts: dict[str, Path],
    runtime: SourceRuntime,
    *,
    approve: bool,
    seconds: float,
    ahead: bool,
) -> Played:
    baseline = Release("baseline", Assembly(assemblies["old"]), checkouts["old"])
    candidate = Release("candidate", Assembly(assemblies["new"]), checkouts["new"])
    pipeline = candidate.pipeline()
    record = new_record(pipeline, candidate=candidate, baseline=baseline)
    if not forecast(candidate, baseline).refusals:  # As in a rehearsal, where the plan comes first.
        precheck(candidate)
        record.granted = taken_for_granted(candidate, baseline)
    record.unsafe += weakened(baseline.pipeline(), pipeline)
    return play_to_end(
        pipeline,
        candidate,
        baseline,
        record,
        runtime=runtime,
        files=RequestFiles.load(checkouts["new"]),
        logs=directory / "logs",
        most_seconds=240,
        approve=approve,
        seconds_per_minute=seconds,
        ahead=ahead,
    )


@pytest.fixture(scope="session", name="engine")
def _engine_fixture() -> Engine:
    """This machine's engine."""
    return engine_or_skip()


@pytest.fixture(name="play")
def _play_fixture() -> Callable[..., Played]:
    """Plays a fault or an edit."""
    return play


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remove the images that were made for faults, once, when every test has ended."""
    if not hasattr(session.config, "workerinput"):
        remove_images()
