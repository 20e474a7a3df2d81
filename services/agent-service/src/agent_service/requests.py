"""Makes out what a request asks for."""

from __future__ import annotations

from typing import BinaryIO

from anyio import to_thread
from fastapi import UploadFile

from agent_service.handbook import handbook, language_of, passages_of
from agent_service.names import SiblingNames
from agent_service.planning import Call, plan
from nova_kit.media import identify
from nova_kit.problems import Problem

# What search takes at once is a little more; the rest is for JSON's own characters.
_MAX_TEXT_BYTES = 4 * 1024 * 1024


async def understand(
    file: UploadFile | None, text: str | None, at: float, names: SiblingNames
) -> tuple[list[Call], BinaryIO | None]:
    """Decide what to call for a request.

    Args:
        file: The upload, if there is one.
        text: The question, if there is one.
        at: Second of a video that is shown.
        names: The siblings.

    Returns:
        The calls, and the file that goes along with those that take one.

    Raises:
        Problem: 413, 415 or 422, nothing can be done with what was sent.
    """
    query = (text or "").strip() or None
    articles = handbook(language_of(query or ""))
    if file is None:
        if query is None:
            raise Problem(422, "There is nothing to do. Send a file, a text, or both.")
        return plan(None, query, articles, at, names), None
    found = await to_thread.run_sync(identify, file.file, file.content_type)
    if found is not None:
        return plan(found, query, articles, at, names), file.file
    if (file.size or 0) > _MAX_TEXT_BYTES:
        limit = _MAX_TEXT_BYTES // 1024 // 1024
        raise Problem(413, f"The file is in no known media format, and as text it is larger than {limit} MiB.")
    passages = await to_thread.run_sync(passages_of, await file.read())
    if query is None:
        raise Problem(422, "A text file needs a question. Send one as `text`.")
    return plan(None, query, passages, at, names), None
