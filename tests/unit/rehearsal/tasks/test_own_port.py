"""The port of a program that nobody tells one."""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from nova_infra.assembly import DockerAsset
from nova_infra.errors import NovaError
from nova_infra.rehearsal.tasks.definition import TaskDefinition
from nova_infra.rehearsal.tasks.own_port import own_port
from nova_infra.rehearsal.tasks.process import ProcessTask
from nova_infra.rehearsal.tasks.task import TaskFailedError, free_port

Define = Callable[..., TaskDefinition]


@pytest.mark.parametrize(
    ("file", "text", "port"),
    [
        ("server.py", 'PORT = int(os.environ.get("PORT", "8080"))', 8080),
        ("server.py", "port = int(os.getenv('PORT', 8080))", 8080),
        ("server.py", 'port = int(os.getenv("PORT") or 9000)', 9000),
        ("server.js", "app.listen(process.env.PORT || 3000)", 3000),
        ("server.ts", "const port = Number(process.env['PORT'] ?? '3001')", 3001),
        ("run.sh", "exec serve --port ${PORT:-5000}", 5000),
        ("app.rb", 'set :port, ENV.fetch("PORT", 4567)', 4567),
        ("main.py", "if __name__ == '__main__': run(os.environ.get('PORT', 5000))", 5000),
        ("server.py", 'os.environ.get("DB_PORT", "5432"), os.environ["PORT"]', None),
        ("server.py", "cfg.get('PORT', 5432)", None),
        ("server.py", 'os.getenv("PORT", "8080"), os.getenv("PORT", "9090")', None),
        ("server.py", 'serve(7070); os.getenv("PORT", "8080")', None),
        ("server.py", 'os.environ.setdefault("PORT", "1"); os.getenv("PORT", "8080")', None),
        ("run.sh", "export PORT=80\nexec serve --port ${PORT:-5000}", None),
        ("README.md", 'os.getenv("PORT", "8080")', None),
    ],
)
def test_the_file_that_is_run_says_which_port_is_taken_without_the_variable(
    file: str, text: str, port: int | None, tmp_path: Path
) -> None:
    (tmp_path / file).write_text(text)
    assert own_port(tmp_path, ("run", file), 7070) == ((port, file) if port else None)


@pytest.mark.parametrize(
    ("file", "text", "words", "port"),
    [
        ("vite.config.ts", "process.env.PORT || 5173", "node server.js", None),
        ("scripts/smoke.sh", "curl localhost:${PORT:-3000}", "node server.js", None),
        ("other/main.py", 'os.getenv("PORT", "3000")', "python main.py", None),
        ("app.py", "if __name__ == '__main__':\n    run(os.getenv('PORT', 5000))", "python server.py", None),
        ("app.py", "run(os.getenv('PORT', 5000))", "python server.py", 5000),
        ("settings/port.js", "module.exports = process.env.PORT || 3000", "node server.js", 3000),
        ("app/__main__.py", "run(os.getenv('PORT', 5000))", "sh -c 'exec python -m app'", None),
        (".env", "PORT=7070", "python server.py", None),
    ],
)
def test_no_other_file_counts_but_what_it_imports(
    file: str, text: str, words: str, port: int | None, tmp_path: Path
) -> None:
    (tmp_path / "server.js").write_text("const port = require('./settings/port')")
    (tmp_path / "server.py").write_text("from app import run")
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    assert own_port(tmp_path, tuple(words.split(" ", 1)), 7070) == ((port, file) if port else None)


@pytest.mark.parametrize(
    ("dockerfile", "variables", "doubted"),
    [
        ('CMD ["python", "server.py"]', {}, True),
        ('CMD ["python", "server.py"]', {"LISTEN": "9876"}, True),
        ('ARG PORT=80\nENV PORT=$PORT\nCMD ["python", "server.py"]', {}, False),
        ('ENV LEVEL=1 \\\n  PORT=9876\nCMD ["python", "server.py"]', {}, False),
        ('CMD ["python", "server.py"]', {"PORT": "80"}, False),
        ('CMD ["false"]', {}, False),
    ],
)
def test_a_port_that_only_a_rehearsal_tells_is_in_doubt(
    definition: Define, tmp_path: Path, dockerfile: str, variables: dict[str, str], doubted: bool
) -> None:
    (tmp_path / "server.py").write_text('PORT = os.environ.get("PORT", "9876")')
    (tmp_path / "Dockerfile").write_text(f"FROM scratch\n{dockerfile}\n")
    image = replace(definition(), entry_point=(), command=(), environment=variables)
    asset, doubts = DockerAsset(tmp_path, "Dockerfile", {}), dict[str, str]()
    task = ProcessTask(image, asyncio.Semaphore(2), 20, sources=tmp_path, asset=asset, doubts=doubts)

    async def play() -> None:
        try:
            await task.start()
        finally:
            await task.stop()

    with pytest.raises(TaskFailedError, match="exit"):
        asyncio.run(play())
    assert [*doubts] == ([image.revision] if doubted else [])
    assert all("without it server.py seems to take 9876" in each for each in doubts.values())


def test_a_program_that_its_dockerfile_makes_is_not_played_from_its_sources(definition: Define, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text('FROM a AS b\nCMD ["/built"]\nFROM b\nCMD ["/other"]\n')
    task = ProcessTask(
        replace(definition(), entry_point=(), command=()),
        asyncio.Semaphore(2),
        20,
        sources=tmp_path,
        asset=DockerAsset(tmp_path, "Dockerfile", {}, target="b"),
    )
    with pytest.raises(NovaError, match=r"/built is not among its sources \(No such file or directory\)"):
        asyncio.run(task.launch())
    asyncio.run(task.stop())


def test_a_program_of_a_fixed_port_is_not_played_from_its_sources(definition: Define, tmp_path: Path) -> None:
    port = free_port()
    serve = f"import http.server as h; h.HTTPServer(('127.0.0.1', {port}), h.BaseHTTPRequestHandler).serve_forever()"
    fixed = replace(definition(), port=port, entry_point=(), command=(sys.executable, "-c", serve), environment={})
    task = ProcessTask(fixed, asyncio.Semaphore(2), 20, sources=tmp_path)

    async def play() -> None:
        try:
            await task.start()
        finally:
            await task.stop()

    with pytest.raises(NovaError, match=f"listens on port {port} whatever PORT says"):
        asyncio.run(play())
