"""Vidgo's music: what each model makes, in the shape of its answer."""

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
from airflow_provider_vidai.sandbox.vidgo.jobs import Files, JsonText, Task, Workspace
from airflow_provider_vidai.sandbox.vidgo.models import SONGS, Model

#: The length of the second of two songs, relative to the first.
SECOND = 0.75
COVER = (640, 640)
STEMS = (
    *("bass_url", "drums_url", "percussion_url", "guitar_url", "keyboard_url", "strings_url"),
    *("brass_url", "woodwinds_url", "vocal_url", "backing_vocals_url", "synth_url", "fx_url"),
)
PARTS = ("bass", "drums", "piano", "guitar", "vocals", "other")
LINE = 4.0


def maker(source: "Task | None") -> Callable[[Workspace, Model, Mapping[str, Any], Event], Files]:
    """Return the function that makes music; ``source`` is the task whose song it uses, if any."""

    def make(workspace: Workspace, model: Model, inputs: Mapping[str, Any], stop: Event) -> Files:
        work = _Work(workspace, model, inputs, stop, source)
        return work.songs() if model.id in SONGS else MAKERS[model.id](work)

    return make


def track(task: Task, audio_id: str | None) -> dict[str, Any] | None:
    """Return one of a task's songs, or None; without an id, the first."""
    found = (one for one in task.files() if "audio_id" in one)
    return next((one for one in found if audio_id in (None, one["audio_id"])), None)


class _Work:
    """The work on one music task."""

    def __init__(
        self,
        workspace: Workspace,
        model: Model,
        inputs: Mapping[str, Any],
        stop: Event,
        source: "Task | None",
    ) -> None:
        self._workspace, self.model, self.inputs, self._stop = workspace, model, inputs, stop
        self._source = source

    @property
    def track(self) -> dict[str, Any]:
        """The song of the source task that this task uses."""
        found = track(self._source, self.inputs.get("audio_id")) if self._source else None
        assert found is not None, "submit accepts a task only if its source song exists"
        return found

    def source_sound(self) -> Samples:
        """Return the sound of the source song, or of the uploaded one."""
        url = self.inputs.get("upload_url") or self.inputs.get("audio_url")
        path = self._workspace.download(url) if url else self.track["audio_url"].path
        return song.read(path, self._stop)

    def songs(self) -> Files:
        """Make two songs."""
        title = str(self.inputs.get("title") or self._given("title") or "Untitled")
        tags = str(self.inputs.get("style") or self.inputs.get("tags") or self._given("tags") or "")
        text = str(self.inputs.get("prompt") or "")
        files: Files = []
        for variant in range(2):
            made = self._song(f"{title} {tags} {text} {variant}", 1.0 if not variant else SECOND)
            audio_id = str(uuid.uuid4())
            files.append(
                {
                    "audio_id": audio_id,
                    "audio_url": self.kept(made, f"audio_{audio_id}.mp3"),
                    "image_url": self._cover(f"{title} - {variant + 1}", f"cover_{audio_id}.jpeg"),
                    "title": title,
                    "tags": tags,
                    "duration": round(song.seconds(made), 2),
                    "prompt": text,
                }
            )
        return files

    def _given(self, name: str) -> Any:
        return self.track.get(name) if self._source else None

    def _song(self, text: str, share: float) -> Samples:
        voice = not self.inputs.get("instrumental") and self.model.id != "add-instrumental"
        new = song.composed(text, self._workspace.settings.song_seconds * share, voice)
        if self.model.id == "generate-music":
            return new
        old = self.source_sound()
        if self.model.id in ("add-instrumental", "add-vocals"):
            return song.mixed(old, new)
        if self.model.id == "upload-and-cover-audio":
            return song.composed(text, song.seconds(old) * share, voice)
        if self.model.id == "replace-section":
            begin, end = (round(float(self.inputs[f"infill_{at}_s"]) * RATE) for at in ("start", "end"))
            begin, end = min(begin, old.shape[1]), min(end, old.shape[1])
            if begin >= end:
                raise MediaError("infill_start_s must be before infill_end_s, within the song")
            return song.joined(old[:, :begin], song.composed(text, (end - begin) / RATE, voice), old[:, end:])
        keep = float(self.inputs.get("continue_at") or song.seconds(old))
        return song.joined(old[:, : round(keep * RATE)], new)

    def kept(self, made: Samples, name: str) -> Blob:
        """Store a song, and return its place."""
        path = Path(name)
        blob = self._workspace.place(name, "audio/mpeg" if path.suffix == ".mp3" else "audio/wav")
        song.write(made, blob.path)
        blob.mark_complete()
        return blob

    def _cover(self, text: str, name: str, *, png: bool = False) -> Blob:
        frame = generate.painting(text, COVER, None, self._stop)
        blob = self._workspace.place(name, "image/png" if png else "image/jpeg")
        blob.fill(picture.png(frame) if png else picture.jpeg(frame))
        return blob

    def covers(self) -> Files:
        """Make two covers."""
        title = track(self._source, None) if self._source else None
        text = str((title or {}).get("title") or "Cover")
        made = [self._cover(f"{text} - {number}", f"cover_{number}.png", png=True) for number in (1, 2)]
        files = [{"file_url": blob, "file_type": "image"} for blob in made]
        return [{"generate_cover": JsonText(files)}]

    def vocals(self) -> Files:
        """Separate the voice from a song."""
        voice, rest = song.voice_apart(self.source_sound())
        found = {"vocal_url": self.kept(voice, "vocals.mp3"), "instrumental_url": self.kept(rest, "rest.mp3")}
        return [{"separate_vocals": JsonText(found)}]

    def stems(self) -> Files:
        """Separate a song into its instruments; a silent part has no URL."""
        found = {
            name: "" if song.is_silent(one) else self.kept(one, f"{name.removesuffix('_url')}.mp3")
            for name, one in zip(STEMS, song.parts(self.source_sound(), len(STEMS)), strict=True)
        }
        return [{"stem_split": JsonText(dict(sorted(found.items())))}]

    def uploaded_stems(self) -> Files:
        """Separate an uploaded song into its parts, or extract one part."""
        wanted = self.inputs.get("output_type", "general")
        found = {
            name: self.kept(one, f"{name}.mp3") if wanted in ("general", name) else ""
            for name, one in zip(PARTS, song.parts(self.source_sound(), len(PARTS)), strict=True)
        }
        return [{"vocal_removal": JsonText(found)}]

    def wav(self) -> Files:
        """Write a song as WAV."""
        return [{"wav_url": self.kept(self.source_sound(), "output.wav")}]

    def music_video(self) -> Files:
        """Make a video of a song: its cover, zoomed, with its sound."""
        found, blob = self.track, self._workspace.place("music_video.mp4", "video/mp4")
        clip = generate.Clip(
            seconds=song.seconds(self.source_sound()),
            text=str(found["title"]),
            size=generate.sized(self._workspace.settings.short_side or 720, 16 / 9),
            stills=[generate.Still(found["image_url"].path, 0.0)],
            soundtrack=found["audio_url"].path,
        )
        generate.generate(clip, blob.path, self._stop)
        blob.mark_complete()
        return [{"video_url": blob}]

    def persona(self) -> Files:
        """Make a persona of a song's voice."""
        return [{"persona_id": f"persona_{_short(str(self.track['audio_id']) + str(self.inputs['name']))}"}]

    def lyrics(self) -> Files:
        """Write lyrics about the prompt."""
        about = " ".join(str(self.inputs["prompt"]).split())
        lines = [f"{word} about {about}" for word in ("I sing", "We dream", "You know", "They dance")]
        text = "\n".join(["[Verse]", *lines, "", "[Chorus]", f"Oh {about}", f"Oh {about}, again"])
        return [{"title": about[:80].title(), "text": text}]

    def timed_lyrics(self) -> Files:
        """Return the time of each line of a song."""
        text = [line for line in str(self.track["prompt"]).splitlines() if line.strip()] or ["(instrumental)"]
        step = min(LINE, float(self.track["duration"]) / len(text))
        timed = [f"[{_clock(number * step)}] {line}" for number, line in enumerate(text)]
        return [{"timestampe_lyrics": "\n".join(timed)}]

    def style(self) -> Files:
        """Extend the description of a style."""
        return [{"style": f"{self.inputs['content']}, warm, dynamic, with a driving rhythm and wide stereo"}]


MAKERS: dict[str, Callable[[_Work], Files]] = {
    "convert-to-wav": _Work.wav,
    "separate-vocals": _Work.vocals,
    "stem-split": _Work.stems,
    "upload-and-separate-vocals": _Work.uploaded_stems,
    "create-music-video": _Work.music_video,
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
