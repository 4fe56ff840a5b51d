"""What Vidgo's sandbox makes: pictures that open, videos and songs that play, as long and large as asked."""

import json
from pathlib import Path

import av
import httpx
import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.media

CALLBACK = "https://your-domain.com/callback"
SONG = {"custom_mode": True, "instrumental": False, "mv": "V5", "title": "Peace", "style": "Classical"}


def recorded(path: Path) -> tuple[np.ndarray, float]:
    """Return a file's samples, (2, n), and how long they are."""
    with av.open(str(path)) as container:
        rate = container.streams.audio[0].rate
        resampler = av.AudioResampler(format="fltp", layout="stereo", rate=rate)
        blocks = [piece.to_ndarray() for f in container.decode(audio=0) for piece in resampler.resample(f)]
    samples = np.concatenate(blocks, axis=1)
    return samples, samples.shape[1] / rate


def loudness(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(samples**2)))


def seen(path: Path) -> tuple[float, tuple[int, int], int, int]:
    """Return a video's length, size, pictures and sounds."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        pictures = sum(1 for _ in container.decode(video=0))
        size = (stream.width, stream.height)
        return container.duration / av.time_base, size, pictures, len(container.streams.audio)


@pytest.fixture
def large(sandbox, vidgo):
    """Pictures and videos as large as asked for."""
    sandbox.control.settings(vidgo={"short_side": 0})
    return vidgo


@pytest.mark.parametrize(
    ("model", "fields", "size", "kind"),
    [
        ("gpt-4o-image", {"size": "1:1"}, (1024, 1024), "PNG"),
        ("gpt-image-1.5", {"size": "2:3"}, (832, 1248), "PNG"),
        ("gpt-image-2", {"size": "1280x720", "resolution": "2K"}, (1280, 720), "PNG"),
        ("nano-banana", {"size": "16:9"}, (1360, 768), "JPEG"),
        ("seedream-5.0-lite", {"size": {"width": 640, "height": 480}}, (640, 480), "JPEG"),
        ("flux-kontext-pro", {"size": "9:16", "output_format": "png"}, (768, 1360), "PNG"),
    ],
)
def test_a_picture_has_the_requested_size_and_format(large, tmp_path, model, fields, size, kind):
    (file,) = large.made(model, prompt="a lake", **fields)
    with Image.open(large.kept(file["file_url"], tmp_path / "picture")) as picture:
        picture.load()
        assert (picture.size, picture.format) == (size, kind)


def test_four_pictures_are_four_different_ones(vidgo, tmp_path):
    files = vidgo.made(n=4)
    contents = {httpx.get(file["file_url"]).content for file in files}
    assert (len(files), len(contents)) == (4, 4)


def test_an_edit_is_made_of_the_picture_that_was_given(vidgo, tmp_path):
    def colours(file: dict) -> np.ndarray:
        picture = Image.open(vidgo.kept(file["file_url"], tmp_path / "a.png"))
        return np.asarray(picture.convert("RGB"), dtype=float)

    (first,) = vidgo.made(prompt="a lake", size="3:2")
    (second,) = vidgo.made("gpt-4o-image-edit", prompt="at night", image_urls=[first["file_url"]])
    (other,) = vidgo.made(prompt="at night", size="3:2")
    before, after, unrelated = map(colours, (first, second, other))
    assert before.shape == after.shape
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.8
    assert np.corrcoef(before.ravel(), unrelated.ravel())[0, 1] < 0.8
    assert after.mean() < before.mean()


@pytest.mark.parametrize(
    ("model", "fields", "seconds", "size", "sounds"),
    [
        ("sora-2", {"duration": 10, "aspect_ratio": "9:16"}, 10, (90, 160), 1),
        ("kling-2.6", {"duration": 5, "aspect_ratio": "1:1", "sound": False}, 5, (90, 90), 0),
        ("wan2.5-text-to-video", {"duration": 5, "aspect_ratio": "832*480"}, 5, (156, 90), 1),
        ("veo3.1/text-to-video", {}, 8, (160, 90), 1),
        ("minimax/h3/text-to-video", {"duration": 6, "aspect_ratio": "4:3"}, 6, (120, 90), 1),
    ],
)
def test_a_video_has_the_length_and_the_shape_that_were_asked_for(
    vidgo, tmp_path, model, fields, seconds, size, sounds
):
    (file,) = vidgo.made(model, prompt="a lake", **fields)
    length, shape, pictures, tracks = seen(vidgo.kept(file["file_url"], tmp_path / "video.mp4"))
    assert length == pytest.approx(seconds, abs=0.2)
    assert (shape, pictures, tracks) == (size, seconds * 24, sounds)


@pytest.mark.parametrize(("resolution", "size"), [("480p", (854, 480)), ("768P", (1366, 768))])
def test_a_video_is_as_large_as_asked_for(large, tmp_path, resolution, size):
    (file,) = large.made("hailuo-02", prompt="a lake", duration=1, resolution=resolution)
    assert seen(large.kept(file["file_url"], tmp_path / "video.mp4"))[1] == size


def test_a_video_of_a_picture_begins_with_it_and_its_last_frame_comes_too(vidgo, tmp_path):
    (picture,) = vidgo.made(prompt="a lake", size="3:2")
    fields = {"duration": 4, "resolution": "480p", "image_urls": [picture["file_url"]]}
    files = vidgo.made("seedance-2.0/image-to-video", prompt="waves", return_last_frame=True, **fields)
    assert sorted(file["file_type"] for file in files) == ["image", "video"]
    urls = {file["file_type"]: file["file_url"] for file in files}
    video = vidgo.kept(urls["video"], tmp_path / "video.mp4")
    with av.open(str(video)) as container:
        frames = [frame.to_ndarray(format="gray").astype(float) for frame in container.decode(video=0)]
    source = Image.open(vidgo.kept(picture["file_url"], tmp_path / "a.png")).convert("L")
    given = np.asarray(source.resize(frames[0].shape[::-1]), dtype=float)
    last = np.asarray(Image.open(vidgo.kept(urls["image"], tmp_path / "last.jpg")).convert("L"), dtype=float)
    assert np.abs(frames[0] - given).mean() < 12
    assert np.abs(frames[-1] - last).mean() < 8
    assert np.abs(frames[0] - last).mean() > np.abs(frames[-1] - last).mean()


def test_videos_are_made_of_videos_and_of_sounds(vidgo, tmp_path):
    (video,) = vidgo.made("sora-2", prompt="a lake")
    (again,) = vidgo.made("wan2.6-video-to-video", prompt="x", duration=5, video_urls=[video["file_url"]])
    song = vidgo.made("generate-music", prompt="la", **SONG)[0]
    (scored,) = vidgo.made(
        "seedance-2.0/reference-to-video",
        prompt="x",
        duration=4,
        resolution="480p",
        reference_video_urls=[video["file_url"]],
        reference_audio_urls=[song["audio_url"]],
    )
    assert seen(vidgo.kept(again["file_url"], tmp_path / "a.mp4"))[0] == pytest.approx(5, abs=0.2)
    assert loudness(recorded(vidgo.kept(scored["file_url"], tmp_path / "b.mp4"))[0]) > 0.01


# --- songs ----------------------------------------------------------------------------------------


@pytest.fixture
def song(vidgo) -> dict:
    task = vidgo.bought("generate-music", prompt="first line\nsecond line", **SONG)
    files = vidgo.ended(task)["files"]
    return {"task_id": task, "audio_id": files[0]["audio_id"], "files": files}


def about(song: dict) -> dict:
    return {"task_id": song["task_id"], "audio_id": song["audio_id"]}


def test_two_songs_come_with_their_covers(vidgo, song, tmp_path):
    files = song["files"]
    assert [set(file) for file in files] == [
        {"audio_id", "audio_url", "image_url", "title", "tags", "duration", "prompt"}
    ] * 2
    assert [file["duration"] for file in files] == [4.0, 3.0]
    assert {(file["title"], file["tags"], file["prompt"]) for file in files} == {
        ("Peace", "Classical", "first line\nsecond line")
    }
    for file in files:
        samples, length = recorded(vidgo.kept(file["audio_url"], tmp_path / "a.mp3"))
        assert length == pytest.approx(file["duration"], abs=0.1)
        assert 0.02 < loudness(samples) < 0.5
        with Image.open(vidgo.kept(file["image_url"], tmp_path / "a.jpeg")) as cover:
            assert (cover.format, cover.size) == ("JPEG", (640, 640))
    assert httpx.get(files[0]["audio_url"]).headers["content-type"] == "audio/mpeg"


def test_a_song_without_voice_has_none(vidgo, tmp_path):
    def voice(instrumental: bool) -> float:
        song = {**SONG, "instrumental": instrumental}
        file = vidgo.made("generate-music", prompt="la", **song)[0]
        samples, _ = recorded(vidgo.kept(file["audio_url"], tmp_path / "a.mp3"))
        return loudness(samples)

    assert voice(False) > voice(True) * 1.02


def test_wav_is_the_same_song(vidgo, song, tmp_path):
    (file,) = vidgo.made("convert-to-wav", CALLBACK, **about(song))
    path = vidgo.kept(file["wav_url"], tmp_path / "a.wav")
    wav, length = recorded(path)
    mp3, _ = recorded(vidgo.kept(song["files"][0]["audio_url"], tmp_path / "a.mp3"))
    assert path.read_bytes()[:4] == b"RIFF"
    assert length == pytest.approx(4.0, abs=0.1)
    count = min(wav.shape[1], mp3.shape[1])
    assert np.corrcoef(wav[0, :count], mp3[0, :count])[0, 1] > 0.99


def summed(vidgo, urls: list[str], tmp_path: Path) -> np.ndarray:
    parts = [recorded(vidgo.kept(url, tmp_path / "part.mp3"))[0] for url in urls]
    count = min(part.shape[1] for part in parts)
    return np.sum([part[:, :count] for part in parts], axis=0)


@pytest.mark.parametrize(
    ("model", "field", "names"),
    [
        ("separate-vocals", "separate_vocals", ["vocal_url", "instrumental_url"]),
        (
            *("stem-split", "stem_split"),
            [
                *("backing_vocals_url", "bass_url", "brass_url", "drums_url", "fx_url", "guitar_url"),
                *("keyboard_url", "percussion_url", "strings_url", "synth_url", "vocal_url"),
                "woodwinds_url",
            ],
        ),
    ],
)
def test_the_parts_of_a_song_come_as_json_in_a_string_and_are_the_song(
    vidgo, song, tmp_path, model, field, names
):
    (file,) = vidgo.made(model, CALLBACK, **about(song))
    assert set(file) == {field}
    assert isinstance(file[field], str)
    found = json.loads(file[field])
    assert list(found) == names
    whole, _ = recorded(vidgo.kept(song["files"][0]["audio_url"], tmp_path / "song.mp3"))
    parts = summed(vidgo, [url for url in found.values() if url], tmp_path)
    count = min(whole.shape[1], parts.shape[1])
    assert np.corrcoef(whole[0, :count], parts[0, :count])[0, 1] > 0.95


@pytest.mark.parametrize(("wanted", "count"), [("general", 6), ("drums", 1)])
def test_an_uploaded_song_is_taken_apart(vidgo, song, wanted, count):
    url = song["files"][0]["audio_url"]
    (file,) = vidgo.made("upload-and-separate-vocals", CALLBACK, audio_url=url, output_type=wanted)
    found = json.loads(file["vocal_removal"])
    assert set(found) == {"bass", "drums", "piano", "guitar", "vocals", "other"}
    assert sum(bool(part) for part in found.values()) == count


def test_a_music_video_shows_the_cover_and_plays_the_song(vidgo, song, tmp_path):
    (file,) = vidgo.made("create-music-video", CALLBACK, **about(song))
    video = vidgo.kept(file["video_url"], tmp_path / "video.mp4")
    length, shape, _, tracks = seen(video)
    assert length == pytest.approx(4.0, abs=0.2)
    assert (shape, tracks) == ((160, 90), 1)
    assert loudness(recorded(video)[0]) > 0.02


def test_covers_come_as_a_list_in_a_string(vidgo, song, tmp_path):
    (file,) = vidgo.made("generate-music-cover", CALLBACK, task_id=song["task_id"])
    covers = json.loads(file["generate_cover"])
    assert [cover["file_type"] for cover in covers] == ["image", "image"]
    for cover in covers:
        with Image.open(vidgo.kept(cover["file_url"], tmp_path / "a.png")) as picture:
            assert picture.format == "PNG"


def test_lyrics_and_styles_are_text(vidgo, song):
    (timed,) = vidgo.made("get-timestamped-lyrics", **about(song))
    assert timed == {"timestampe_lyrics": "[00:00.00] first line\n[00:02.00] second line"}
    (lyrics,) = vidgo.made("generate-lyrics", CALLBACK, prompt="rain in june")
    assert set(lyrics) == {"title", "text"}
    assert "rain in june" in lyrics["text"]
    (style,) = vidgo.made("boost-music-style", content="pop")
    assert style["style"].startswith("pop, ")
    (persona,) = vidgo.made("generate-persona", name="n", description="d", **about(song))
    assert persona["persona_id"].startswith("persona_")


def test_songs_are_made_of_songs(vidgo, song, tmp_path):
    url = song["files"][0]["audio_url"]

    def length(model: str, **fields: object) -> float:
        file = vidgo.made(model, **fields)[0]
        samples, seconds = recorded(vidgo.kept(file["audio_url"], tmp_path / "a.mp3"))
        assert loudness(samples) > 0.02
        assert file["duration"] == pytest.approx(seconds, abs=0.1)
        return round(seconds)

    upload = {"upload_url": url, "prompt": "x", "title": "t", "style": "s", "negative_tags": "n", "mv": "V5"}
    modes = {"custom_mode": False, "instrumental": True}
    flag = {"default_param_flag": False, "continue_at": 2}
    assert length("extend-music", audio_id=song["audio_id"], mv="V5", default_param_flag=False) == 8
    assert length("extend-music", audio_id=song["audio_id"], mv="V5", **flag) == 6
    assert length("upload-and-extend-audio", instrumental=True, **{**upload, **flag}) == 6
    assert length("upload-and-cover-audio", **upload, **modes) == 4
    assert length("add-vocals", **upload) == 4
    assert length("add-instrumental", **{**upload, "tags": "t"}) == 4
    section = {"tags": "t", "title": "t", "full_lyrics": "l", "prompt": "p"}
    assert length("replace-section", **about(song), **section, infill_start_s=1, infill_end_s=3) == 4
