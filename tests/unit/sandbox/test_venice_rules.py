"""What Venice refuses to queue, and with which message; no refusal costs anything."""

import pytest

IMAGE = "data:image/png;base64,AAAA"
FIRST = {"model": "wan-2.6-image-to-video", "aspect_ratio": ..., "image_url": IMAGE}
KLING = {"model": "kling-2.6-pro-text-to-video", "resolution": ...}
ELEMENTS = {"model": "kling-o3-pro-reference-to-video", "resolution": ..., "elements": [{"video_url": IMAGE}]}
SEEDANCE = {"model": "seedance-2-5-reference-to-video-basic", "reference_image_urls": [IMAGE]}
FRAMES = {"model": "ltx-2-full-image-to-video", "duration": "6s", "resolution": ..., "aspect_ratio": ...}
ANGLES = {
    "model": "minimax-h3-max-multi-angle",
    "resolution": ...,
    "aspect_ratio": ...,
    "prompt": ...,
    "image_url": IMAGE,
}
UPSCALE = {
    "model": "topaz-video-upscale",
    "prompt": ...,
    "duration": ...,
    "resolution": ...,
    "aspect_ratio": ...,
    "video_url": "https://example.com/a.mp4",
}


def pose(time: float, **changes: object) -> dict[str, object]:
    return {"time": time, "azimuth": 0, "elevation": 0, "distance": 1, **changes}


REFUSED = [
    ({"duration": "7s"}, "duration", "Invalid enum value. Expected '5s' | '10s' | '15s', received '7s'"),
    ({"duration": 5}, "duration", "Expected '5s' | '10s' | '15s', received number"),
    ({"duration": "5"}, "duration", "Invalid enum value. Expected '5s' | '10s' | '15s', received '5'"),
    ({"duration": ...}, "duration", "Required"),
    ({"aspect_ratio": ...}, "aspect_ratio", "Required"),
    (
        {"aspect_ratio": "4:3"},
        "aspect_ratio",
        "Invalid enum value. Expected '16:9' | '9:16' | '1:1', received '4:3'",
    ),
    ({"resolution": "720P"}, "resolution", "Invalid enum value. Expected '1080p' | '720p', received '720P'"),
    ({"prompt": ...}, "prompt", "Required"),
    ({"prompt": ""}, "prompt", "String must contain at least 1 character(s)"),
    ({"prompt": "x" * 2501}, "prompt", "String must contain at most 2500 character(s)"),
    ({"prompt": None}, "prompt", "Expected string, received null"),
    ({"negative_prompt": ["x"]}, "negative_prompt", "Expected string, received array"),
    ({"audio": "yes"}, "audio", "Expected boolean, received string"),
    ({"image_url": IMAGE}, "image_url", "This model does not support image_url"),
    ({"upscale_factor": 2}, "upscale_factor", "This model does not support upscale_factor"),
    ({"anon_user_id": "a||b"}, "anon_user_id", "Invalid"),
    ({**FIRST, "aspect_ratio": "16:9"}, "aspect_ratio", "This model does not support aspect_ratio"),
    ({**FIRST, "image_url": ...}, "image_url", "Required"),
    ({**FIRST, "image_url": "picture.png"}, "image_url", "Invalid url"),
    ({**FIRST, "end_image_url": IMAGE}, "end_image_url", "This model does not support end_image_url"),
    ({**KLING, "resolution": "720p"}, "resolution", "This model does not support resolution"),
    (
        {"model": "wan-2-7-text-to-video", "audio": False},
        "audio",
        "This model does not support audio configuration",
    ),
    ({**UPSCALE, "resolution": "2x"}, "resolution", "Use upscale_factor instead of resolution"),
    ({**UPSCALE, "duration": "Auto"}, "duration", "duration must be a positive number"),
    ({**UPSCALE, "duration": "301"}, "duration", "duration must be a positive number"),
    ({**UPSCALE, "upscale_factor": 3}, "upscale_factor", "Invalid input"),
    ({**UPSCALE, "prompt": "sharper"}, "prompt", "This model does not support prompt"),
    ({**UPSCALE, "grain": 0.5}, "grain", "Number must be less than or equal to 0.1"),
    ({**UPSCALE, "target_fps": 10}, "target_fps", "Number must be greater than or equal to 16"),
    ({**UPSCALE, "video_url": ...}, "video_url", "Required"),
    (
        {**ELEMENTS, "elements": ...},
        "image_url",
        "At least one visual input is required: image_url, elements, or scene_image_urls",
    ),
    (
        {**ELEMENTS, "elements": [{"video_url": IMAGE, "frontal_image_url": IMAGE}]},
        "elements",
        "Cannot provide both image URLs and video URL",
    ),
    (
        {**ELEMENTS, "elements": [{"video_url": IMAGE}] * 5},
        "elements",
        "Array must contain at most 4 element(s)",
    ),
    ({**ELEMENTS, "elements": [{}]}, "elements", "Either image URLs or a video URL is required"),
    ({**SEEDANCE, "reference_image_urls": ...}, None, "At least one reference is required for this model"),
    (
        {**SEEDANCE, "reference_image_urls": [IMAGE] * 31},
        "reference_image_urls",
        "Array must contain at most 30 element(s)",
    ),
    (
        {**SEEDANCE, "reference_image_urls": ..., "reference_audio_urls": [IMAGE]},
        "reference_audio_urls",
        "reference_audio_urls needs an image or video reference",
    ),
    (
        {**SEEDANCE, "duration": "auto"},
        "reference_video_urls",
        "reference_video_urls is required for automatic duration",
    ),
    (
        {**SEEDANCE, "bitrate_mode": "low"},
        "bitrate_mode",
        "Invalid enum value. Expected 'standard' | 'high', received 'low'",
    ),
    (
        {**FRAMES, "keyframes": [{"image_url": IMAGE, "frame_index": 145}]},
        "keyframes",
        "frame_index must be at most 144",
    ),
    (
        {**FRAMES, "keyframes": [{"image_url": IMAGE, "frame_index": 1}] * 2},
        "keyframes",
        "frame_index must be unique",
    ),
    (
        {**ANGLES, "camera_trajectory": [pose(0)]},
        "camera_trajectory",
        "camera_trajectory must have 2 to 12 keyframes",
    ),
    (
        {**ANGLES, "camera_trajectory": [pose(0), pose(0)]},
        "camera_trajectory",
        "time must be strictly increasing",
    ),
    (
        {**ANGLES, "camera_trajectory": [pose(0), pose(1, azimuth=11521)]},
        "camera_trajectory",
        "Camera azimuth travel must not exceed 32 full turns",
    ),
    (
        {**ANGLES, "camera_trajectory": [pose(0), pose(1, elevation=91)]},
        "camera_trajectory",
        "Number must be less than or equal to 90",
    ),
    (
        {**ANGLES, "camera_trajectory": [pose(0), pose(1, roll=1)]},
        None,
        "Unrecognized key(s) in object: 'roll'",
    ),
]


@pytest.mark.parametrize(("order", "field", "message"), REFUSED)
def test_what_a_model_does_not_take_is_refused_with_the_vendors_message(
    sandbox, venice, order, field, message
):
    answer = venice.queue(**order)
    assert answer.status_code == 400
    body = answer.json()
    assert body["error"] == "Invalid request parameters"
    assert message in [issue["message"] for issue in body["issues"]]
    assert message in (body["details"][field] if field else body["details"])["_errors"]
    assert sandbox.control.purchases() == []


def test_a_wrong_choice_is_reported_in_full(venice):
    assert venice.queue(**KLING, duration="7s").json() == {
        "error": "Invalid request parameters",
        "details": {
            "_errors": [],
            "duration": {"_errors": ["Invalid enum value. Expected '5s' | '10s', received '7s'"]},
        },
        "issues": [
            {
                "code": "invalid_enum_value",
                "path": ["duration"],
                "message": "Invalid enum value. Expected '5s' | '10s', received '7s'",
                "options": ["5s", "10s"],
                "received": "7s",
            }
        ],
    }


def test_unknown_fields_are_refused_together_unless_it_is_lax(sandbox, venice):
    (issue,) = venice.queue(seed=1, fps=24).json()["issues"]
    assert issue == {
        "code": "unrecognized_keys",
        "path": [],
        "message": "Unrecognized key(s) in object: 'seed', 'fps'",
        "keys": ["seed", "fps"],
    }
    sandbox.control.settings(venice={"strict": False})
    job = venice.bought(seed=1, fps=24, end_image_url=IMAGE, reference_image_urls=5, upscale_factor=2)
    assert venice.settled(job).headers["content-type"] == "video/mp4"


@pytest.mark.parametrize(
    "order",
    [
        {"negative_prompt": "", "anon_user_id": "someone"},
        {**FIRST, "audio": False},
        {**KLING, "audio": False, "negative_prompt": "rain"},
        {**FRAMES, "image_url": IMAGE, "end_image_url": IMAGE, "image_strength": 0.5},
        {
            **FRAMES,
            "keyframes": [{"image_url": IMAGE, "frame_index": 0}, {"image_url": IMAGE, "frame_index": 144}],
        },
        {**ANGLES, "camera_trajectory": [pose(0), pose(0.5, azimuth=-90), pose(1)]},
        {**SEEDANCE, "bitrate_mode": "high", "omni_reference_task_type": "edit"},
        {
            **ELEMENTS,
            "elements": [{"frontal_image_url": IMAGE, "reference_image_urls": [IMAGE]}],
            "scene_image_urls": [IMAGE],
        },
    ],
)
def test_what_a_model_takes_is_sold(venice, order):
    answer = venice.queue(**order)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "url", ["data:video/mp4;base64,AAAA", "data:video/mp4;base64,!", "ftp://example.com/a"]
)
def test_a_video_to_change_is_read_before_anything_is_sold(sandbox, venice, url):
    answer = venice.queue(**{**UPSCALE, "video_url": url})
    assert answer.status_code == 400
    assert "video_url" in answer.json()["details"]
    assert sandbox.control.purchases() == []


def test_private_addresses_are_refused_if_configured_so(sandbox, venice):
    sandbox.control.settings(venice={"private_urls": False})
    for url in ("http://127.0.0.1/a.png", "http://localhost:1/a.png", "http://10.0.0.1/a.png"):
        answer = venice.queue(**{**FIRST, "image_url": url})
        assert answer.json()["issues"][0]["message"] == "URL must not point to a private network address"
    assert venice.queue(**FIRST).status_code == 200
