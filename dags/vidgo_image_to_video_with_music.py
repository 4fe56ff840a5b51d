"""A prompt becomes a picture, the picture a video, and music is made for it: image → video, and music.

Vidgo keeps files for 24 hours and cannot renew them, so each task downloads its own files. The video task
uploads the picture from the folder right before it buys. The result is one set of files in a folder of the
run, below the destination: the picture, the video, two versions of the song and their covers.

Trigger it from the UI: every choice is a form field. Needs a connection ``vidgo_default`` with the API key
as its password. Without a destination in the form, the files are written to ``scenes/`` of the folder that
the Airflow Variable ``vidai_media`` names, such as ``s3://aws_default@media`` or ``file:///data/media``.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, Asset, Param, task

from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator

scenes = Asset("vidgo_scenes")

#: The folder for all files of a run.
FOLDER = "{{ params.destination or var.value.vidai_media ~ '/scenes/' }}{{ dag_run.run_after | ts_nodash }}/"

with DAG(
    dag_id="vidgo_image_to_video_with_music",
    dag_display_name="Vidgo: picture, video and music",
    description="Make a picture, animate it, and make music for it",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["vidai", "vidgo"],
    default_args={
        "retries": 2,
        "retry_delay": timedelta(seconds=30),
        "retry_exponential_backoff": True,
        "min_credits": "{{ params.min_credits }}",
    },
    params={
        "prompt": Param(
            "A serene mountain lake at sunset",
            type="string",
            format="multiline",
            minLength=1,
            title="Image prompt",
            description="What the picture shows. The video begins with it.",
        ),
        "motion": Param(
            "Gentle waves, drifting clouds, a slow push forward",
            type="string",
            format="multiline",
            minLength=1,
            title="Motion prompt",
            description="What happens in the video.",
        ),
        "music": Param(
            "A calm and relaxing piano track with soft melodies",
            type="string",
            format="multiline",
            minLength=1,
            maxLength=500,
            title="Music prompt",
            description="What the music is like, in at most 500 characters. Two versions are made.",
        ),
        "image_model": Param(
            "nano-banana-2",
            type="string",
            examples=["nano-banana-2", "gpt-image-2", "seedream-4.5", "flux-kontext-pro"],
            title="Image model",
            description="An image model that takes a size such as 16:9.",
        ),
        "video_model": Param(
            "seedance-2.0/image-to-video",
            type="string",
            examples=["seedance-2.0/image-to-video", "seedance-2.5/image-to-video"],
            title="Video model",
            description="An image-to-video model that takes image_urls, duration and resolution.",
        ),
        "aspect_ratio": Param(
            "16:9",
            type="string",
            enum=["16:9", "9:16", "1:1", "4:3"],
            values_display={
                "16:9": "Landscape (16:9)",
                "9:16": "Portrait (9:16)",
                "1:1": "Square (1:1)",
                "4:3": "Classic (4:3)",
            },
            title="Aspect ratio",
        ),
        "duration": Param(
            5, type="integer", minimum=4, maximum=15, title="Duration", description="Seconds of the video."
        ),
        "resolution": Param("720p", type="string", enum=["480p", "720p", "1080p"], title="Resolution"),
        "min_credits": Param(
            100,
            type="integer",
            minimum=0,
            title="Minimum balance (credits)",
            description="Each purchase is made only if the account has at least this many credits.",
        ),
        "destination": Param(
            None,
            type=["null", "string"],
            pattern="/$",
            title="Destination",
            description="A folder, ending in /: a storage URI or path. "
            "If empty: scenes/ of the folder that the Variable vidai_media names.",
        ),
    },
) as dag:
    image = VidgoGenerateOperator(
        task_id="image",
        task_display_name="Make the picture",
        doc_md="Buys the picture, waits for it in the triggerer, and downloads it.",
        model="{{ params.image_model }}",
        input={"prompt": "{{ params.prompt }}", "size": "{{ params.aspect_ratio }}"},
        deferrable=True,
        download_to=FOLDER,
    )

    video = VidgoGenerateOperator(
        task_id="video",
        task_display_name="Animate it",
        doc_md="Uploads the picture, buys a video of it, waits for it in the triggerer, and downloads it.",
        model="{{ params.video_model }}",
        input={
            "prompt": "{{ params.motion }}",
            "image_urls": ["{{ ti.xcom_pull(task_ids='image').files[0].path }}"],
            "duration": "{{ params.duration }}",
            "resolution": "{{ params.resolution }}",
            "generate_audio": False,
        },
        deferrable=True,
        download_to=FOLDER,
    )

    music = VidgoGenerateOperator(
        task_id="music",
        task_display_name="Make the music",
        doc_md="Buys two versions of a song, waits for them in the triggerer, and downloads them.",
        model="generate-music",
        input={"prompt": "{{ params.music }}", "custom_mode": False, "instrumental": True, "mv": "V5"},
        deferrable=True,
        download_to=FOLDER,
    )

    @task(task_display_name="Publish the scene", outlets=[scenes])
    def scene(*jobs: dict, outlet_events: dict) -> list[dict]:
        """Publish all files of the run as one asset event."""
        files = [file for job in jobs for file in job["files"]]
        outlet_events[scenes].extra = {"files": files}
        return files

    image >> video
    scene(image.output, video.output, music.output)
