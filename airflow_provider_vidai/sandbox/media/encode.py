"""Encoding: H.264 and AAC in an MP4 that plays while it loads."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from airflow_provider_vidai.sandbox.media.music import RATE, Samples

X264 = {"preset": "superfast", "crf": "23"}


def encode(
    path: Path,
    pictures: Iterator[VideoFrame],
    sound: Iterator[Samples] | None,
    fps: Fraction,
    size: tuple[int, int],
) -> None:
    """Write a film, without sound if there is none.

    Pictures and sound are taken in step, so neither piles up in memory.
    """
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=fps, options=X264)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        video.time_base = video.codec_context.time_base = 1 / fps
        audio = container.add_stream("aac", rate=RATE, layout="stereo") if sound else None
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
