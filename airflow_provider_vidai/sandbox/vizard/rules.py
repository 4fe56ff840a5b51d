"""Which requests Vizard accepts: the fields of each, and the error code of a wrong one.

The documents do not say which mistakes get -1000 and which 4006: here -1000 is for missing fields and
invalid JSON, and 4006 for values that are not allowed.
"""

import json
from typing import Any
from urllib.parse import urlsplit

#: A code and its message.
Complaint = tuple[int, str]

EXTENSIONS = ("mp4", "3gp", "avi", "mov")
#: The hosts that a URL may have, by ``videoType``; 1 is a file anywhere. Rumble (8) is no longer accepted.
HOSTS: dict[int, tuple[str, ...]] = {
    1: (),
    2: ("youtube.com", "youtu.be"),
    3: ("drive.google.com",),
    4: ("vimeo.com",),
    5: ("streamyard.com",),
    6: ("tiktok.com",),
    7: ("twitter.com", "x.com"),
    9: ("twitch.tv",),
    10: ("loom.com",),
    11: ("facebook.com", "fb.watch"),
    12: ("linkedin.com",),
    13: ("dropbox.com",),
    14: ("instagram.com",),
}
SWITCHES = (
    *("removeSilenceSwitch", "subtitleSwitch", "headlineSwitch"),
    *("emojiSwitch", "highlightSwitch", "autoBrollSwitch"),
)
MODELS = ("clip_v1", "clip_v2")
#: The maximum length of a caption by platform, in characters.
MAX_CAPTION = {
    "tiktok": 2200,
    "instagram": 2200,
    "facebook": 2200,
    "linkedin": 3000,
    "youtube": 5000,
    "x": 280,
}
MAX_TITLE = 100


def lengths(value: Any) -> list[int] | None:
    """Return the requested lengths, also from a list in a string, as in the vendor's own sample."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    good = isinstance(value, list) and value and all(_is_int(item) and 0 <= item <= 4 for item in value)
    return list(value) if good and (0 not in value or len(value) == 1) else None


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def create_complaint(request: dict[str, Any], generation: str) -> Complaint | None:
    """Return what is wrong with a project."""
    for name in ("lang", "videoUrl"):
        if not isinstance(request.get(name), str) or not request[name]:
            return -1000, f"{name} is required"
    if generation == "2024":
        return _complaint_2024(request)
    return _source_complaint(request) or _option_complaint(request)


def _complaint_2024(request: dict[str, Any]) -> Complaint | None:
    """Return what is wrong according to the API as first documented."""
    if not _is_web(request["videoUrl"]):
        return 4005, "invalid video url"
    if request.get("ext") not in EXTENSIONS:
        return 4004, "unsupported video format"
    if lengths(request.get("preferLength")) is None:
        return 4006, "illegal parameter: preferLength"
    for name in ("subtitleSwitch", "headlineSwitch"):
        if request.get(name, 0) not in (0, 1):
            return 4006, f"illegal parameter: {name}"
    return None


def _source_complaint(request: dict[str, Any]) -> Complaint | None:
    kind = request.get("videoType")
    if not _is_int(kind) or kind not in HOSTS:
        return 4006, "illegal parameter: videoType"
    if not _is_web(request["videoUrl"]):
        return 4009, "invalid video url"
    if kind == 1 and not request.get("ext"):
        return 4006, "illegal parameter: ext"
    if kind == 1 and request["ext"] not in EXTENSIONS:
        return 4004, "unsupported video format"
    host = urlsplit(request["videoUrl"]).hostname or ""
    own = HOSTS[kind]
    if own and not any(host == domain or host.endswith("." + domain) for domain in own):
        return 4009, "the url does not belong to this videoType"
    return None


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _option_complaint(request: dict[str, Any]) -> Complaint | None:
    editing = request.get("getClips", 1) == 0
    good = {
        "getClips": request.get("getClips", 1) in (0, 1),
        "preferLength": editing or lengths(request.get("preferLength")) is not None,
        "ratioOfClip": request.get("ratioOfClip", 1) in (1, 2, 3, 4),
        "maxClipNumber": _is_int(request.get("maxClipNumber", 1))
        and 1 <= request.get("maxClipNumber", 1) <= 100,
        "templateId": _is_int(request.get("templateId", 1)) and request.get("templateId", 1) > 0,
        "keywords": isinstance(keywords(request), str),
        "projectName": isinstance(request.get("projectName", ""), str),
        "clipModel": request.get("clipModel", MODELS[0]) in MODELS,
        "webhookUrl": "webhookUrl" not in request
        or (isinstance(request["webhookUrl"], str) and _is_web(request["webhookUrl"])),
        **{name: request.get(name, 0) in (0, 1) for name in SWITCHES},
    }
    wrong = next((name for name, fine in good.items() if not fine), None)
    return None if wrong is None else (4006, f"illegal parameter: {wrong}")


def keywords(request: dict[str, Any]) -> Any:
    """Return the keywords of the clips; the documents use both names."""
    return request.get("keywords", request.get("keyword", ""))


def caption_complaint(request: dict[str, Any]) -> Complaint | None:
    """Return what is wrong with a request for a caption."""
    ranges = {"aiSocialPlatform": (1, range(1, 8)), "tone": (0, range(5)), "voice": (0, range(2))}
    for name, (default, allowed) in ranges.items():
        if not _is_int(request.get(name, default)) or request.get(name, default) not in allowed:
            return 4006, f"illegal parameter: {name}"
    return None


def publish_complaint(request: dict[str, Any], account: dict[str, Any] | None) -> Complaint | None:
    """Return what is wrong with a request to publish.

    :param account: the connected account that it names, or None.
    """
    if not isinstance(request.get("socialAccountId"), str):
        return -1000, "socialAccountId is required"
    if account is None or account["status"] in ("expired", "not connected"):
        return 4011, "invalid socialAccountId"
    if account["status"] == "locked":
        return 4004, "upgrade your plan to publish to this account"
    time = request.get("publishTime")
    if time is not None and not (_is_int(time) and time > 0):
        return 4006, "illegal parameter: publishTime"
    post, title = request.get("post", ""), request.get("title", "")
    if not isinstance(post, str) or len(post) > MAX_CAPTION.get(account["platform"], 2200):
        return 4006, "illegal parameter: post"
    if not isinstance(title, str) or len(title) > MAX_TITLE:
        return 4006, "illegal parameter: title"
    return None
