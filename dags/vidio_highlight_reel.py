"""Footage in, highlight reel out: upload → reel → render → download.

Trigger it from the UI: every choice below is a form field, so a person can run it again with
another aspect ratio or length. The triggerer does the waiting, so no worker is held. Each step can be
cleared and rerun by itself. A retry never pays again for a step that was paid for.

Needs a connection ``vidio_default`` with the API key as its password.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import get_args

from airflow.sdk import DAG, Param, task

from airflow_provider_vidai.hooks.vidio import AspectRatio, MusicCategory, VideoCategory
from airflow_provider_vidai.operators.vidio import (
    VidioDownloadOperator,
    VidioHighlightReelOperator,
    VidioRenderOperator,
    VidioUploadOperator,
)

with DAG(
    dag_id="vidio_highlight_reel",
    description="Upload footage, make a highlight reel of it, render it, download it",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["vidai", "vidio"],
    render_template_as_native_obj=True,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    params={
        "footage": Param(
            ["file:///data/footage/clip.mp4"],
            type="array",
            items={"type": "string"},
            minItems=1,
            title="Footage",
            description="Storage URIs or paths of videos and images, in the order of the reel, one per line.",
        ),
        "video_category": Param(
            "others", type="string", enum=[*get_args(VideoCategory)], title="Video category"
        ),
        "output_length": Param(
            30, type="integer", minimum=1, maximum=3600, title="Output length", description="Seconds."
        ),
        "aspect_ratio": Param(
            "landscape", type="string", enum=[*get_args(AspectRatio)], title="Aspect ratio"
        ),
        "music_category": Param(
            None,
            type=["null", "string"],
            enum=[None, *get_args(MusicCategory)],
            values_display={"null": "no music"},
            title="Music category",
        ),
        "music_volume": Param(70, type="integer", minimum=0, maximum=100, title="Music volume"),
        "original_audio_volume": Param(
            100, type="integer", minimum=0, maximum=100, title="Original audio volume"
        ),
        "output_index": Param(
            0,
            type="integer",
            minimum=0,
            title="Output",
            description="Number of the output to render. 0 is usually the best.",
        ),
        "destination": Param(
            "file:///data/reels/",
            type="string",
            minLength=1,
            title="Destination",
            description="A storage URI or path. A folder ends in /.",
        ),
    },
) as dag:

    @task
    def footage(params: dict) -> list[str]:
        """Turn the form's field into one upload per file."""
        return list(params["footage"])

    upload = VidioUploadOperator.partial(task_id="upload").expand(source=footage())

    reel = VidioHighlightReelOperator(
        task_id="reel",
        input_keys=upload.output,
        video_category="{{ params.video_category }}",
        output_length="{{ params.output_length }}",
        aspect_ratio="{{ params.aspect_ratio }}",
        music_category="{{ params.music_category }}",
        music_volume="{{ params.music_volume }}",
        original_audio_volume="{{ params.original_audio_volume }}",
        deferrable=True,
    )

    render = VidioRenderOperator(
        task_id="render", job=reel.output, output_index="{{ params.output_index }}", deferrable=True
    )

    VidioDownloadOperator(task_id="download", job=render.output, destination="{{ params.destination }}")
