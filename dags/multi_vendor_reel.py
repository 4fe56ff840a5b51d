"""Four vendors, one DAG: footage is generated, cut into a reel, and the reel into vertical clips.

Vidgo and Venice each make a video of every scene; VIDIO makes a highlight reel of all that footage; Vizard
cuts captioned vertical clips from the reel. Every task writes its own files to a folder of the run, below
the destination. Every step can be cleared and rerun by itself. A retry never pays again for what was paid
for.

Without a destination in the form, files are written to ``reels/`` of the folder that the Airflow Variable
``vidai_media`` names, such as ``s3://aws_default@media``.

Vizard fetches the reel by URL. On S3, GCS and Azure the task signs one. For another storage, set the
Variable ``vidai_media_url`` (or the form's *Public URL of the destination*) to where its files can be read,
such as ``https://media.example.com``. Vizard needs at least a minute of video: three scenes of ten seconds,
made twice, add up to one.

Needs the connections ``vidgo_default``, ``venice_default``, ``vidio_default`` and ``vizard_default``.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, Asset, Param, Variable, task

from airflow_provider_vidai.operators.venice import VeniceVideoOperator
from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator
from airflow_provider_vidai.operators.vidio import (
    VidioHighlightReelOperator,
    VidioRenderOperator,
    VidioUploadOperator,
)
from airflow_provider_vidai.operators.vizard import VizardClipsOperator, VizardDownloadOperator

clips = Asset("multi_vendor_clips")

#: The folder for all files of a run.
FOLDER = "{{ params.destination or var.value.vidai_media ~ '/reels/' }}{{ dag_run.run_after | ts_nodash }}/"
SECONDS = 10

with DAG(
    dag_id="multi_vendor_reel",
    dag_display_name="All four vendors: from scenes to clips",
    description="Make scenes with Vidgo and Venice, a reel with VIDIO, clips with Vizard",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["vidai", "vidgo", "venice", "vidio", "vizard"],
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30), "retry_exponential_backoff": True},
    params={
        "scenes": Param(
            [
                "Waves roll onto a beach at dawn",
                "Surfers paddle out and ride a big wave",
                "A bonfire on the beach, friends dancing at night",
            ],
            type="array",
            items={"type": "string"},
            minItems=1,
            maxItems=10,
            title="Scenes",
            description="One per line; Vidgo and Venice each make a video of it.",
        ),
        "reel_length": Param(
            60, type="integer", minimum=5, maximum=300, title="Length of the reel", description="Seconds."
        ),
        "max_clips": Param(
            3,
            type="integer",
            minimum=1,
            maximum=20,
            title="Number of clips",
            description="The best ones are kept. There may be fewer.",
        ),
        "max_cost_usd": Param(
            2.0,
            type="number",
            exclusiveMinimum=0,
            title="Maximum price (USD)",
            description="For each scene that Venice makes.",
        ),
        "min_credits": Param(
            200,
            type="integer",
            minimum=0,
            title="Minimum balance (credits)",
            description="A Vidgo scene is bought only if the account has at least this many credits.",
        ),
        "destination": Param(
            None,
            type=["null", "string"],
            pattern="/$",
            title="Destination",
            description="A folder, ending in /: a storage URI or path. "
            "If empty: reels/ of the folder that the Variable vidai_media names.",
        ),
        "public_url": Param(
            None,
            type=["null", "string"],
            pattern="/$",
            title="Public URL of the destination",
            description="Where the destination's files can be read; ends in /. "
            "Leave it empty if the storage can sign URLs, or if the destination is empty.",
        ),
    },
) as dag:

    @task(task_display_name="Scenes for Venice")
    def scenes(params: dict) -> list[str]:
        """Return one scene for each mapped Venice task."""
        return list(params["scenes"])

    @task(task_display_name="Scenes for Vidgo")
    def inputs(params: dict) -> list[dict]:
        """Return the same scenes for Vidgo, as fields of its model."""
        common = {"duration": SECONDS, "resolution": "720p", "aspect_ratio": "16:9"}
        return [{**common, "prompt": scene} for scene in params["scenes"]]

    vidgo = VidgoGenerateOperator.partial(
        task_id="vidgo",
        task_display_name="Vidgo makes a scene",
        doc_md="Buys a video of one scene, waits for it in the triggerer, and downloads it.",
        map_index_template="{{ task.input.prompt | truncate(60) }}",
        model="seedance-2.0/text-to-video",
        min_credits="{{ params.min_credits }}",
        deferrable=True,
        download_to=f"{FOLDER}footage/",
    ).expand(input=inputs())

    venice = VeniceVideoOperator.partial(
        task_id="venice",
        task_display_name="Venice makes a scene",
        doc_md="Buys a video of one scene within the maximum price, waits for it, and downloads it.",
        map_index_template="{{ task.prompt | truncate(60) }}",
        model="wan-2.6-text-to-video",
        duration=SECONDS,
        resolution="720p",
        aspect_ratio="16:9",
        max_cost_usd="{{ params.max_cost_usd }}",
        deferrable=True,
        download_to=f"{FOLDER}footage/",
    ).expand(prompt=scenes())

    @task(task_display_name="Collect the footage")
    def footage(one: list[dict], other: list[dict]) -> list[str]:
        """List the videos, scene by scene."""
        return [job["files"][0]["path"] for takes in zip(one, other, strict=True) for job in takes]

    uploads = VidioUploadOperator.partial(
        task_id="upload",
        task_display_name="Upload to VIDIO",
        doc_md="Uploads one scene. Costs nothing.",
        map_index_template="{{ task.source.rpartition('/')[2] }}",
    ).expand(source=footage(vidgo.output, venice.output))

    reel = VidioHighlightReelOperator(
        task_id="reel",
        task_display_name="VIDIO makes the reel",
        doc_md="Buys a highlight reel of all scenes, and waits for it in the triggerer.",
        input_keys=uploads.output,
        video_category="travel",
        output_length="{{ params.reel_length }}",
        aspect_ratio="landscape",
        music_category="ambient_and_nature",
        music_volume=40,
        deferrable=True,
    )

    render = VidioRenderOperator(
        task_id="render",
        task_display_name="VIDIO renders it",
        doc_md="Buys a render of the reel, waits for it in the triggerer, and downloads it.",
        job=reel.output,
        deferrable=True,
        download_to=FOLDER,
    )

    @task(task_display_name="Find the reel's address")
    def address(job: dict, params: dict) -> str:
        """Return where Vizard can fetch the reel: its storage path, or its public URL."""
        path, public = job["files"][0]["path"], params["public_url"]
        media = Variable.get("vidai_media_url", default=None)
        if not public and not params["destination"] and media:
            public = f"{media}/reels/"
        return public + "/".join(path.split("/")[-2:]) if public else path

    cut = VizardClipsOperator(
        task_id="clips",
        task_display_name="Vizard cuts clips",
        doc_md="Buys vertical clips of the reel, and waits for them in the triggerer.",
        video_url=address(render.output),
        ext="mp4",
        aspect_ratio="9:16",
        prefer_length=["<30s"],
        max_clips="{{ params.max_clips }}",
        project_name="reel",
        deferrable=True,
    )

    VizardDownloadOperator(
        task_id="download",
        task_display_name="Download the clips",
        doc_md="Downloads all clips. Costs nothing.",
        job=cut.output,
        destination=f"{FOLDER}clips/",
        outlets=[clips],
    )
