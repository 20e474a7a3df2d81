"""Writes the bill of materials of the command: python scripts/sbom.py requirements.txt dist/sbom.cdx.json."""

import re
import sys
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

_PIN = re.compile(r"^([\w.-]+)(?:\[[^]]*\])?==([\w.!+-]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def bom(lock: str) -> Bom:
    """The bill of materials of a lock: every package by its version, with the digests of its files."""
    found = Bom()
    for entry in lock.replace("\\\n", " ").splitlines():
        if pin := _PIN.match(entry):
            name, version = pin.groups()
            found.components.add(
                Component(
                    name=name,
                    version=version,
                    type=ComponentType.LIBRARY,
                    purl=PackageURL("pypi", name=name, version=version),
                    hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each) for each in _HASH.findall(entry)],
                )
            )
    return found


def main(arguments: list[str]) -> int:
    """Write it."""
    lock, target = map(Path, arguments)
    made = bom(lock.read_text(encoding="utf-8"))
    if not made.components:
        print(f"{lock}: names no package: write the locks with `make lock`", file=sys.stderr)
        return 1
    JsonV1Dot6(made).output_to_file(str(target), allow_overwrite=True, indent=2)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
