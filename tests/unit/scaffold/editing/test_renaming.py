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
        (HYPHEN, "The text-service counts.", "The words counts."),
        (HYPHEN, "def test_text_service():", "def test_words():"),
        (HYPHEN, "my-text-service text-service-2 text_services", "my-text-service text-service-2 text_services"),
        (PLAIN, "from search.main import app", "from look_up.main import app"),
        (PLAIN, "    import search", "    import look_up"),
        (PLAIN, "import search.main as m; search.ranking.rank()", "import look_up.main as m; look_up.ranking.rank()"),
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
        (PLAIN, "re.search(x); search = 1; research; search_all(); self.search.go()", ""),
        (PLAIN, "A search for words. The search.", ""),
        (PLAIN, '"/searches/" "/re/search.txt"', ""),
    ],
)
def test_a_name_is_replaced_where_it_means_the_service(renaming: Renaming, before: str, after: str | None) -> None:
    expected = before.replace("search.main:", "look_up.main:") if after is None else after or before
    assert renaming.of_text(before) == expected
    assert bool(list(renaming.lines(before))) == (expected != before)


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
