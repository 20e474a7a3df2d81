"""What `make fuzz` damages and sends to the agent. It finds no siblings then: its steps fail, and nothing else may."""

from __future__ import annotations

SAMPLES = {
    "WAV": ("/agent-service/run", "form", b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0"),
    "MP4": ("/agent-service/run", "form", b"\0\0\0\x18ftypisom\0\0\2\0isomiso2"),
    "text": ("/agent-service/run", "form", "A boat crosses the lake. 船が湖を渡る。".encode()),
}
