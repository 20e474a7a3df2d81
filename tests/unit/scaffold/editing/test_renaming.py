"""What counts as a service's name, and what only looks like it."""

import pytest

from nova_infra.scaffold.editing.renaming import Renaming

PLAIN = Renaming("search", "look-up", frozenset({"main", "ranking"}), frozenset({"pages/search", "src/lib/search"}))
HYPHEN = Renaming("text-service", "words")


@pytest.mark.parametrize(
    ("renaming", "before", "after"),
    [
        (HYPHEN, "from text_service.main import app", "from words.main import app"),
        (HYPHEN, 'post("/text-service/count")', 'post("/words/count")'),
        (HYPHEN, "COPY text-service/src/ /opt", "COPY words/src/ /opt"),
        (HYPHEN, 'packages = ["src/text_service"]', 'packages = ["src/words"]'),
        (HYPHEN, "The text-service. def text_service(): return users.text_service(text_service=1)", ""),
        (HYPHEN, '{"mode": "text-service"}, "https://auth.example.com/text-service"', ""),
        (HYPHEN, "import text_service, os\ntext_service.run()", "import words, os\nwords.run()"),
        (HYPHEN, "import os, text_service.main\ntext_service.main.run()", "import os, words.main\nwords.main.run()"),
        (HYPHEN, "pytest --cov=text_service --cov text_service", "pytest --cov=words --cov words"),
        (
            HYPHEN,
            '[tool.setuptools.package-data]\ntext_service = ["*.json"]\n[tool.coverage.run]\nsource = ["text_service"]',
            '[tool.setuptools.package-data]\nwords = ["*.json"]\n[tool.coverage.run]\nsource = ["words"]',
        ),
        (HYPHEN, "COPY src/text_service /app/text_service", "COPY src/words /app/words"),
        (
            HYPHEN,
            "WORKDIR /app/text_service\nENV FLASK_APP=text_service.main",
            "WORKDIR /app/words\nENV FLASK_APP=words.main",
        ),
        (HYPHEN, "exec gunicorn text_service.web.app:app", "exec gunicorn words.web.app:app"),
        (HYPHEN, 'import os\nx["text_service"], sql("FROM text_service"), f(text_service=1), y.text_service', ""),
        (HYPHEN, "CREATE TABLE text_service (id int);\nSELECT * FROM text_service", ""),
        (HYPHEN, '{"text_service": ["text_service"]}', ""),
        (PLAIN, "import search, os\nsearch.run()", "import look_up, os\nlook_up.run()"),
        (PLAIN, "import os, search.main\nx = search.main", "import os, look_up.main\nx = look_up.main"),
        (PLAIN, "COPY src/search /app/search", "COPY src/look_up /app/look_up"),
        (PLAIN, "ENV FLASK_APP=search.main", "ENV FLASK_APP=look_up.main"),
        (PLAIN, "exec gunicorn search.ranking.app:app", "exec gunicorn look_up.ranking.app:app"),
        (HYPHEN, "my-text-service text-service-2 text_services", "my-text-service text-service-2 text_services"),
        (PLAIN, "from search.main import app", "from look_up.main import app"),
        (PLAIN, "    import search", "    import look_up"),
        (PLAIN, "import search.main as m; m.search.rank()", "import look_up.main as m; m.search.rank()"),
        (PLAIN, 'patch("search.ranking._wanted")', 'patch("look_up.ranking._wanted")'),
        (PLAIN, 'CMD ["python", "-m", "nova_kit.serve", "search.main:app"]', None),
        (PLAIN, 'post("/search/rank"), get(f"/search")', 'post("/look-up/rank"), get(f"/look-up")'),
        (PLAIN, 'create_app(\n    "search",', 'create_app(\n    "look-up",'),
        (PLAIN, "COPY search/src/ /opt", "COPY look-up/src/ /opt"),
        (PLAIN, "docker build -f services/search/Dockerfile", "docker build -f services/look-up/Dockerfile"),
        (PLAIN, 'packages = ["src/search"]', 'packages = ["src/look_up"]'),
        (PLAIN, "nova image build --local search", "nova image build --local look-up"),
        (PLAIN, "module search\n\ngo 1.24", "module look-up\n\ngo 1.24"),
        (PLAIN, "COPY pages/search/ pages/searches/ /srv", "COPY pages/look-up/ pages/searches/ /srv"),
        (PLAIN, "COPY pages/search /usr/share/nginx/search", "COPY pages/look-up /usr/share/nginx/look-up"),
        (PLAIN, 'files("search"), import_module("search.x")', 'files("look_up"), import_module("look_up.x")'),
        (PLAIN, "import search\n\nsearch.VERSION", "import look_up\n\nlook_up.VERSION"),
        (PLAIN, "import search.ranking\nx = search.ranking", "import look_up.ranking\nx = look_up.ranking"),
        (
            PLAIN,
            "from search import main\nsearch = ()\nsearch.main()",
            "from look_up import main\nsearch = ()\nsearch.main()",
        ),
        (PLAIN, '["python", "-m", "search"], python -m search', '["python", "-m", "look_up"], python -m look_up'),
        (
            PLAIN,
            'tags=["search"]; x["search"]; post(params={"search": 1})',
            'tags=["look-up"]; x["search"]; post(params={"search": 1})',
        ),
        (PLAIN, "re.search(x); search = 1; research; search_all(); self.search.go()", ""),
        (PLAIN, "A search for words. The search.", ""),
        (PLAIN, '"/searches/" "/re/search.txt"', ""),
    ],
)
def test_a_name_is_replaced_where_it_means_the_service(renaming: Renaming, before: str, after: str | None) -> None:
    expected = before.replace("search.main:", "look_up.main:") if after is None else after or before
    assert renaming.of_text(before) == expected
    assert list(renaming.lines(before)) or expected == before


def test_files_are_renamed_with_the_module() -> None:
    paths = ["src/search/search.py", "src/search/main.py", "tests/test_search.py", "tests/test_search_all.py", "search"]
    paths += ["pages/search/search", "src/search/search/data.txt", "tests/search/test_all.py"]
    assert [PLAIN.of_path(path) for path in paths] == [
        "src/look_up/search.py",
        "src/look_up/main.py",
        "tests/test_look_up.py",
        "tests/test_look_up_all.py",
        "search",
        "pages/look-up/search",
        "src/look_up/search/data.txt",
        "tests/search/test_all.py",
    ]


def test_a_word_in_quotes_and_a_name_that_is_no_word_may_mean_the_service_and_are_reported() -> None:
    assert list(PLAIN.lines('a search\nx["search"]\nre.search(x)\n"/search/x"')) == [2, 4]
    assert list(HYPHEN.lines("the text-service\nthe text_service\na text-service-2")) == [1, 2]
    assert list(PLAIN.lines("pytest --cov=search\nWORKDIR /app/search\nRUN research x-search\nsearch = 1")) == [1, 2]
