"""A long video becomes short clips; those with a good viral score are downloaded, captioned and published.

The DAG buys the clips (1), keeps those with at least the minimum viral score, downloads each of them to
object storage (2), has a caption written for each (3), and publishes it to one connected account (4). By
default the publishing is a dry run: everything is checked, and nothing is published.

If Vizard finds no clips in a video, nothing is left to do and the run succeeds. A clip without speech gets
no caption; it is downloaded and not published. Each clip is published once: a retry never publishes it
again. Needs a connection ``vizard_default``. ``VizardHook().list_social_accounts()`` returns the ids of
the social accounts.
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

with DAG(
    dag_id="vizard_clip_factory",
    description="Long video to clips; filter, download and caption, publish",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["vidai", "vizard"],
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    params={
        "video_url": Param(
            "https://cdn-docs.vizard.ai/openapi/sample.mp4",
            type="string",
            minLength=1,
            title="Video",
            description="A file's or a platform's URL, or a file in an object storage (s3://…, gs://…).",
        ),
        "language": Param("auto", type="string", title="Language", description="Code or English name."),
        "prefer_length": Param(
            ["auto"],
            type="array",
            items={"enum": ["auto", "<30s", "30-60s", "60-90s", "90s-3min"]},
            title="Clip length",
            description="auto, or one or more of the others.",
        ),
        "aspect_ratio": Param("9:16", enum=["9:16", "1:1", "4:5", "16:9"], title="Aspect ratio"),
        "max_clips": Param(10, type="integer", minimum=1, maximum=100, title="Number of clips"),
        "min_viral_score": Param(5.0, type="number", minimum=0, maximum=10, title="Minimum viral score"),
        "keywords": Param(
            None,
            type=["null", "string"],
            title="Keywords",
            description="Topics of the clips. There may be no clip about them.",
        ),
        "platform": Param(
            "tiktok",
            enum=["general", "tiktok", "instagram", "youtube", "facebook", "linkedin", "twitter"],
            title="Platform of the captions",
        ),
        "tone": Param(
            "neutral", enum=["neutral", "interesting", "catchy", "serious", "question"], title="Tone"
        ),
        "social_account_id": Param("7000", type="string", minLength=1, title="Social account"),
        "dry_run": Param(
            True, type="boolean", title="Dry run", description="Check everything, publish nothing."
        ),
        "destination": Param(
            "file:///data/clips/",
            type="string",
            pattern="/$",
            title="Destination",
            description="A folder, ending in /: a storage URI or path.",
        ),
    },
) as dag:
    bought = VizardClipsOperator(
        task_id="clips",
        video_url="{{ params.video_url }}",
        language="{{ params.language }}",
        prefer_length="{{ params.prefer_length }}",
        aspect_ratio="{{ params.aspect_ratio }}",
        max_clips="{{ params.max_clips }}",
        min_viral_score="{{ params.min_viral_score }}",
        keywords="{{ params.keywords }}",
        deferrable=True,
    )

    @task
    def good_ones(job: dict) -> list[dict]:
        """Return the clips that were kept, best first. An empty list is not a failure."""
        return job["outputs"]

    clips = good_ones(bought.output)

    VizardDownloadOperator.partial(
        task_id="download",
        destination="{{ params.destination }}{{ run_id }}/",
        transcript="json",
        outlets=[clip_files],
        max_active_tis_per_dagrun=4,
    ).expand(clip=clips)

    captions = VizardCaptionOperator.partial(
        task_id="caption", platform="{{ params.platform }}", tone="{{ params.tone }}"
    ).expand(clip=clips)

    @task(trigger_rule="all_done")
    def posts(captions: list[dict] | None) -> list[dict]:
        """Return each clip that has a caption, so that one without speech does not hold up the others."""
        return [{"clip": one["video_id"], "caption": one["caption"]} for one in captions or ()]

    VizardPublishOperator.partial(
        task_id="publish",
        social_account_id="{{ params.social_account_id }}",
        dry_run="{{ params.dry_run }}",
        max_active_tis_per_dagrun=1,
    ).expand_kwargs(posts(captions.output))
