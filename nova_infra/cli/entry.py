"""The entry point of the ``nova`` command. If a package is missing, it says which extra to install."""

import sys


def main() -> None:
    """Run the command."""
    try:
        from nova_infra.cli.main import main as run

        run()
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "nova_infra":
            raise
        print(f"nova: {error.name} is not installed: pip install 'nova-infra[tools,rehearsal]'", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:  # while modules load; `main` answers for all that comes later
        print("interrupted: nothing had been started", file=sys.stderr)
        sys.exit(130)
