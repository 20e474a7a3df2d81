"""Habits of the code that decides what is delivered: what it does would not show if one were dropped."""

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "nova_infra"
AREAS = ("checks", "constructs", "stacks", "operations/gates", "operations/records", "operations/rollback")
NODES = [
    (f"{path.relative_to(ROOT)}:{node.lineno}", node)
    for area in AREAS
    for path in sorted((ROOT / area).rglob("*.py"))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Compare | ast.Call)
]


def test_values_do_not_change() -> None:
    """But for the graph of roles, which remembers what it has read, and a release that is counted together."""
    changing = [
        f"{place.partition(':')[0]} {node.name}"
        for place, node in NODES
        if isinstance(node, ast.ClassDef)
        for decorator in node.decorator_list
        if "dataclass" in ast.unparse(decorator) and "frozen=True" not in ast.unparse(decorator)
    ]
    assert changing == ["checks/permissions/reach.py Graph", "operations/records/metrics.py DeliveredRelease"]


def test_no_parameter_is_known_by_its_place_alone() -> None:
    functions = [(place, node) for place, node in NODES if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert len(functions) > 500
    assert [place for place, node in functions if node.args.posonlyargs] == []


def test_only_what_there_is_one_of_is_compared_by_identity() -> None:
    compared = [
        (place, ast.unparse(right))
        for place, node in NODES
        if isinstance(node, ast.Compare)
        for operator, right in zip(node.ops, node.comparators, strict=True)
        if isinstance(operator, ast.Is | ast.IsNot)
    ]
    assert len(compared) > 50
    assert [each for each in compared if each[1] not in ("None", "True", "False")] == []


def test_texts_are_not_compared_by_their_order() -> None:
    """Among accounts, states and kinds, alphabetical order means nothing."""
    ordered = [
        (place, node)
        for place, node in NODES
        if isinstance(node, ast.Compare)
        and any(isinstance(each, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for each in node.ops)
    ]
    assert len(ordered) > 40
    assert [
        f"{place} {ast.unparse(node)}"
        for place, node in ordered
        for side in (node.left, *node.comparators)
        if isinstance(side, ast.Constant) and isinstance(side.value, str)
    ] == []


def test_what_is_paired_is_of_one_length() -> None:
    zips = [(place, ast.unparse(node)) for place, node in NODES if isinstance(node, ast.Call)]
    zips = [(place, text) for place, text in zips if text.startswith("zip(")]
    assert zips
    assert [place for place, text in zips if not text.endswith("strict=True)")] == []


@pytest.mark.exhaustive("test_texts_are_not_compared_by_their_order")
def test_no_text_has_the_marks_of_a_merge_that_was_not_finished() -> None:
    rooms = ("docs", "nova_infra", "scripts", "tests")
    found = [ROOT.parent / "README.md", *(path for room in rooms for path in (ROOT.parent / room).rglob("*"))]
    paths = [path for path in found if path.suffix in (".md", ".toml", ".py") and "node_modules" not in path.parts]
    assert len(paths) > 500
    marked = [path.name for path in paths if re.search(rb"^(?:<{7}|>{7}) ", path.read_bytes(), re.M)]
    assert marked == []


def test_every_link_between_the_pages_leads_to_a_page_and_a_heading() -> None:
    """Only those of the pages in ``docs/``, and the README's to them: what else a project has is its own."""
    readme, pages = ROOT.parent / "README.md", (ROOT.parent / "docs").rglob("*.md")
    links = [(readme, link) for link in _links(readme) if link.startswith("docs/")]
    links += [(page, link) for page in pages for link in _links(page)]
    assert len(links) > 30
    assert [f"{page.name}: {link}" for page, link in links if not _is_there(page, *link.partition("#"))] == []


def _links(page: Path) -> list[str]:
    found = re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    return [link for link in found if not link.startswith("http")]


def _is_there(page: Path, path: str, _: str, heading: str) -> bool:
    target = page.parent / path if path else page
    if not target.exists() or not heading:
        return target.exists()
    headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.M)
    return heading in {re.sub(r"[^\w\- ]", "", each.lower()).strip().replace(" ", "-") for each in headings}


def test_whatever_runs_tests_names_the_failed_ones_at_the_end() -> None:
    """`-r` replaces pytest's default of `fE`: a verdict that quotes those lines would quote none."""
    makefile = (ROOT.parent / "Makefile").read_text(encoding="utf-8")
    shown = re.findall(r"pytest .*?-r([A-Za-z]+)", makefile)
    assert len(shown) == 7
    assert [letters for letters in shown if not {"f", "E", "s"} <= set(letters)] == []


def test_a_broken_page_is_not_waited_for_in_every_test() -> None:
    """Each of them waits for half a minute: a rehearsal of such a release took longer than four minutes."""
    makefile = (ROOT.parent / "Makefile").read_text(encoding="utf-8")
    [suite] = re.findall(r"^e2e:.*\n\t(.*)", makefile, re.MULTILINE)
    [most] = re.findall(r"--maxfail=(\d+)", suite)
    assert 1 < int(most) < 10


def test_make_knows_the_services_where_no_python_is_on_the_path(tmp_path: Path) -> None:
    """Debian has no ``python``; without one make would type, lint and lock no service, and say nothing."""
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho billing\n")
    python.chmod(0o755)
    (tmp_path / "services" / "billing" / "src").mkdir(parents=True)
    make = [shutil.which("make") or "make", "-C", str(tmp_path), "-f", str(ROOT.parent / "Makefile")]
    planned = subprocess.run(
        [*make, "--dry-run", "--old-file=setup", "types", "lint"],
        env={"PATH": str(tmp_path)}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert planned.stderr == ""
    assert "mypy app.py examples nova_infra services/billing/src\n" in planned.stdout
    assert "--extend-exclude=services/billing" in planned.stdout


def test_every_file_that_a_module_names_beside_itself_is_there() -> None:
    """A program that is started by its file is missed by nobody until then."""
    named = [
        path.with_name(name)
        for path in ROOT.rglob("*.py")
        for name in re.findall(r'Path\(__file__\)\.with_name\("([^"]+)"\)', path.read_text(encoding="utf-8"))
    ]
    assert len(named) > 5
    assert [str(each) for each in named if not each.exists()] == []
