"""``docs/copilot.md``: ``python -m nova_infra.scaffold.copilot.document > docs/copilot.md``."""

from importlib import resources
from itertools import groupby

from nova_infra.documents.markdown import as_markdown
from nova_infra.documents.model import Cell, Document, Prose, Section, Table
from nova_infra.scaffold.copilot.answers import TYPES, ManifestKey, answers

_COLUMNS = ("Key", "Types", "Key of `nova.toml`", "Answer")


def document() -> str:
    """The guide and all keys as a page of Markdown."""
    types = ", ".join(f"{letter} {name}" for letter, name in TYPES.items())
    guide = (resources.files(__package__) / "guide.md").read_text(encoding="utf-8").format(types=types)
    sections = (
        Section(title.capitalize(), (Table(tuple(map(_row, found)), tuple(map(Prose, _COLUMNS))),))
        for title, found in groupby(answers(), key=lambda answer: answer.section)
    )
    return f"{guide}\n{as_markdown(Document(sections=tuple(sections)), level=2)}"


def _row(answer: ManifestKey) -> tuple[Cell, ...]:
    nova = f"`{answer.nova}`" if answer.nova else "no"
    return Prose(f"`{answer.key}`"), " ".join(answer.types), Prose(nova), Prose(answer.sentence)


if __name__ == "__main__":
    print(document(), end="")
