"""What the example DAGs do when they run from the defaults of their forms."""

from __future__ import annotations

#: What each DAG buys at its first click, as (vendor, kind) of the account book, and which folder of the media
#: folder it fills.
BUYS: dict[str, tuple[list[str] | None, str]] = {
    "vidio_highlight_reel": (["vidio reel", "vidio render"], "reels"),
    "vidio_nightly_batch": (["vidio reel", "vidio render"], "nightly-reels"),
    "venice_text_to_video": (["venice generate"], "videos"),
    "venice_until_good": (["venice generate"], "videos"),
    "venice_batch": (["venice generate"] * 3, "campaign"),
    "venice_image_to_video": (["venice generate"] * 2, "videos"),
    "vidgo_image_to_video_with_music": (["vidgo media"] * 2 + ["vidgo music"], "scenes"),
    "vidgo_prompt_batch": (["vidgo media"] * 3, "batch"),
    "vidgo_new_pictures": (["vidgo media"] * 2, "new-pictures"),
    "venice_new_pictures_move": (["venice generate"] * 2, "moving"),
    "vizard_clip_factory": (None, "clips"),
    "vizard_watch_folder": (["vizard project"], "watched-clips"),
    "multi_vendor_reel": (
        ["venice generate"] * 3 + ["vidgo media"] * 3 + ["vidio reel", "vidio render", "vizard project"],
        "reels",
    ),
}
