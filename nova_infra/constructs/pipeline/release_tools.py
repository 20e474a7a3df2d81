"""The tools that the release steps run: the deployed pipeline accepts only the approved ones, by their digest.

Brief, preflight, gate and verify run what the commit's ``Makefile`` calls. The pipeline's template holds the digest of
those files, and its steps refuse others before anything of the commit runs. So a commit that changes a tool changes the
pipeline, which waits for the approval of such a change (``update_approval.py``); any other commit runs the tools of the
release before it. Tools and ``nova.toml`` stay of one commit: earlier tools would not know the keys of a later one.
"""

from nova_infra.machine.tools import MADE, TOOLS

_DIGEST = (
    f"find -L {' '.join((*TOOLS, *MADE[:2]))} -type f -print0 2>/dev/null | LC_ALL=C sort -z | xargs -0 sha256sum | "
    "sha256sum | cut -d' ' -f1"
)


def refuse_others(digest: str) -> str:
    """A step's command, the pipeline's own, which refuses a commit with other tools."""
    return (
        f'test "$({_DIGEST})" = {digest} || {{ echo "tools: what this step would run of the commit is not what was '
        "approved with the pipeline: start a new release, whose ApprovePipeline asks for it; an earlier release comes "
        'back by nova rollback"; false; }'
    )
