"""The miniature as a container of an image, with a fault in its program, its image or its task definition.

Only Prod is played: the image without the fault runs there, and the one with it replaces it.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from helpers.engines import limits_of
from helpers.faulty_services import PLACE, Played, play_to_end
from helpers.miniature import make_assembly
from nova_infra.assembly import Assembly
from nova_infra.containers.build import Recipe, build
from nova_infra.containers.engine import Engine
from nova_infra.images.build_context import ContextFile
from nova_infra.rehearsal.pipeline.edits import previous_images
from nova_infra.rehearsal.pipeline.precheck import precheck
from nova_infra.rehearsal.pipeline.release import Release
from nova_infra.rehearsal.pipeline.simulated import new_record
from nova_infra.rehearsal.requests.files import RequestFiles
from nova_infra.rehearsal.tasks.runtime import ImageRuntime

BASE = next(
    line.split()[1]
    for line in (Path(__file__).parents[2] / "nova_infra/scaffold/service_template/Dockerfile.template")
    .read_text(encoding="utf-8")
    .splitlines()
    if line.startswith("FROM ")
)
ALARM = "prod-errors went to ALARM"
AS_ROOT, AS_USER = "USER root", "USER 10001:10001"
DOCKERFILE = f"""FROM {BASE}
WORKDIR /app
COPY serve.py notes.txt script.sh windows.sh bare.sh ./
RUN chmod 644 serve.py notes.txt && chmod 755 *.sh
CMD ["python3", "serve.py"]
USER 10001:10001
"""
SERVER = """
import http.server, json, os, signal, socket, subprocess, sys, threading, time

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # as the first process of a container has to
kept = []
exec(os.environ.get("BEFORE", ""))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two packets, and the second would wait for 40 ms

    def do_GET(self):
        status, body = 200, b"fine"
        if self.path == "/tiny/openapi.json":
            good = {"get": {"responses": {"200": {"description": "good"}}}}
            paths = {"/tiny/one": good, "/tiny/two": good}
            body = json.dumps({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": paths}).encode()
        elif self.path != "/health":
            try:
                exec(os.environ.get("WITHIN", ""), globals(), {"self": self})
            except Exception as error:  # as web frameworks do
                print(repr(error), file=sys.stderr)
                status = 500
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    address_family = getattr(socket, os.environ.get("FAMILY", "AF_INET"))


Server((os.environ.get("HOST", "0.0.0.0"), int(os.environ.get("PORT", "8080"))), Handler).serve_forever()
"""
FILES = {
    "serve.py": SERVER,
    "notes.txt": "notes",
    "script.sh": "#!/bin/sh\nexec python3 serve.py\n",
    "windows.sh": "#!/bin/sh\r\nexec python3 serve.py\r\n",
    "bare.sh": "exec python3 serve.py\n",
}


def image(*lines: str) -> dict[str, str]:
    """What :func:`play` takes for an image with further lines at the end of its Dockerfile."""
    return {"dockerfile": DOCKERFILE + "".join(f"{line}\n" for line in lines)}


def check(*command: str) -> dict[str, Any]:
    """A container health check."""
    return {"HealthCheck": {"Command": list(command), "Interval": 5, "Timeout": 2, "Retries": 2}}


def image_of(engine: Engine, dockerfile: str) -> str:
    """The name of an image of the miniature, built unless it is there."""
    files = {**FILES, "Dockerfile": dockerfile}
    digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:16]
    recipe = Recipe(
        f"{PLACE}/tiny:{digest}",
        "Dockerfile",
        f"linux/{engine.architecture}",
        {},
        tuple(ContextFile(name, "file", text.encode()) for name, text in sorted(files.items())),
    )
    build(engine, recipe, tell=lambda _: None)
    return recipe.name


def play(
    engine: Engine,
    directory: Path,
    *,
    dockerfile: str = "",
    before: str = "",
    within: str = "",
    environment: dict[str, str] | None = None,
    task: Callable[[dict[str, Any], dict[str, Any]], None] | None = None,
    seconds: float = 0.4,
    **container: Any,
) -> Played:
    """Release the miniature with a fault over the miniature without.

    Args:
        directory: Where to work.
        dockerfile: What builds the image that has the fault; otherwise what builds the one without.
        before: Python that the service runs when it starts, where the fault is.
        within: Python that handles a request, where the fault is.
        environment: Variables of the container that has the fault.
        task: Changes the template's resources, and the container that has the fault.
        seconds: Seconds in a minute.
        container: Properties of the container that has the fault.
    """
    good = image_of(engine, DOCKERFILE)
    faulty = image_of(engine, dockerfile) if dockerfile else good
    for name in ("old", "new"):
        assembly = make_assembly(directory / name)
        template = json.loads((assembly / "Prod.json").read_text())
        definition = template["Resources"]["Task"]["Properties"]
        [found] = definition["ContainerDefinitions"]
        del found["Command"]
        definition.update(Cpu="256", Volumes=[{"Name": "tmp"}])
        found.update(
            Image=good,
            Environment=[],
            ReadonlyRootFilesystem=True,
            MountPoints=[{"SourceVolume": "tmp", "ContainerPath": "/tmp", "ReadOnly": False}],
        )
        if name == "new":
            variables = {"BEFORE": before, "WITHIN": within, **(environment or {})}
            found.update(
                Image=faulty, Environment=[{"Name": k, "Value": v} for k, v in variables.items() if v], **container
            )
            if task is not None:
                task(template["Resources"], found)
        (assembly / "Prod.json").write_text(json.dumps(template))
    runtime = ImageRuntime(engine, limits=limits_of(engine))
    baseline = Release("baseline", Assembly(directory / "old"), directory, (previous_images,))
    candidate = Release("candidate", Assembly(directory / "new"), directory)
    whole = candidate.pipeline()
    pipeline = replace(whole, stages=tuple(stage for stage in whole.stages if stage.name == "Prod"))
    precheck(candidate)
    record = new_record(pipeline, candidate=candidate, baseline=baseline, runtime=runtime)
    return play_to_end(
        pipeline,
        candidate,
        baseline,
        record,
        runtime=runtime,
        files=RequestFiles(),
        logs=directory / "logs",
        most_seconds=240,
        seconds_per_minute=seconds,
    )
