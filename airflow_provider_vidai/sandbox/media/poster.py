"""A small picture of a video or an image, for the sandbox's page."""

from functools import lru_cache
from pathlib import Path

import av

from airflow_provider_vidai.sandbox.media.generate import even
from airflow_provider_vidai.sandbox.media.picture import jpeg
from airflow_provider_vidai.sandbox.media.source import MediaError, opened

WIDTH = 320
#: The part of a video at which its picture is taken: its first one is often black.
AT = 0.25


@lru_cache(maxsize=500)
def poster(path: Path) -> bytes:
    """Return a JPEG of a video or an image.

    :raises MediaError: if it has no picture.
    """
    with opened(path) as container:
        if not container.streams.video:
            raise MediaError(f"{path.name} has no picture")
        if container.duration and container.duration > av.time_base:
            container.seek(int(container.duration * AT))
        frame = next(container.decode(container.streams.video[0]), None)
        if frame is None:
            raise MediaError(f"{path.name} has no picture")
        height = even(WIDTH * frame.height / frame.width)
        return jpeg(frame.reformat(WIDTH, height, "yuvj420p"))
