"""Encoding: H.264 and AAC in an MP4 that can be played while it downloads."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from airflow_provider_vidai.sandbox.media.music import RATE, Samples

X264 = {"preset": "ultrafast", "crf": "23"}
#: Constant quality without the encoder's searches: at its defaults, AAC takes longer than all other work
#: on a clip together (1.5 s instead of 0.4 s of CPU for 45 seconds of sound).
AAC = {
    "aac_coder": "fast",
    "flags": "+qscale",
    "global_quality": "118",
    "aac_tns": "0",
    "aac_pns": "0",
    "aac_is": "0",
    "aac_ms": "0",
}


def encode(
    path: Path,
    pictures: Iterator[VideoFrame],
    sound: Iterator[Samples] | None,
    fps: Fraction,
    size: tuple[int, int],
) -> None:
    """Write a video, with or without sound.

    Pictures and sound are consumed in step, so that neither piles up in memory.
    """
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=fps, options=X264)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        video.time_base = video.codec_context.time_base = 1 / fps
        audio = container.add_stream("aac", rate=RATE, layout="stereo", options=AAC) if sound else None
        given = 0
        for number, picture in enumerate(pictures):
            picture.pts, picture.time_base = number, 1 / fps
            container.mux(video.encode(picture))
            while sound and audio and given * fps < (number + 1) * RATE:
                block = next(sound, None)
                if block is None:
                    break
                container.mux(audio.encode(_audio_frame(block, given)))
                given += block.shape[1]
        container.mux(video.encode(None))
        if audio:
            container.mux(audio.encode(None))


def _audio_frame(block: Samples, at: int) -> AudioFrame:
    frame = AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
    return frame
