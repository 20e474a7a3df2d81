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
        ("server.py", 'os.environ.get("DB_PORT", "5432"), os.environ["PORT"]', None),
        ("server.py", 'get("PORT", "8080"), get("PORT", "9090")', None),
        ("tests/test_server.py", 'get("PORT", "8080")', None),
        ("README.md", 'get("PORT", "8080")', None),
    ],
)
def test_the_source_says_which_port_is_taken_without_the_variable(
    file: str, text: str, port: int | None, tmp_path: Path
) -> None:
    place = tmp_path / file
    place.parent.mkdir(exist_ok=True)
    place.write_text(text)
    assert own_port(tmp_path) == ((port, file) if port else None)
