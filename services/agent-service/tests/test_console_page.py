"""The console page as it is sent: its words, its headers, and what it offers."""

from __future__ import annotations

import ast
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from agent_service.main import build_app
from agent_service.names import SiblingNames
from agent_service.siblings import Siblings
from nova_kit.settings import Settings

SERVICES = Path(__file__).parents[2]
PAGE = files("agent_service").joinpath("console")
ALL = SiblingNames(sound="ears", video="eyes", search="finder")


def page(names: SiblingNames = ALL, **headers: str) -> Any:
    app = build_app(Settings(service="agent-service"), Siblings("http://balancer"), names)
    return TestClient(app).get("/", headers=headers)


def words(language: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(PAGE.joinpath(f"words.{language}.json").read_text(encoding="utf-8"))
    return document


def flat(document: dict[str, Any], path: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in document.items():
        found |= flat(value, f"{path}{key}.") if isinstance(value, dict) else {path + key: value}
    return found


def gaps(text: str) -> list[str]:
    return sorted(re.findall(r"\{(\w*)\}", text))


def test_both_languages_have_the_same_words_with_the_same_gaps() -> None:
    english, japanese = flat(words("en")), flat(words("ja"))
    assert english.keys() == japanese.keys()
    assert {key: gaps(text) for key, text in english.items()} == {key: gaps(text) for key, text in japanese.items()}


def test_every_word_that_the_page_asks_for_is_there() -> None:
    page = PAGE.joinpath("console.html").read_text(encoding="utf-8")
    asked = set(re.findall(r'data-word(?:-label|-placeholder)?="(\w+)"', page))
    for script in PAGE.iterdir():
        if script.name.endswith(".js"):
            text = script.read_text(encoding="utf-8")
            asked |= set(re.findall(r'\bword\("([\w.]+)"', text))
            asked |= set(re.findall(r'^    \["(\w+)", ', text, flags=re.MULTILINE))
    assert len(asked) > 40
    assert asked <= flat(words("en")).keys()


def _sentences() -> dict[str, str]:
    """Return every sentence that a service may refuse with, gaps as {}, and the module that has it."""
    raised = {"Problem", "CallError", "PassingError", "CallerError"}
    found: dict[str, str] = {}
    # Those that a file may meet, here, in the kit and in those of its siblings that are still in the project.
    modules = [SERVICES / "kit/src/nova_kit/media.py", *(Path(__file__).parents[1] / "src").rglob("*.py")]
    for sibling in ("audio-service", "search-service", "video-service"):
        modules += (SERVICES / sibling / "src").rglob("*.py")
    for module in sorted(modules):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in raised:
                found |= {text: module.name for argument in node.args if " " in (text := _template(argument))}
    return found


def _template(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return ""


def test_every_sentence_of_a_refusal_is_there_in_japanese() -> None:
    sentences, translated = _sentences(), json.loads(PAGE.joinpath("problems.ja.json").read_text(encoding="utf-8"))
    siblings = [SERVICES / f"{name}-service" for name in ("audio", "search", "video")]
    assert len(sentences) > (40 if all(map(Path.is_dir, siblings)) else 10)
    assert {text: module for text, module in sentences.items() if text not in translated} == {}
    for sentence, japanese in translated.items():
        assert japanese.endswith("。")
        if " " in sentence:
            assert japanese.count("{}") <= sentence.count("{}"), sentence


def test_the_pages_headers_keep_everything_else_out() -> None:
    headers = page().headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert "microphone=()" in headers["permissions-policy"]


@pytest.mark.exhaustive("test_the_pages_headers_keep_everything_else_out")
@pytest.mark.parametrize(("forwarded", "sent"), [("https", True), ("https, http", True), ("http", False), ("", False)])
def test_browsers_that_came_by_tls_are_told_to_stay_with_it(forwarded: str, sent: bool) -> None:
    response = page(ALL, **{"X-Forwarded-Proto": forwarded} if forwarded else {})
    assert ("strict-transport-security" in response.headers) is sent


@pytest.mark.exhaustive("test_the_pages_headers_keep_everything_else_out")
@pytest.mark.parametrize(
    ("names", "offers"),
    [(ALL, "sound video search"), (SiblingNames(search="finder"), "search"), (SiblingNames(), "")],
)
def test_the_page_offers_what_its_siblings_do(names: SiblingNames, offers: str) -> None:
    assert f'data-offers="{offers}"' in page(names).text


def test_the_page_is_whole() -> None:
    text = page().text
    assert re.findall(r"/\*\w+\*/", text) == []
    data = text.partition('id="words">')[2].partition("</script>")[0]
    assert set(json.loads(data)["words"]) == {"en", "ja"}


def test_the_console_is_one_page_that_asks_no_other_host() -> None:
    response = page()
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "/*css*/" not in response.text
    assert " src=" not in response.text
    assert "@import" not in response.text
