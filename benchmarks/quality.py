"""Checks of videos: what they find in labelled clips, their memory and their time.

``python -m benchmarks.quality`` prints the tables of the README. The clips are made from footage, by default
the clip of the tests and two that the sandbox makes, with faults and with what only looks like one.

    python -m benchmarks.quality labelled [--footage FILE ...] [--keep FOLDER]
    python -m benchmarks.quality memory [--gib 4]
    python -m benchmarks.quality time [--footage FILE]
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from threading import Event

import av
import numpy as np
import numpy.typing as npt

from airflow_provider_vidai.quality.decide import Asked, Finding, findings
from airflow_provider_vidai.quality.limits import Limits
from airflow_provider_vidai.quality.measure import measure
from airflow_provider_vidai.quality.pictures import BLACK_PICTURE, BLACK_PIXEL, STILL_NOISE, STILL_SECONDS
from airflow_provider_vidai.sandbox.media.encode import encode
from airflow_provider_vidai.sandbox.media.generate import Clip as Generated
from airflow_provider_vidai.sandbox.media.generate import generate
from airflow_provider_vidai.sandbox.media.music import RATE

MEDIA = Path(__file__).parents[1] / "tests" / "media" / "big_buck_bunny_5s.mp4"
WIDTH, HEIGHT, FPS = 640, 360, 25
Frames = npt.NDArray[np.uint8]
Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Clip:
    """Pictures (as YUV 4:2:0, one below the other) and sound."""

    pictures: Frames
    sound: Samples

    @property
    def seconds(self) -> float:
        """How long the pictures are."""
        return len(self.pictures) / FPS


#: Changes a clip, or, with a path, the bytes of its file.
Change = Callable[[Clip], Clip]


@dataclass(frozen=True)
class Case:
    """One labelled clip.

    :param fault: the limits of which at least one must be exceeded; empty for a clip without a fault.
    :param damage: changes the encoded file.
    :param asked: seconds that the clip should have; None for its own length.
    """

    name: str
    change: Change
    fault: tuple[str, ...] = ()
    damage: Callable[[bytes], bytes] | None = None
    asked: float | None = None


# --- footage -----------------------------------------------------------------------------------


def footage(path: Path) -> Clip:
    """Read a video at the size, rate and loudness of the set; its first eight seconds."""
    with av.open(str(path)) as container:
        graph = av.filter.Graph()
        steps = [
            graph.add_buffer(template=container.streams.video[0]),
            graph.add("fps", str(FPS)),
            graph.add("scale", f"{WIDTH}:{HEIGHT}:out_range=limited"),
            graph.add("format", "yuv420p"),
            graph.add("buffersink"),
        ]
        graph.link_nodes(*steps).configure()
        resampler = av.AudioResampler("fltp", "stereo", RATE)
        pictures: list[Frames] = []
        sound: list[Samples] = []
        for frame in container.decode(*container.streams.video[:1], *container.streams.audio[:1]):
            if isinstance(frame, av.AudioFrame):
                sound += [part.to_ndarray() for part in resampler.resample(frame)]
                continue
            graph.push(frame)
            while len(pictures) < 8 * FPS:
                try:
                    pictures.append(graph.pull().to_ndarray())
                except av.BlockingIOError:
                    break
    heard = np.concatenate(sound, axis=1)[:, : round(len(pictures) / FPS * RATE)]
    heard = np.pad(heard, ((0, 0), (0, round(len(pictures) / FPS * RATE) - heard.shape[1])))
    return Clip(np.stack(pictures), heard * np.float32(0.5 / max(np.abs(heard).max(), 1e-6)))


def sandbox_footage(folder: Path) -> Iterator[Path]:
    """Make two clips as the sandbox delivers them: moving colours with music."""
    for number, text in enumerate(("a red fox in the snow", "waves at night")):
        path = folder / f"sandbox{number}.mp4"
        generate(Generated(6.0, text, short_side=HEIGHT), path, Event())
        yield path


# --- changes -----------------------------------------------------------------------------------


def _span(clip: Clip, start: float, seconds: float) -> slice:
    first = round((clip.seconds + start if start < 0 else start) * FPS)
    return slice(first, first + round(seconds * FPS))


def painted(start: float, seconds: float, y: int, u: int = 128, v: int = 128) -> Change:
    """Paint a stretch in one colour."""

    def change(clip: Clip) -> Clip:
        pictures = clip.pictures.copy()
        part = pictures[_span(clip, start, seconds)]
        part[:, :HEIGHT] = y
        part[:, HEIGHT : HEIGHT * 5 // 4] = u
        part[:, HEIGHT * 5 // 4 :] = v
        return replace(clip, pictures=pictures)

    return change


def frozen(start: float, seconds: float, *, delayed: bool = False, noise: int = 0) -> Change:
    """Stop the picture; it then jumps, or (``delayed``) continues where it stopped."""

    def change(clip: Clip) -> Clip:
        span = _span(clip, start, seconds)
        held = np.repeat(clip.pictures[span.start : span.start + 1], span.stop - span.start, axis=0)
        if noise:
            grain = np.random.default_rng(1).integers(-noise, noise + 1, held.shape)
            held = np.clip(held.astype(int) + grain, 16, 235).astype(np.uint8)
        rest = clip.pictures[span.start :] if delayed else clip.pictures[span.stop :]
        pictures = np.concatenate([clip.pictures[: span.start], held, rest])[: len(clip.pictures)]
        return replace(clip, pictures=pictures)

    return change


def faded(seconds: float, *, at_end: bool, to: int = 16) -> Change:
    """Fade the picture in or out, as videos begin and end."""

    def change(clip: Clip) -> Clip:
        pictures = clip.pictures.astype(np.float32)
        count = round(seconds * FPS)
        for number in range(count):
            index = len(pictures) - 1 - number if at_end else number
            part = number / count
            pictures[index, :HEIGHT] = to + (pictures[index, :HEIGHT] - to) * part
            pictures[index, HEIGHT:] = 128 + (pictures[index, HEIGHT:] - 128) * part
        return replace(clip, pictures=pictures.round().astype(np.uint8))

    return change


def darkened(share: float) -> Change:
    """Turn the light down, as in a scene at night."""

    def change(clip: Clip) -> Clip:
        pictures = clip.pictures.astype(np.float32)
        pictures[:, :HEIGHT] = 16 + (pictures[:, :HEIGHT] - 16) * share
        pictures[:, HEIGHT:] = 128 + (pictures[:, HEIGHT:] - 128) * share
        return replace(clip, pictures=pictures.round().astype(np.uint8))

    return change


def carded(start: float, seconds: float) -> Change:
    """Show a title card: a still that begins and ends with a cut."""

    def change(clip: Clip) -> Clip:
        pictures = clip.pictures.copy()
        pictures[_span(clip, start, seconds)] = card(90)
        return replace(clip, pictures=pictures)

    return change


def card(shade: int) -> Frames:
    """Return a title card: light bars, as lines of text, on one colour."""
    picture = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    picture[:HEIGHT] = shade
    for line in range(4):
        picture[100 + 40 * line : 120 + 40 * line, 120 : 520 - 60 * line] = 225
    return picture


def slides(clip: Clip) -> Clip:
    """Show stills, each for two seconds: a slide show."""
    count = 2 * FPS
    pictures = [card(40 + 60 * (number // count % 3)) for number in range(len(clip.pictures))]
    return replace(clip, pictures=np.stack(pictures))


def heard(start: float, seconds: float, make: Callable[[Samples], Samples]) -> Change:
    """Change the sound of a stretch."""

    def change(clip: Clip) -> Clip:
        sound = clip.sound.copy()
        begin = round((clip.seconds + start if start < 0 else start) * RATE)
        part = slice(begin, begin + round(seconds * RATE))
        sound[:, part] = make(sound[:, part])
        return replace(clip, sound=sound.astype(np.float32))

    return change


def hum(hertz: float, level: float) -> Callable[[Samples], Samples]:
    """Return what makes a hum of a mains frequency and its overtones, in place of the sound."""

    def make(sound: Samples) -> Samples:
        t = np.arange(sound.shape[1]) / RATE
        wave = sum(np.sin(2 * np.pi * hertz * n * t) / n**2 for n in (1, 2, 3))
        return np.asarray(np.broadcast_to(level * np.asarray(wave), sound.shape), np.float32)

    return make


def over(name: str) -> Callable[[Samples], Samples]:
    """Return what makes sound louder or adds to it."""
    ways: dict[str, Callable[[Samples], Samples]] = {
        "clipped +12 dB": lambda sound: np.clip(sound * 2 * 4, -1, 1),
        "clipped +20 dB": lambda sound: np.clip(sound * 2 * 10, -1, 1),
        "loud, whole": lambda sound: sound * np.float32(1.9),
        "limited": lambda sound: np.tanh(sound * 4) * np.float32(0.84),
        "quiet": lambda sound: sound * np.float32(0.05),
        "hum below it": lambda sound: sound + hum(50, 0.01)(sound),
    }
    return ways[name]


def shortened(seconds: float) -> Change:
    """Leave out the end."""
    return lambda clip: Clip(clip.pictures[: round(seconds * FPS)], clip.sound[:, : round(seconds * RATE)])


def silent_end(seconds: float) -> Change:
    """End the sound before the picture."""
    return lambda clip: replace(clip, sound=clip.sound[:, : -round(seconds * RATE)])


def cut_at(share: float) -> Callable[[bytes], bytes]:
    """Cut the file off."""
    return lambda data: data[: round(len(data) * share)]


def damaged(at: float, count: int) -> Callable[[bytes], bytes]:
    """Overwrite bytes in the middle."""

    def change(data: bytes) -> bytes:
        place = round(len(data) * at)
        noise = np.random.default_rng(7).integers(0, 256, count, dtype=np.uint8).tobytes()
        return data[:place] + noise + data[place + count :]

    return change


def then(*changes: Change) -> Change:
    """Return the changes, one after another."""

    def change(clip: Clip) -> Clip:
        for one in changes:
            clip = one(clip)
        return clip

    return change


def same(clip: Clip) -> Clip:
    """Change nothing."""
    return clip


BLACK = ("max_black_seconds", "max_black_share")
PLAIN = ("max_plain_seconds",)
FROZEN = ("max_frozen_seconds",)
SILENT = ("max_silent_seconds", "max_silent_share")
CLIPPED = ("max_clipped_share",)
CUT = ("decodes",)

CASES: tuple[Case, ...] = (
    Case("nothing changed", same),
    Case("black at the start", painted(0, 0.6, 16), BLACK),
    Case("black at the start, 1.5 s", painted(0, 1.5, 16), BLACK),
    Case("black in the middle", painted(2, 1.0, 16), BLACK),
    Case("black in the middle, not quite", painted(2, 0.8, 19), BLACK),
    Case("black at the end", painted(-0.8, 0.8, 16), BLACK),
    Case("all black", painted(0, 99, 16), BLACK),
    Case("green in the middle", painted(2, 1.0, 145, 54, 34), PLAIN),
    Case("grey at the end", painted(-1.0, 1.0, 126), PLAIN),
    Case("white at the start", painted(0, 0.8, 235), PLAIN),
    Case("frozen for 0.5 s", frozen(2, 0.5), FROZEN),
    Case("frozen for 0.5 s, then on", frozen(3, 0.5, delayed=True), FROZEN),
    Case("frozen for 1 s", frozen(1.5, 1.0), FROZEN),
    Case("frozen for 2 s, then on", frozen(1, 2.0, delayed=True), FROZEN),
    Case("frozen for 3 s", frozen(1.5, 3.0), FROZEN),
    Case("frozen from the start for 1 s", frozen(0, 1.0), FROZEN),
    Case("frozen to the end for 1.5 s", frozen(-1.5, 1.5), FROZEN),
    Case("frozen for 1.2 s, with grain", frozen(2, 1.2, noise=1), FROZEN),
    Case("frozen in the dark", then(darkened(0.3), frozen(2, 1.0)), FROZEN),
    Case("one still, all the time", frozen(0, 99), ("must_move",)),
    Case("silent", heard(0, 99, lambda sound: sound * 0), SILENT),
    Case("silent for 3 s", heard(1, 3, lambda sound: sound * 0), SILENT),
    Case("silent at the end", heard(-2.5, 2.5, lambda sound: sound * 0), SILENT),
    Case("nothing but a 50 Hz hum", heard(0, 99, hum(50, 0.03)), SILENT),
    Case("nothing but a 60 Hz hum for 3 s", heard(1, 3, hum(60, 0.02)), SILENT),
    Case("clipped by 12 dB", heard(0, 99, over("clipped +12 dB")), CLIPPED),
    Case("clipped by 20 dB for 1 s", heard(2, 1, over("clipped +20 dB")), CLIPPED),
    Case("too short", shortened(4.0), ("seconds",), asked=5.0),
    Case("too long", same, ("seconds",), asked=4.0),
    Case("sound ends 1 s early", silent_end(1.0), ("max_sound_gap",)),
    Case("file cut at 60 %", same, CUT, cut_at(0.6)),
    Case("file cut at 90 %", same, CUT, cut_at(0.9)),
    Case("4,000 bytes overwritten", same, CUT, damaged(0.5, 4000)),
    Case("fade in, 0.5 s", faded(0.5, at_end=False)),
    Case("fade in, 1.5 s", faded(1.5, at_end=False)),
    Case("fade out, 1 s", faded(1.0, at_end=True)),
    Case("fade out, 2 s", faded(2.0, at_end=True)),
    Case("fade to white, 1 s", faded(1.0, at_end=True, to=235)),
    Case("0.2 s of black between shots", painted(2, 0.2, 16)),
    Case("a white flash of 0.1 s", painted(2, 0.1, 235)),
    Case("a dark scene, 35 % light", darkened(0.35)),
    Case("a dark scene, 20 % light", darkened(0.20)),
    Case("a dark scene, 12 % light", darkened(0.12)),
    Case("a title card at the start", carded(0, 1.5)),
    Case("a title card in the middle", carded(1.5, 1.5)),
    Case("a title card at the end", carded(-2.0, 2.0)),
    Case("a slide show", slides),
    Case("a pause of 1 s in the sound", heard(2, 1, lambda sound: sound * 0)),
    Case("loud, but whole", heard(0, 99, over("loud, whole"))),
    Case("a limiter at -1.5 dB", heard(0, 99, over("limited"))),
    Case("quiet", heard(0, 99, over("quiet"))),
    Case("a hum below the sound", heard(0, 99, over("hum below it"))),
    Case("asked for 0.2 s more", same, asked=-0.2),
)


# --- the labelled set --------------------------------------------------------------------------


def write(clip: Clip, path: Path) -> None:
    """Encode a clip."""
    pictures = (av.VideoFrame.from_ndarray(picture, format="yuv420p") for picture in clip.pictures)
    blocks = (clip.sound[:, at : at + 1024] for at in range(0, clip.sound.shape[1], 1024))
    encode(path, pictures, (np.ascontiguousarray(one) for one in blocks), Fraction(FPS), (WIDTH, HEIGHT))


def checked(case: Case, clip: Clip, path: Path) -> list[Finding]:
    """Make the case's file, and check it with the default limits."""
    changed = case.change(clip)
    write(changed, path)
    if case.damage:
        path.write_bytes(case.damage(path.read_bytes()))
    asked = changed.seconds if case.asked is None else case.asked
    asked = changed.seconds - asked if asked < 0 else asked
    return findings(measure(str(path)), Limits(), Asked(seconds=asked, aspect=WIDTH / HEIGHT))


def labelled(sources: list[Path], keep: Path | None) -> None:
    """Print what the checks find in each labelled clip."""
    counts: Counter[str] = Counter()
    kinds: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        clips = [(path.stem, footage(path)) for path in (*sources, *sandbox_footage(Path(folder)))]
        for (source, clip), case in itertools.product(clips, CASES):
            path = Path(folder) / "clip.mp4"
            found = checked(case, clip, path)
            names = {one.check for one in found}
            right = bool(names & set(case.fault)) if case.fault else not names
            counts["faults" if case.fault else "no faults"] += 1
            counts[("found" if case.fault else "quiet")] += right
            counts["besides"] += bool(case.fault and names - set(case.fault))
            kinds.setdefault(case.name, []).append("yes" if right else "**no**")
            if not right:
                print(f"{source}, {case.name}: {[one.what for one in found] or 'nothing found'}", flush=True)
            if keep and not right:
                shutil.copy(path, keep / f"{source} {case.name}.mp4")
    print(f"\n| clip | fault | {' | '.join(name for name, _ in clips)} |\n|--|--|{'--|' * len(clips)}")
    for case in CASES:
        print(f"| {case.name} | {'yes' if case.fault else 'no'} | {' | '.join(kinds[case.name])} |")
    faults, quiet = counts["faults"], counts["no faults"]
    print(f"\n{faults + quiet} clips; recall {counts['found'] / faults:.3f} ({counts['found']} of {faults});")
    print(f"false alarms {1 - counts['quiet'] / quiet:.3f} ({quiet - counts['quiet']} of {quiet});")
    print(f"faulty clips with a further finding: {counts['besides']}")


# --- memory ------------------------------------------------------------------------------------


def repeated(source: Path, path: Path, size: int) -> None:
    """Write a file of ``size`` bytes that repeats the packets of ``source``: nothing is encoded."""
    with av.open(str(source)) as read, av.open(str(path), "w", format="mp4") as container:
        tracks = {one.index: container.add_stream_from_template(one) for one in read.streams}
        packets = [packet for packet in read.demux() if packet.dts is not None]
        loop = max(float((packet.dts + (packet.duration or 0)) * packet.time_base) for packet in packets)
        data = [
            (bytes(one), one.stream.index, one.pts, one.dts, one.is_keyframe, one.time_base)
            for one in packets
        ]
        for number in itertools.count():
            for content, index, pts, dts, key, base in data:
                shift = round(number * loop / base)
                packet = av.Packet(content)
                packet.pts, packet.dts, packet.time_base = pts + shift, dts + shift, base
                packet.stream, packet.is_keyframe = tracks[index], key
                container.mux(packet)
            if path.stat().st_size >= size:
                return


def dense(path: Path) -> Path:
    """Write two seconds of noise, so that a large file takes minutes to check, not hours."""
    grain = np.random.default_rng(1)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "qp": "0"})
        video.width, video.height, video.pix_fmt = 1280, 720, "yuv420p"
        sound = container.add_stream("aac", rate=RATE, layout="stereo")
        for _ in range(2 * FPS):
            noise = grain.integers(0, 256, (1080, 1280), dtype=np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(noise, format="yuv420p")))
            for _ in range(2):
                heard = grain.uniform(-0.1, 0.1, (2, 1024)).astype(np.float32)
                frame = av.AudioFrame.from_ndarray(heard, format="fltp", layout="stereo")
                frame.sample_rate = RATE
                container.mux(sound.encode(frame))
        container.mux([*video.encode(None), *sound.encode(None)])
    return path


def resident() -> int:
    """Return the bytes of memory that this process has ever held."""
    return (
        int(
            next(
                line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line
            ).split()[1]
        )
        << 10
    )


def memory(gib: float) -> None:
    """Print how much the process grows while it checks a large file."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        path = Path(folder) / "large.mp4"
        repeated(dense(Path(folder) / "dense.mp4"), path, round(gib * (1 << 30)))
        # A process of its own: making the file has taken memory too.
        command = [sys.executable, "-m", "benchmarks.quality", "grown", "--footage", str(path)]
        subprocess.run(command, check=True)


def grown(path: Path) -> None:
    """Print how much this process grows while it checks a file."""
    measure(str(MEDIA))  # what any check needs is loaded
    before, since = resident(), time.monotonic()
    found = measure(str(path))
    more, took = resident() - before, time.monotonic() - since
    assert found.picture is not None
    print(f"{path.stat().st_size / (1 << 30):.2f} GiB, {found.picture.seconds:.0f} s of video:")
    print(f"resident growth {more / (1 << 20):.0f} MiB, {took:.0f} s, faults {found.faults.count}")


# --- time --------------------------------------------------------------------------------------


def by_ffmpeg(path: Path, scale: str) -> float:
    """Return the CPU seconds of the ``ffmpeg`` program with the same filters."""
    black = f"blackdetect=d=0:pic_th={BLACK_PICTURE}:pix_th={BLACK_PIXEL}"
    still = f"freezedetect=n={STILL_NOISE}:d={STILL_SECONDS}"
    seen = f"{scale}{black},{still},signalstats,metadata=print:file=/dev/null"
    hear = (
        "[0:a]asplit=3[a][b][c];[a]highpass=300,highpass=300,silencedetect=-60dB:0.5,anullsink;"
        "[b]aformat=s16,astats=metadata=1:reset=1,ametadata=print:file=/dev/null,anullsink;"
        "[c]ebur128=metadata=1:peak=true:framelog=verbose,ametadata=print:file=/dev/null,anullsink"
    )
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-filter_complex", f"[0:v]{seen}[v];{hear}"]
    before = os.times()
    subprocess.run([*command, "-map", "[v]", "-f", "null", "-"], check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def timed(sources: list[Path]) -> None:
    """Print the CPU time per second of video, beside the ``ffmpeg`` program where there is one."""
    measure(str(MEDIA))
    print("| video | this package | ffmpeg, same filters | ffmpeg, whole picture |\n|--|--|--|--|")
    small = "scale=320:-2:flags=fast_bilinear,format=yuv420p,"
    for path in sources:
        with tempfile.TemporaryDirectory() as folder:
            longer = Path(folder) / "longer.mp4"
            repeated(path, longer, 4 * path.stat().st_size)
            runs = []
            for _ in range(2):
                before = time.process_time()
                found = measure(str(longer))
                own = time.process_time() - before
                other = [by_ffmpeg(longer, small), by_ffmpeg(longer, "")] if shutil.which("ffmpeg") else []
                runs.append([own, *other])
        assert found.picture is not None
        best = [min(column) / found.picture.seconds for column in zip(*runs, strict=True)]
        cells = [
            f"{1000 * one:.1f} ms ({one / best[1]:.2f}x)" if len(best) > 1 else f"{1000 * one:.1f} ms"
            for one in best
        ]
        print(f"| {path.stem}, {found.picture.width} x {found.picture.height} | {' | '.join(cells)} |")


def main() -> None:
    """Run one of the benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("labelled", "memory", "grown", "time"))
    parser.add_argument("--footage", type=Path, nargs="*", default=[MEDIA])
    parser.add_argument("--keep", type=Path, help="a folder for the clips that were judged wrongly")
    parser.add_argument("--gib", type=float, default=4.0)
    given = parser.parse_args()
    if given.what == "labelled":
        labelled(given.footage, given.keep)
    elif given.what == "memory":
        memory(given.gib)
    elif given.what == "grown":
        grown(given.footage[0])
    else:
        timed(given.footage)


if __name__ == "__main__":
    main()
