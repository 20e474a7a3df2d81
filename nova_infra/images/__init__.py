"""Images by content: what they are built from, their tags, how they are built, scanned and named."""
