"""VIDIO's calls, as its fact sheet says."""

import httpx
import pytest
from footage import circle, pictures, sound, still

from airflow_provider_vidai.sandbox.media import music

WALK = ["submitted", "queued", "loaded", "small_work_pending", "processing", "processed"]


# --- keys


@pytest.mark.parametrize("headers", [{}, {"x-api-key": ""}, {"authorization": "Bearer a-key"}])
def test_without_a_key_nothing_is_answered(sandbox, headers):
    answer = httpx.get(sandbox.url + "/vidio/api/v1/jobs/x/status", headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"error": "Invalid API key"})


def test_only_listed_keys_are_valid_if_configured_so(sandbox, vidio, other):
    sandbox.control.accept_only("vidio", ["another-key"])
    assert vidio.status("x").status_code == 401
    assert other.status("x").status_code == 404
    sandbox.control.accept_only("vidio", None)
    assert vidio.status("x").status_code == 404


def test_a_closed_account_gets_its_answer_on_every_call(sandbox, vidio, other, key):
    sandbox.control.close_account("vidio", "a-key", 402, {"error": "Plan required"})
    for answer in (vidio.upload_url(), vidio.create(key), vidio.status("x"), vidio.render("x")):
        assert (answer.status_code, answer.json()) == (402, {"error": "Plan required"})
    assert other.status("x").status_code == 404
    sandbox.control.open_account("vidio", "a-key")
    assert vidio.create(key).status_code == 200


def test_jobs_and_uploads_of_another_account_are_not_there(vidio, other, key):
    assert other.create(key).status_code == 404
    job_id = vidio.processed(key)
    assert other.status(job_id).status_code == 404
    assert other.render(job_id).status_code == 404


# --- uploads


@pytest.mark.parametrize(
    "name",
    ["job_id", "file_name", "file_type", "media_type", "width", "height", "duration", "to_be_downscaled"],
)
def test_an_upload_without_a_fact_is_refused_naming_it(vidio, name):
    answer = vidio.upload_url(**{name: None})
    assert answer.status_code == 400
    assert name in answer.json()["error"]


@pytest.mark.parametrize(
    "facts",
    [{"media_type": "audio"}, {"width": "wide"}, {"height": -1}, {"duration": "nan?"}, {"job_id": "a/b"}],
)
def test_an_upload_with_a_wrong_fact_is_refused_naming_it(vidio, facts):
    answer = vidio.upload_url(**facts)
    assert answer.status_code == 400
    assert next(iter(facts)) in answer.json()["error"]


@pytest.mark.parametrize("name", ["my clip #1 é.mp4", "100%?&=+.mp4", "日本.mp4", ".mp4", "a" * 240 + ".mp4"])
def test_any_file_name_is_kept_as_it_is(vidio, clip, name):
    assert vidio.processed(vidio.upload(clip.read_bytes(), name, file_type="mp4"))


@pytest.mark.parametrize(
    "name", ["../../escape.mp4", "..", "/etc/passwd", "a/../b.mp4", "a\0b.mp4", "a" * 300 + ".mp4"]
)
def test_no_file_name_leads_out_of_the_data_folder(vidio, name):
    answer = vidio.upload_url(name, file_type="mp4")
    assert answer.status_code == 400
    assert "file_name" in answer.json()["error"]


# --- reels


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"input_keys": []}, "input_keys"),
        ({"input_keys": "uploads/a"}, "input_keys"),
        ({"input_keys": [1]}, "input_keys"),
        ({"video_category": "sports"}, "video_category"),
        ({"video_category": None}, "video_category"),
        ({"video_category": ["travel"]}, "video_category"),
        ({"aspect_ratio": "16:9"}, "aspect_ratio"),
        ({"output_length": 0}, "output_length"),
        ({"output_length": -5}, "output_length"),
        ({"output_length": "30"}, "output_length"),
        ({"output_length": True}, "output_length"),
        ({"music_category": "rock"}, "music_category"),
        ({"music_volume": 101}, "music_volume"),
        ({"music_volume": True}, "music_volume"),
        ({"original_audio_volume": -1}, "original_audio_volume"),
        ({"original_audio_volume": "50"}, "original_audio_volume"),
    ],
)
def test_a_wrong_request_is_refused_naming_the_field_and_costs_nothing(sandbox, vidio, key, changes, field):
    answer = vidio.create(key, **changes)
    assert answer.status_code == 400
    assert field in answer.json()["error"]
    assert not sandbox.control.purchases()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null"])
def test_a_body_that_is_no_object_is_refused(vidio, body):
    assert vidio.http.post("/jobs/highlight-reel", content=body).status_code == 400


def test_footage_that_was_never_uploaded_is_refused_by_name(vidio, key):
    begun = vidio.upload_url(job_id="begun").json()["url"]
    assert begun
    for missing in ("uploads/none/a.mp4", "uploads/begun/clip.mp4"):
        answer = vidio.create(key, missing)
        assert answer.status_code == 404
        assert missing in answer.json()["error"]


def test_a_reel_walks_through_all_its_statuses(sandbox, vidio, key):
    sandbox.control.settings(speed=0)
    created = vidio.create(key)
    assert created.json() == {"job_id": created.json()["job_id"], "status": "submitted"}
    job_id = created.json()["job_id"]
    seen = []
    for seconds in (0, 3, 6, 5, 7):
        sandbox.control.advance(seconds)
        seen.append(vidio.status(job_id).json())
    sandbox.control.advance(70)
    seen.append(vidio.wait(job_id, "processed"))
    assert seen == [{"job_id": job_id, "status": word} for word in WALK]


def test_a_reel_is_processed_only_when_the_work_is_really_done(sandbox, vidio, clip):
    keys = [vidio.upload(clip.read_bytes()) for _ in range(12)]
    job_id = vidio.create(*keys).json()["job_id"]
    sandbox.control.advance(1000)
    assert vidio.status(job_id).json()["status"] == "processing"
    vidio.wait(job_id, "processed")


def test_pictures_wait_in_a_queue_of_their_own(sandbox, vidio, tmp_path):
    picture = still(tmp_path / "a.png", circle((320, 180)))
    key = vidio.upload(picture.read_bytes(), "a.png", "image/png", media_type="image", duration=0)
    sandbox.control.settings(speed=0)
    job_id = vidio.create(key).json()["job_id"]
    sandbox.control.advance(14)
    assert vidio.status(job_id).json()["status"] == "cpu_work_pending"


def test_footage_that_cannot_be_read_fails_the_job(sandbox, vidio):
    job_id = vidio.create(vidio.upload(b"this is no video" * 1000)).json()["job_id"]
    assert vidio.wait(job_id, "failed") == {"job_id": job_id, "status": "failed"}
    assert vidio.render(job_id).status_code == 409
    (entry,) = sandbox.control.purchases()
    assert (entry["state"], entry["charged"], entry["refunded"]) == ("failed", True, False)


# --- renders


def test_a_render_walks_to_a_video_that_plays(sandbox, vidio, key, tmp_path):
    job_id = vidio.processed(key, aspect_ratio="portrait")
    sandbox.control.settings(speed=0)
    assert vidio.render(job_id).json() == {"status": "rendering"}
    seen = []
    for seconds in (0, 2, 30):
        sandbox.control.advance(seconds)
        seen.append(vidio.status(job_id).json())
    assert [answer["status"] for answer in seen] == ["processed", "rendering", "rendering"]
    assert all("output_url" not in answer and "outputs" not in answer for answer in seen)
    sandbox.control.advance(30)
    answer = vidio.wait(job_id, "rendered")
    video = tmp_path / "video.mp4"
    video.write_bytes(httpx.get(answer["output_url"]).raise_for_status().content)
    assert len(pictures(video)) == 50
    assert pictures(video)[0].shape == (160, 90, 3)


def test_a_rendered_job_describes_all_its_outputs(sandbox, vidio, key, tmp_path):
    answer = vidio.rendered(vidio.processed(key, output_length=1, music_category="sports"))
    assert len(answer["outputs"]) == 3
    for output in answer["outputs"]:
        assert set(output) == {"start", "end", "thumbnail", "duration", "fps", "overlays"}
        assert (output["start"], output["end"], output["duration"], output["fps"]) == (None, None, 1.0, 25.0)
        assert output["thumbnail"].startswith("out/")
        picture = tmp_path / "thumbnail.jpg"
        picture.write_bytes(
            httpx.get(f"{sandbox.url}/storage/{output['thumbnail']}").raise_for_status().content
        )
        assert pictures(picture)[0].shape == (90, 160, 3)
        *videos, track = output["overlays"]
        assert sum(video["durationInFrames"] for video in videos) == track["durationInFrames"] == 25
        assert videos[0]["from"] == 0
        assert {video["type"] for video in videos} == {"video"}
        assert {video["originalFileName"] for video in videos} == {"clip.mp4"}
        assert track["type"] == "sound"
        assert track["content"] == music.STYLES["sports"].track
        loop = tmp_path / "loop.wav"
        loop.write_bytes(httpx.get(track["src"]).raise_for_status().content)
        assert sound(loop).shape[1] > 48_000
    starts = [output["overlays"][0]["videoStartTime"] for output in answer["outputs"]]
    assert len(set(starts)) == 3


def test_the_chosen_output_is_the_one_that_is_rendered(vidio, key, tmp_path):
    job_id = vidio.processed(key, output_length=1)
    videos = []
    for index in (0, 1):
        video = tmp_path / f"{index}.mp4"
        video.write_bytes(httpx.get(vidio.rendered(job_id, output_index=index)["output_url"]).content)
        videos.append(pictures(video))
    assert abs(videos[0][5].astype(int) - videos[1][5]).mean() > 5


def test_every_answer_has_a_freshly_signed_url_for_the_same_video(vidio, key):
    job_id = vidio.processed(key)
    urls = [vidio.rendered(job_id)["output_url"], vidio.status(job_id).json()["output_url"]]
    assert urls[0] != urls[1]
    assert urls[0].partition("?")[0] == urls[1].partition("?")[0]
    assert [httpx.get(url).status_code for url in urls] == [200, 200]


def test_only_the_last_render_is_kept(vidio, key):
    job_id = vidio.processed(key)
    first = vidio.rendered(job_id)["output_url"]
    second = vidio.rendered(job_id, output_index=1)["output_url"]
    assert httpx.get(first).status_code == 404
    assert httpx.get(second).status_code == 200


def test_a_render_just_bought_still_shows_the_one_before(sandbox, vidio, key):
    job_id = vidio.processed(key)
    first = vidio.rendered(job_id)["output_url"].partition("?")[0]
    sandbox.control.settings(speed=0)
    vidio.render(job_id, output_index=1)
    lagging = vidio.status(job_id).json()
    assert (lagging["status"], lagging["output_url"].partition("?")[0]) == ("rendered", first)
    assert httpx.get(lagging["output_url"]).status_code == 200


def test_a_render_too_early_or_beside_another_is_refused_and_costs_nothing(sandbox, vidio, key):
    sandbox.control.settings(speed=0)
    job_id = vidio.create(key).json()["job_id"]
    assert vidio.render(job_id).status_code == 409
    sandbox.control.advance(1000)
    vidio.wait(job_id, "processed")
    assert vidio.render(job_id).status_code == 200
    assert vidio.render(job_id).status_code == 409
    sandbox.control.advance(10)
    assert vidio.render(job_id).status_code == 409
    assert [entry["kind"] for entry in sandbox.control.purchases()] == ["reel", "render"]


@pytest.mark.parametrize(
    "changes", [{"output_index": 3}, {"output_index": -1}, {"output_index": "0"}, {"export_option": 0}]
)
def test_a_wrong_render_is_refused_naming_the_field(vidio, key, changes):
    answer = vidio.render(vidio.processed(key, output_length=1), **changes)
    assert answer.status_code == 400
    assert next(iter(changes)) in answer.json()["error"]


def test_an_unknown_job_is_not_found(vidio):
    assert vidio.status("none").status_code == 404
    assert vidio.render("none").status_code == 404


def test_the_requested_volumes_are_used(vidio, key, tmp_path):
    def video(**volumes) -> float:
        path = tmp_path / "video.mp4"
        answer = vidio.rendered(vidio.processed(key, **volumes))
        path.write_bytes(httpx.get(answer["output_url"]).content)
        return float(abs(sound(path)).mean())

    quiet, loud = video(original_audio_volume=20), video()
    assert quiet == pytest.approx(loud / 5, rel=0.1)


def test_status_is_answered_while_media_work_runs(sandbox, vidio, clip):
    keys = [vidio.upload(clip.read_bytes()) for _ in range(10)]
    job_id = vidio.create(*keys).json()["job_id"]
    sandbox.control.advance(1000)
    answers = 0
    while vidio.status(job_id).json()["status"] != "processed":
        answers += 1
    assert answers > 20


def test_real_time_feels_like_the_real_thing(sandbox, vidio, key):
    sandbox.control.settings(speed=1)
    job_id = vidio.create(key).json()["job_id"]
    sandbox.control.advance(88)
    assert vidio.status(job_id).json()["status"] == "processing"
    sandbox.control.advance(3)
    vidio.wait(job_id, "processed")


def test_what_it_serves_is_an_mp4_by_name_and_type(vidio, key):
    answer = vidio.rendered(vidio.processed(key))
    video = httpx.get(answer["output_url"])
    assert video.headers["content-type"] == "video/mp4"
    assert video.content[4:8] == b"ftyp"


def test_a_path_that_does_not_exist_is_logged_as_such(sandbox, vidio):
    assert vidio.http.get("/jobs/x").status_code == 404
    assert sandbox.control.calls()[-1]["call"] == "unknown"
