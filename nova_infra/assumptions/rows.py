"""The rows of ``rows.toml``: what AWS and CDK are relied on to do, and the id of an experiment, if any."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("rows.toml")
_OPEN = re.compile(r"\bopen\b", re.IGNORECASE)


@dataclass(frozen=True)
class Row:
    """A behaviour that something depends on.

    Attributes:
        behaviour: The claim, which an experiment finds held or refuted.
        standing: How it is known: synthesized, documented, reported, seen, open.
        id: What ``nova prove --only`` calls it; empty for a row that is not open.
        unproven: Why no experiment settles it; empty where one does.
    """

    behaviour: str
    standing: str
    supports: str
    proof: str
    id: str = ""
    unproven: str = ""

    @property
    def is_open(self) -> bool:
        """Whether only a live account can settle it, or a part of it."""
        return bool(_OPEN.search(self.standing))


@cache
def sections() -> dict[str, tuple[Row, ...]]:
    """Title to rows, in the order of the page."""
    table = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return {section["title"]: tuple(Row(**row) for row in section["rows"]) for section in table["sections"]}


def rows() -> dict[str, Row]:
    """Id to row, for those that have one."""
    return {row.id: row for section in sections().values() for row in section if row.id}
