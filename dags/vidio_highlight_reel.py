"""Footage in, highlight reel out: upload → reel → render → download.

Trigger it from the UI: every choice below is a form field, so a person can run it again with
another aspect ratio or length. The triggerer does the waiting, so no worker is held. Each step can be
cleared and rerun by itself. A retry never pays again for a step that was paid for.

Needs a connection ``vidio_default`` with the API key as its password. The Airflow Variable ``vidai_media``
names a folder, such as ``s3://aws_default@media`` or ``file:///data/media``: footage is read from
``footage/`` in it, and reels are written to ``reels/``. The form can name other places.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, get_args

from airflow.sdk import DAG, ObjectStoragePath, Param, Variable, task

from airflow_provider_vidai.hooks.vidio import AspectRatio, MusicCategory, VideoCategory
from airflow_provider_vidai.operators.vidio import (
    VidioDownloadOperator,
    VidioHighlightReelOperator,
    VidioRenderOperator,
    VidioUploadOperator,
)

SUFFIXES = {".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".jpg", ".jpeg", ".png", ".webp"}


def readable(values: Any) -> dict[str, str]:
    """Return the vendor's names for a choice, as the form shows them."""
    return {value: value.replace("-", " ").replace("_", " ").capitalize() for value in get_args(values)}


with DAG(
    dag_id="vidio_highlight_reel",
    dag_display_name="VIDIO: highlight reel",
    description="Upload footage, make a highlight reel of it, render it, download it",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["vidai", "vidio"],
    render_template_as_native_obj=True,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30), "retry_exponential_backoff": True},
    params={
        "footage": Param(
            None,
            type=["null", "array"],
            items={"type": "string"},
            minItems=1,
            title="Footage",
            description="URIs or paths of videos and images, in the order of the reel, one per line. "
            "If empty: all files in footage/ of the folder that the Variable vidai_media names.",
        ),
        "video_category": Param(
            "others",
            type="string",
            enum=[*get_args(VideoCategory)],
            values_display=readable(VideoCategory),
            title="Video category",
            description="What the footage shows; it decides which moments count as highlights.",
        ),
        "output_length": Param(
            20,
            type="integer",
            minimum=1,
            maximum=3600,
            title="Output length",
            description="Seconds. The reel is never longer than the footage.",
        ),
        "aspect_ratio": Param(
            "landscape",
            type="string",
            enum=[*get_args(AspectRatio)],
            values_display={
                "landscape": "Landscape (16:9)",
                "portrait": "Portrait (9:16)",
                "square": "Square (1:1)",
            },
            title="Aspect ratio",
        ),
        "music_category": Param(
            "none",
            type="string",
            enum=["none", *get_args(MusicCategory)],
            values_display={"none": "No music", **readable(MusicCategory)},
            title="Music category",
        ),
        "music_volume": Param(
            70, type="integer", minimum=0, maximum=100, title="Music volume", description="Per cent."
        ),
        "original_audio_volume": Param(
            100,
            type="integer",
            minimum=0,
            maximum=100,
            title="Original audio volume",
            description="Per cent.",
        ),
        "output_index": Param(
            0,
            type="integer",
            minimum=0,
            title="Output",
            description="Number of the output to render. 0 is usually the best.",
        ),
        "destination": Param(
            None,
            type=["null", "string"],
            title="Destination",
            description="A storage URI or path; a folder ends in /. "
            "If empty: reels/ of the folder that the Variable vidai_media names.",
        ),
    },
) as dag:

    @task(task_display_name="Find the footage")
    def footage(params: dict) -> list[str]:
        """List the files to upload: those of the form, or all videos and images of the media folder."""
        if params["footage"]:
            return list(params["footage"])
        folder = ObjectStoragePath(f"{Variable.get('vidai_media')}/footage/")
        return [str(path) for path in sorted(folder.iterdir(), key=str) if path.suffix.lower() in SUFFIXES]

    upload = VidioUploadOperator.partial(
        task_id="upload",
        task_display_name="Upload",
        doc_md="Uploads one file. Costs nothing.",
        map_index_template="{{ task.source.rpartition('/')[2] }}",
    ).expand(source=footage())

    reel = VidioHighlightReelOperator(
        task_id="reel",
        task_display_name="Make the reel",
        doc_md="Buys a highlight reel of all that was uploaded, and waits for it in the triggerer.",
        input_keys=upload.output,
        video_category="{{ params.video_category }}",
        output_length="{{ params.output_length }}",
        aspect_ratio="{{ params.aspect_ratio }}",
        music_category="{{ '' if params.music_category == 'none' else params.music_category }}",
        music_volume="{{ params.music_volume }}",
        original_audio_volume="{{ params.original_audio_volume }}",
        deferrable=True,
    )

    render = VidioRenderOperator(
        task_id="render",
        task_display_name="Render it",
        doc_md="Buys a render of the chosen output, and waits for it in the triggerer.",
        job=reel.output,
        output_index="{{ params.output_index }}",
        deferrable=True,
    )

    VidioDownloadOperator(
        task_id="download",
        task_display_name="Download",
        doc_md="Downloads the rendered video to the destination. Costs nothing.",
        job=render.output,
        destination="{{ params.destination or var.value.vidai_media ~ '/reels/' }}",
    )
