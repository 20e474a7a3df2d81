"""The release that is being delivered."""
