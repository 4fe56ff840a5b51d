"""A prompt becomes a picture, the picture a video, and music is made for it: image → video, and music.

Vidgo keeps files for 24 hours and cannot renew them, so each task downloads its own files. The video task
uploads the picture from the folder right before it buys. The result is one set of files in a folder of the
run, below the destination: the picture, the video, two versions of the song and their covers.

Trigger it from the UI: every choice is a form field. Needs a connection ``vidgo_default`` with the API key
as its password.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, Asset, Param, task

from airflow_provider_vidai.operators.vidgo import VidgoGenerateOperator

scenes = Asset("vidgo_scenes")

#: The folder for all files of a run.
FOLDER = "{{ params.destination }}{{ dag_run.run_after | ts_nodash }}/"

with DAG(
    dag_id="vidgo_image_to_video_with_music",
    description="Make a picture, animate it, and make music for it",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["vidai", "vidgo"],
    default_args={
        "retries": 2,
        "retry_delay": timedelta(seconds=30),
        "min_credits": "{{ params.min_credits }}",
    },
    params={
        "prompt": Param(
            "A serene mountain lake at sunset",
            type="string",
            format="multiline",
            minLength=1,
            title="Image prompt",
        ),
        "motion": Param(
            "Gentle waves, drifting clouds, a slow push forward",
            type="string",
            format="multiline",
            minLength=1,
            title="Motion prompt",
        ),
        "music": Param(
            "A calm and relaxing piano track with soft melodies",
            type="string",
            format="multiline",
            minLength=1,
            maxLength=500,
            title="Music prompt",
        ),
        "image_model": Param(
            "nano-banana-2",
            type="string",
            examples=["nano-banana-2", "gpt-image-2", "seedream-4.5", "flux-kontext-pro"],
            title="Image model",
        ),
        "video_model": Param(
            "seedance-2.0/image-to-video",
            type="string",
            examples=["seedance-2.0/image-to-video", "seedance-2.5/image-to-video"],
            title="Video model",
            description="An image-to-video model that takes image_urls, duration and resolution.",
        ),
        "aspect_ratio": Param(
            "16:9", type="string", enum=["16:9", "9:16", "1:1", "4:3"], title="Aspect ratio"
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
            "file:///data/scenes/",
            type="string",
            pattern="/$",
            title="Destination",
            description="A folder, ending in /: a storage URI or path.",
        ),
    },
) as dag:
    image = VidgoGenerateOperator(
        task_id="image",
        model="{{ params.image_model }}",
        input={"prompt": "{{ params.prompt }}", "size": "{{ params.aspect_ratio }}"},
        deferrable=True,
        download_to=FOLDER,
    )

    video = VidgoGenerateOperator(
        task_id="video",
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
        model="generate-music",
        input={"prompt": "{{ params.music }}", "custom_mode": False, "instrumental": True, "mv": "V5"},
        deferrable=True,
        download_to=FOLDER,
    )

    @task(outlets=[scenes])
    def scene(*jobs: dict, outlet_events: dict) -> list[dict]:
        """Publish all files of the run as one asset event."""
        files = [file for job in jobs for file in job["files"]]
        outlet_events[scenes].extra = {"files": files}
        return files

    image >> video
    scene(image.output, video.output, music.output)
