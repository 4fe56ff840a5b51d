"""Four vendors, one DAG: footage is generated, cut into a reel, and the reel into vertical clips.

Vidgo and Venice each make a video of every scene; VIDIO makes a highlight reel of all that footage; Vizard
cuts captioned vertical clips from the reel. Every task writes its own files to a folder of the run, below
the destination. Every step can be cleared and rerun by itself. A retry never pays again for what was paid
for.

Vizard fetches the reel by URL. On S3, GCS and Azure the task signs one. If the destination is another
storage, set ``public_url`` to where its files can be read, such as ``https://media.example.com/``. Vizard
needs at least a minute of video: three scenes of ten seconds, made twice, add up to one.

Needs the connections ``vidgo_default``, ``venice_default``, ``vidio_default`` and ``vizard_default``.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, Asset, Param, task

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
FOLDER = "{{ params.destination }}{{ dag_run.run_after | ts_nodash }}/"
SECONDS = 10

with DAG(
    dag_id="multi_vendor_reel",
    description="Make scenes with Vidgo and Venice, a reel with VIDIO, clips with Vizard",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["vidai", "vidgo", "venice", "vidio", "vizard"],
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
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
        "max_clips": Param(3, type="integer", minimum=1, maximum=20, title="Number of clips"),
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
            "s3://aws_default@media/reels/",
            type="string",
            pattern="/$",
            title="Destination",
            description="A folder, ending in /: a storage URI or path.",
        ),
        "public_url": Param(
            None,
            type=["null", "string"],
            pattern="/$",
            title="Public URL of the destination",
            description="Ends in /. Leave it empty if the storage can sign URLs.",
        ),
    },
) as dag:

    @task
    def scenes(params: dict) -> list[str]:
        """Return one scene for each mapped Venice task."""
        return list(params["scenes"])

    @task
    def inputs(params: dict) -> list[dict]:
        """Return the same scenes for Vidgo, as fields of its model."""
        common = {"duration": SECONDS, "resolution": "720p", "aspect_ratio": "16:9"}
        return [{**common, "prompt": scene} for scene in params["scenes"]]

    vidgo = VidgoGenerateOperator.partial(
        task_id="vidgo",
        model="seedance-2.0/text-to-video",
        min_credits="{{ params.min_credits }}",
        deferrable=True,
        download_to=f"{FOLDER}footage/",
    ).expand(input=inputs())

    venice = VeniceVideoOperator.partial(
        task_id="venice",
        model="wan-2.6-text-to-video",
        duration=SECONDS,
        resolution="720p",
        aspect_ratio="16:9",
        max_cost_usd="{{ params.max_cost_usd }}",
        deferrable=True,
        download_to=f"{FOLDER}footage/",
    ).expand(prompt=scenes())

    @task
    def footage(one: list[dict], other: list[dict]) -> list[str]:
        """List the videos, scene by scene."""
        return [job["files"][0]["path"] for takes in zip(one, other, strict=True) for job in takes]

    uploads = VidioUploadOperator.partial(task_id="upload").expand(
        source=footage(vidgo.output, venice.output)
    )

    reel = VidioHighlightReelOperator(
        task_id="reel",
        input_keys=uploads.output,
        video_category="travel",
        output_length="{{ params.reel_length }}",
        aspect_ratio="landscape",
        music_category="ambient_and_nature",
        music_volume=40,
        deferrable=True,
    )

    render = VidioRenderOperator(task_id="render", job=reel.output, deferrable=True, download_to=FOLDER)

    @task
    def address(job: dict, params: dict) -> str:
        """Return where Vizard can fetch the reel: its storage path, or its public URL."""
        path = job["files"][0]["path"]
        return params["public_url"] + "/".join(path.split("/")[-2:]) if params["public_url"] else path

    cut = VizardClipsOperator(
        task_id="clips",
        video_url=address(render.output),
        ext="mp4",
        aspect_ratio="9:16",
        prefer_length=["<30s"],
        max_clips="{{ params.max_clips }}",
        project_name="reel",
        deferrable=True,
    )

    VizardDownloadOperator(task_id="download", job=cut.output, destination=f"{FOLDER}clips/", outlets=[clips])
