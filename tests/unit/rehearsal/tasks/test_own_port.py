"""The port of a program that nobody tells one."""

from pathlib import Path

import pytest

from nova_infra.rehearsal.tasks.own_port import own_port


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
