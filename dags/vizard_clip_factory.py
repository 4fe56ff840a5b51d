"""A long video becomes short clips; those with a good viral score are downloaded, captioned and published.

The DAG buys the clips (1), keeps those with at least the minimum viral score, downloads each of them to
object storage (2), has a caption written for each (3), and publishes it to one connected account (4). By
default the publishing is a dry run: everything is checked, and nothing is published.

If Vizard finds no clips in a video, nothing is left to do and the run succeeds. A clip without speech gets
no caption; it is downloaded and not published. Each clip is published once: a retry never publishes it
again. Needs a connection ``vizard_default``. ``VizardHook().list_social_accounts()`` returns the ids of
the social accounts.

Without a destination in the form, clips are written to ``clips/`` of the folder that the Airflow Variable
``vidai_media`` names, such as ``s3://aws_default@media`` or ``file:///data/media``.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, Asset, Param, task

from airflow_provider_vidai.operators.vizard import (
    VizardCaptionOperator,
    VizardClipsOperator,
    VizardDownloadOperator,
    VizardPublishOperator,
)

clip_files = Asset("vizard_clips")

#: Vizard's names for each choice, and how the form shows them.
LENGTHS = {
    "auto": "Vizard's choice",
    "<30s": "Under 30 seconds",
    "30-60s": "30 to 60 seconds",
    "60-90s": "60 to 90 seconds",
    "90s-3min": "90 seconds to 3 minutes",
}
RATIOS = {
    "9:16": "Portrait (9:16)",
    "4:5": "Feed (4:5)",
    "1:1": "Square (1:1)",
    "16:9": "Landscape (16:9)",
}
PLATFORMS = {
    "general": "Any platform",
    "tiktok": "TikTok",
    "instagram": "Instagram",
    "youtube": "YouTube",
    "facebook": "Facebook",
    "linkedin": "LinkedIn",
    "twitter": "X (Twitter)",
}
TONES = {
    "neutral": "Neutral",
    "interesting": "Interesting",
    "catchy": "Catchy",
    "serious": "Serious",
    "question": "As a question",
}
#: Names each mapped task by its clip.
CLIP = "{{ task.clip.title or task.clip.details.video_id }}"

with DAG(
    dag_id="vizard_clip_factory",
    dag_display_name="Vizard: clip factory",
    description="Cut a long video into clips; download, caption and publish the good ones",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["vidai", "vizard"],
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30), "retry_exponential_backoff": True},
    params={
        "video_url": Param(
            "https://cdn-docs.vizard.ai/openapi/sample.mp4",
            type="string",
            minLength=1,
            title="Video",
            description="A file's or a platform's URL, or a file in an object storage (s3://…, gs://…). "
            "The default is Vizard's own sample.",
        ),
        "language": Param(
            "auto",
            type="string",
            title="Language",
            description="What is spoken in the video: auto, or a code or English name.",
        ),
        "prefer_length": Param(
            ["auto"],
            type="array",
            items={"enum": [*LENGTHS]},
            examples=[*LENGTHS],
            values_display=LENGTHS,
            minItems=1,
            title="Clip length",
            description="Vizard's choice, or one or more of the others.",
        ),
        "aspect_ratio": Param(
            "9:16", type="string", enum=[*RATIOS], values_display=RATIOS, title="Aspect ratio"
        ),
        "max_clips": Param(
            10,
            type="integer",
            minimum=1,
            maximum=100,
            title="Number of clips",
            description="The best ones are kept. There may be fewer.",
        ),
        "min_viral_score": Param(
            5.0,
            type="number",
            minimum=0,
            maximum=10,
            title="Minimum viral score",
            description="From 0 to 10. Clips below it are left out.",
        ),
        "keywords": Param(
            None,
            type=["null", "string"],
            title="Keywords",
            description="Topics of the clips; may be empty. There may be no clip about them.",
        ),
        "platform": Param(
            "tiktok",
            type="string",
            enum=[*PLATFORMS],
            values_display=PLATFORMS,
            title="Platform of the captions",
        ),
        "tone": Param(
            "neutral",
            type="string",
            enum=[*TONES],
            values_display=TONES,
            title="Tone of the captions",
        ),
        "social_account_id": Param(
            None,
            type=["null", "string"],
            title="Social account",
            description="The id of a connected account. If empty: no clip is published.",
        ),
        "dry_run": Param(
            True, type="boolean", title="Dry run", description="Check everything, publish nothing."
        ),
        "destination": Param(
            None,
            type=["null", "string"],
            pattern="/$",
            title="Destination",
            description="A folder, ending in /: a storage URI or path. "
            "If empty: clips/ of the folder that the Variable vidai_media names.",
        ),
    },
) as dag:
    bought = VizardClipsOperator(
        task_id="clips",
        task_display_name="Cut the clips",
        doc_md="Buys the clips, and waits for them in the triggerer. Those with a low score are left out.",
        video_url="{{ params.video_url }}",
        language="{{ params.language }}",
        prefer_length="{{ params.prefer_length }}",
        aspect_ratio="{{ params.aspect_ratio }}",
        max_clips="{{ params.max_clips }}",
        min_viral_score="{{ params.min_viral_score }}",
        keywords="{{ params.keywords }}",
        deferrable=True,
    )

    @task(task_display_name="List the good clips")
    def good_ones(job: dict) -> list[dict]:
        """Return the clips that were kept, best first. An empty list is not a failure."""
        return job["outputs"]

    clips = good_ones(bought.output)

    VizardDownloadOperator.partial(
        task_id="download",
        task_display_name="Download a clip",
        doc_md="Downloads one clip and its transcript. Costs nothing.",
        map_index_template=CLIP,
        destination="{{ params.destination or var.value.vidai_media ~ '/clips/' }}"
        "{{ dag_run.run_after | ts_nodash }}/",
        transcript="json",
        outlets=[clip_files],
        max_active_tis_per_dagrun=4,
    ).expand(clip=clips)

    captions = VizardCaptionOperator.partial(
        task_id="caption",
        task_display_name="Write a caption",
        doc_md="Has Vizard write a caption for one clip.",
        map_index_template=CLIP,
        platform="{{ params.platform }}",
        tone="{{ params.tone }}",
    ).expand(clip=clips)

    @task(task_display_name="Collect the posts", trigger_rule="all_done")
    def posts(captions: list[dict] | None, params: dict) -> list[dict]:
        """Return each clip that has a caption, so that one without speech does not hold up the others."""
        if not params["social_account_id"]:
            return []
        return [{"clip": one["video_id"], "caption": one["caption"]} for one in captions or ()]

    VizardPublishOperator.partial(
        task_id="publish",
        task_display_name="Publish a clip",
        doc_md="Publishes one clip with its caption to the social account, or only checks it (dry run).",
        map_index_template="{{ task.clip }}",
        social_account_id="{{ params.social_account_id }}",
        dry_run="{{ params.dry_run }}",
        max_active_tis_per_dagrun=1,
    ).expand_kwargs(posts(captions.output))
