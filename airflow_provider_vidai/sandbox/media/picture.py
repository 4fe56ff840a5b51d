"""Pictures: cropped to shape, at a steady rate, and as JPEG."""

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from threading import Event

from av.codec.context import CodecContext
from av.filter import Graph
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from airflow_provider_vidai.sandbox.media.source import MediaError, Source, pictures

TURNS = {
    -90: ["transpose=clock"],
    90: ["transpose=cclock"],
    180: ["hflip", "vflip"],
    -180: ["hflip", "vflip"],
}


class Fitter:
    """Turns pictures upright, crops them around their middle and scales them without distortion."""

    def __init__(self, source: Source, width: int, height: int) -> None:
        self._source = source
        self._size = (width, height)
        self._graph: Graph | None = None
        self._format: tuple[object, ...] | None = None

    def fit(self, frame: VideoFrame) -> VideoFrame:
        """Return the picture in its new size, in yuv420p."""
        format_now = (frame.width, frame.height, frame.format.name, frame.rotation)
        if self._graph is None or format_now != self._format:
            self._graph, self._format = self._build(frame), format_now
        self._graph.push(frame)
        fitted = self._graph.pull()
        assert isinstance(fitted, VideoFrame)
        return fitted

    def _build(self, frame: VideoFrame) -> Graph:
        width, height = self._size
        turns = TURNS.get(frame.rotation, [])
        across, down = (
            (frame.height, frame.width) if abs(frame.rotation) == 90 else (frame.width, frame.height)
        )
        # Stored pixels per displayed pixel, in each direction.
        stretch_x, stretch_y = across / self._source.width, down / self._source.height
        shown = min(self._source.width / width, self._source.height / height)
        crop_w, crop_h = (
            min(across, round(width * shown * stretch_x)),
            min(down, round(height * shown * stretch_y)),
        )
        chain = [
            *turns,
            f"crop={crop_w}:{crop_h}:exact=1",
            f"scale={width}:{height}:flags=bilinear",
            "setsar=1",
        ]
        graph = Graph()
        nodes = [
            graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1_000_000)
            )
        ]
        for step in [*chain, "format=yuv420p"]:
            name, _, args = step.partition("=")
            nodes.append(graph.add(name, args or None))
        nodes.append(graph.add("buffersink"))
        graph.link_nodes(*nodes).configure()
        return graph


def steady(
    source: Source, start: float, frames: int, fps: Fraction, fitter: Fitter, stop: Event
) -> Iterator[VideoFrame]:
    """Yield exactly ``frames`` fitted pictures, one per output frame, from ``start`` on.

    :raises MediaError: if the source has no picture there.
    """
    given, current, shown = 0, None, None
    for time, frame in pictures(source, start, stop):
        # Output frames that are due before this picture show the previous one.
        while current is not None and given < frames and start + given / float(fps) < time - 1e-4:
            shown = shown or fitter.fit(current)
            yield shown
            given += 1
        if given >= frames:
            return
        current, shown = frame, None
    if current is None:
        raise MediaError(f"{source.path.name} has no picture at {start:.2f} s")
    shown = shown or fitter.fit(current)
    for _ in range(given, frames):
        yield shown


def last(source: Source, after: float, stop: Event) -> VideoFrame:
    """Return a video's last picture.

    :param after: a time in seconds that is certainly before its end.
    :raises MediaError: if it has no picture after that time.
    """
    found = deque(pictures(source, after, stop), maxlen=1)
    if not found:
        raise MediaError(f"{source.path.name} has no picture at its end")
    return found[0][1]


def jpeg(frame: VideoFrame) -> bytes:
    """Encode one picture as JPEG."""
    return _still(frame, "mjpeg", "yuvj420p")


def png(frame: VideoFrame) -> bytes:
    """Encode one picture as PNG."""
    return _still(frame, "png", "rgb24")


def _still(frame: VideoFrame, name: str, pixels: str) -> bytes:
    codec = CodecContext.create(name, "w")
    assert isinstance(codec, VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt = frame.width, frame.height, pixels
    codec.time_base = Fraction(1, 25)
    still = frame.reformat(format=pixels)
    still.pts = 0
    return b"".join(bytes(packet) for packet in [*codec.encode(still), *codec.encode(None)])
