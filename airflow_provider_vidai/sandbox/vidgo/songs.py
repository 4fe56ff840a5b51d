"""Vidgo's music: what each model makes, in the shape that it tells it in."""

import hashlib
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event
from typing import Any

from airflow_provider_vidai.sandbox.media import generate, picture, song
from airflow_provider_vidai.sandbox.media.music import RATE, Samples
from airflow_provider_vidai.sandbox.media.source import MediaError
from airflow_provider_vidai.sandbox.storage import Blob
from airflow_provider_vidai.sandbox.vidgo.jobs import Desk, Files, Packed, Task
from airflow_provider_vidai.sandbox.vidgo.models import SONGS, Model

#: The second of two songs is so much as long as the first.
SECOND = 0.75
COVER = (640, 640)
STEMS = (
    *("bass_url", "drums_url", "percussion_url", "guitar_url", "keyboard_url", "strings_url"),
    *("brass_url", "woodwinds_url", "vocal_url", "backing_vocals_url", "synth_url", "fx_url"),
)
PARTS = ("bass", "drums", "piano", "guitar", "vocals", "other")
LINE = 4.0


def making(source: "Task | None") -> Callable[[Desk, Model, Mapping[str, Any], Event], Files]:
    """Return what makes music; ``source`` is the task whose song something is made of."""

    def make(desk: Desk, model: Model, wish: Mapping[str, Any], stop: Event) -> Files:
        work = _Work(desk, model, wish, stop, source)
        return work.songs() if model.id in SONGS else MAKERS[model.id](work)

    return make


def track(task: Task, audio_id: str | None) -> dict[str, Any] | None:
    """Return one of a task's songs; None without an id is the first."""
    found = (one for one in task.files() if "audio_id" in one)
    return next((one for one in found if audio_id in (None, one["audio_id"])), None)


class _Work:
    """One order of music being carried out."""

    def __init__(
        self, desk: Desk, model: Model, wish: Mapping[str, Any], stop: Event, source: "Task | None"
    ) -> None:
        self._desk, self.model, self.wish, self._stop = desk, model, wish, stop
        self._source = source

    @property
    def track(self) -> dict[str, Any]:
        """The song that something is made of."""
        found = track(self._source, self.wish.get("audio_id")) if self._source else None
        assert found is not None, "the order was accepted only because it is there"
        return found

    def heard(self) -> Samples:
        """Return the sound of the song that something is made of, or of the one that was uploaded."""
        url = self.wish.get("upload_url") or self.wish.get("audio_url")
        path = self._desk.here(url) if url else self.track["audio_url"].path
        return song.read(path, self._stop)

    def songs(self) -> Files:
        """Make two songs."""
        title = str(self.wish.get("title") or self._given("title") or "Untitled")
        tags = str(self.wish.get("style") or self.wish.get("tags") or self._given("tags") or "")
        words = str(self.wish.get("prompt") or "")
        files: Files = []
        for variant in range(2):
            made = self._song(f"{title} {tags} {words} {variant}", 1.0 if not variant else SECOND)
            audio_id = str(uuid.uuid4())
            files.append(
                {
                    "audio_id": audio_id,
                    "audio_url": self.kept(made, f"audio_{audio_id}.mp3"),
                    "image_url": self._cover(f"{title} - {variant + 1}", f"cover_{audio_id}.jpeg"),
                    "title": title,
                    "tags": tags,
                    "duration": round(song.seconds(made), 2),
                    "prompt": words,
                }
            )
        return files

    def _given(self, name: str) -> Any:
        return self.track.get(name) if self._source else None

    def _song(self, text: str, share: float) -> Samples:
        voice = not self.wish.get("instrumental") and self.model.id != "add-instrumental"
        new = song.composed(text, self._desk.settings.song_seconds * share, voice)
        if self.model.id == "generate-music":
            return new
        old = self.heard()
        if self.model.id in ("add-instrumental", "add-vocals"):
            return song.mixed(old, new)
        if self.model.id == "upload-and-cover-audio":
            return song.composed(text, song.seconds(old) * share, voice)
        if self.model.id == "replace-section":
            begin, end = (round(float(self.wish[f"infill_{at}_s"]) * RATE) for at in ("start", "end"))
            begin, end = min(begin, old.shape[1]), min(end, old.shape[1])
            if begin >= end:
                raise MediaError("infill_start_s must be before infill_end_s, within the song")
            return song.joined(old[:, :begin], song.composed(text, (end - begin) / RATE, voice), old[:, end:])
        keep = float(self.wish.get("continue_at") or song.seconds(old))
        return song.joined(old[:, : round(keep * RATE)], new)

    def kept(self, made: Samples, name: str) -> Blob:
        """Return a song's place."""
        path = Path(name)
        blob = self._desk.place(name, "audio/mpeg" if path.suffix == ".mp3" else "audio/wav")
        song.write(made, blob.path)
        blob.landed()
        return blob

    def _cover(self, text: str, name: str, *, png: bool = False) -> Blob:
        frame = generate.painting(text, COVER, None, self._stop)
        blob = self._desk.place(name, "image/png" if png else "image/jpeg")
        blob.fill(picture.png(frame) if png else picture.jpeg(frame))
        return blob

    def covers(self) -> Files:
        """Make two covers."""
        title = track(self._source, None) if self._source else None
        text = str((title or {}).get("title") or "Cover")
        made = [self._cover(f"{text} - {number}", f"cover_{number}.png", png=True) for number in (1, 2)]
        told = [{"file_url": blob, "file_type": "image"} for blob in made]
        return [{"generate_cover": Packed(told)}]

    def vocals(self) -> Files:
        """Take the voice out of a song."""
        voice, rest = song.voice_apart(self.heard())
        found = {"vocal_url": self.kept(voice, "vocals.mp3"), "instrumental_url": self.kept(rest, "rest.mp3")}
        return [{"separate_vocals": Packed(found)}]

    def stems(self) -> Files:
        """Take a song apart; what there is nothing of has no URL."""
        found = {
            name: "" if song.is_silent(one) else self.kept(one, f"{name.removesuffix('_url')}.mp3")
            for name, one in zip(STEMS, song.parts(self.heard(), len(STEMS)), strict=True)
        }
        return [{"stem_split": Packed(dict(sorted(found.items())))}]

    def uploaded_stems(self) -> Files:
        """Take an uploaded song apart, or one part out of it."""
        wanted = self.wish.get("output_type", "general")
        found = {
            name: self.kept(one, f"{name}.mp3") if wanted in ("general", name) else ""
            for name, one in zip(PARTS, song.parts(self.heard(), len(PARTS)), strict=True)
        }
        return [{"vocal_removal": Packed(found)}]

    def wav(self) -> Files:
        """Write a song as WAV."""
        return [{"wav_url": self.kept(self.heard(), "output.wav")}]

    def film(self) -> Files:
        """Make a film of a song: its cover, moving, and its sound."""
        found, blob = self.track, self._desk.place("music_video.mp4", "video/mp4")
        clip = generate.Clip(
            seconds=song.seconds(self.heard()),
            text=str(found["title"]),
            size=generate.sized(self._desk.settings.short_side or 720, 16 / 9),
            stills=[generate.Still(found["image_url"].path, 0.0)],
            soundtrack=found["audio_url"].path,
        )
        generate.generate(clip, blob.path, self._stop)
        blob.landed()
        return [{"video_url": blob}]

    def persona(self) -> Files:
        """Make a persona of a song's voice."""
        return [{"persona_id": f"persona_{_short(str(self.track['audio_id']) + str(self.wish['name']))}"}]

    def lyrics(self) -> Files:
        """Write lyrics about what was asked for."""
        about = " ".join(str(self.wish["prompt"]).split())
        lines = [f"{word} about {about}" for word in ("I sing", "We dream", "You know", "They dance")]
        text = "\n".join(["[Verse]", *lines, "", "[Chorus]", f"Oh {about}", f"Oh {about}, again"])
        return [{"title": about[:80].title(), "text": text}]

    def timed_lyrics(self) -> Files:
        """Tell when each line of a song is sung."""
        words = [line for line in str(self.track["prompt"]).splitlines() if line.strip()] or [
            "(instrumental)"
        ]
        step = min(LINE, float(self.track["duration"]) / len(words))
        told = [f"[{_clock(number * step)}] {line}" for number, line in enumerate(words)]
        return [{"timestampe_lyrics": "\n".join(told)}]

    def style(self) -> Files:
        """Say more about a style."""
        return [{"style": f"{self.wish['content']}, warm, dynamic, with a driving rhythm and wide stereo"}]


MAKERS: dict[str, Callable[[_Work], Files]] = {
    "convert-to-wav": _Work.wav,
    "separate-vocals": _Work.vocals,
    "stem-split": _Work.stems,
    "upload-and-separate-vocals": _Work.uploaded_stems,
    "create-music-video": _Work.film,
    "generate-music-cover": _Work.covers,
    "generate-persona": _Work.persona,
    "generate-lyrics": _Work.lyrics,
    "get-timestamped-lyrics": _Work.timed_lyrics,
    "boost-music-style": _Work.style,
}


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60):02}:{seconds % 60:05.2f}"
