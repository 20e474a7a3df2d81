"""``docs/copilot.md``: ``python -m nova_infra.scaffold.copilot.document > docs/copilot.md``."""

from __future__ import annotations

from importlib import resources

from nova_infra.scaffold.copilot.answers import TYPES, answers


def document() -> str:
    """All keys as a page of Markdown."""
    types = ", ".join(f"{letter} {name}" for letter, name in TYPES.items())
    guide = (resources.files(__package__) / "guide.md").read_text(encoding="utf-8")
    text = guide.format(types=types)
    section = ""
    for answer in answers():
        if answer.section != section:
            section = answer.section
            text += (
                f"\n### {section.capitalize()}\n\n| Key | Types | Key of `nova.toml` | Answer |\n|---|---|---|---|\n"
            )
        nova = f"`{answer.nova}`" if answer.nova else "no"
        text += (
            f"| `{answer.key}` | {' '.join(answer.types)} | {nova} | {answer.sentence.replace('|', chr(92) + '|')} |\n"
        )
    return text


if __name__ == "__main__":
    print(document(), end="")
