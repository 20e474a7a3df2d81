"""The options --assembly and --digest: which assembly a command works on, and that it is the one Build made."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from nova_infra.errors import CheckFailedError, RefusedError

SYNTHESIZED = click.option(
    "--assembly",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("cdk.out"),
    show_default=True,
    help="The synthesized assembly.",
)
"""For a command that takes the assembly as it is."""

OR_SYNTHESIZE = click.option(
    "--assembly",
    type=click.Path(path_type=Path, file_okay=False),
    help="The working tree's assembly. Default: synthesize it to cdk.out.",
)
"""For a command that synthesizes unless it is given an assembly."""


def built_assembly(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options --assembly and --digest; one that is not what was built is refused."""

    @click.option("--assembly", type=click.Path(path_type=Path, file_okay=False), help="The release's assembly.")
    @click.option("--digest", metavar="SHA256", help="The assembly's digest when it was built.")
    @functools.wraps(command)
    def checked(*arguments: Any, assembly: Path | None, digest: str | None, **options: Any) -> None:
        from nova_infra.deployed.connect import REHEARSAL_VARIABLE

        # A rehearsal plays the assembly itself, and says which.
        if digest is not None and not os.environ.get(REHEARSAL_VARIABLE):
            if assembly is None:
                raise RefusedError("--digest: needs --assembly, the directory that it belongs to")
            _compare(assembly, digest)
        command(*arguments, assembly=assembly, **options)

    return checked


def _compare(assembly: Path, digest: str) -> None:
    from nova_infra.assembly import digest_of_files

    if not (assembly / "manifest.json").exists():
        raise RefusedError(f"{assembly}: holds no assembly: run make synth")
    found = digest_of_files(assembly)
    if found != digest:
        raise CheckFailedError(
            f"{assembly}: is not the assembly that was built: it is {found[:12]}, but the build made {digest[:12]}: "
            "somebody changed the artifact: find out who, and start a new release"
        )
