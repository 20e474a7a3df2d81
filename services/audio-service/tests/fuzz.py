"""What `make fuzz` damages and sends to the audio service: half a second of a tone in each format that it takes."""

from __future__ import annotations

import io

import av
import numpy as np

_RATE = 48_000

# Name, container, codec.
_FORMATS = (
    ("WAV", "wav", "pcm_s16le"),
    ("WAV, ADPCM", "wav", "adpcm_ima_wav"),
    ("WAV, floating point", "wav", "pcm_f32le"),
    ("MP3", "mp3", "libmp3lame"),
    ("M4A", "ipod", "aac"),
    ("ALAC", "ipod", "alac"),
    ("QuickTime", "mov", "aac"),
    ("AAC", "adts", "aac"),
    ("FLAC", "flac", "flac"),
    ("Opus", "ogg", "libopus"),
    ("AIFF", "aiff", "pcm_s16be"),
    ("CAF", "caf", "pcm_s16be"),
    ("WebM", "webm", "libopus"),
    ("Matroska", "matroska", "libopus"),
)


def _sound(container: str, codec: str) -> bytes:
    target = io.BytesIO()
    wave = 0.3 * np.sin(np.arange(_RATE // 2) * 2 * np.pi * 440 / _RATE)
    with av.open(target, "w", format=container) as output:
        stream = output.add_stream(codec, rate=_RATE, layout="mono")
        assert isinstance(stream, av.AudioStream)
        output.start_encoding()
        frame = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], format="fltp", layout="mono")
        frame.rate = _RATE
        context = stream.codec_context
        resampler = av.AudioResampler(context.format, "mono", _RATE, frame_size=context.frame_size or None)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return target.getvalue()


SAMPLES = {name: ("/audio-service/analyze", "form", _sound(container, codec)) for name, container, codec in _FORMATS}
