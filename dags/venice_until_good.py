"""A prompt becomes a video that is good: up to three attempts → a person approves → publish.

Each video is checked: black, frozen, silent, too short, of another shape. If it is no good, another one is
made with another wording of the prompt, as long as attempts and money last. The approval waits in the UI
under *Required Actions* with the contact sheets of all attempts; the person who approves can choose another
attempt than the best. Then the video is copied to the public folder. *Reject* publishes nothing.

If no attempt is good, the run fails and says what is wrong with each. All files are kept.

Needs a connection ``venice_default`` with the API key as its password. Files are written to ``videos/`` of
the folder that the Airflow Variable ``vidai_media`` names (such as ``s3://aws_default@media`` or
``file:///data/media``), unless the form names another place.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, ObjectStoragePath, Param, task

from airflow_provider_vidai.operators.venice import VeniceVideoOperator
from airflow_provider_vidai.quality.checks import Checks
from airflow_provider_vidai.task_groups.generate import generate_until_good

DESTINATION = "{{ params.destination or var.value.vidai_media ~ '/videos/' }}"

#: What the approval shows about all attempts. The addresses of the contact sheets are relative to Airflow's.
ATTEMPTS = (
    "{% set made = ti.xcom_pull(task_ids='generate') %}"
    "**Prompt:** {{ params.prompt }}\n\n"
    "**The best is attempt {{ made.attempt }}.** Together the attempts cost {{ made.total.usd }} USD.\n\n"
    "{% for one in made.attempts %}"
    "### Attempt {{ one.attempt }}: {{ 'good' if one.good else one.failed | join('; ') }}\n\n"
    "{{ one['values'].prompt }}\n\n"
    "{% if one.sheet %}![Contact sheet of attempt {{ one.attempt }}]({{ one.sheet }})\n\n{% endif %}"
    "{% endfor %}"
)

#: The attempt that the person chose, if any. Marking the approval a success leaves no answer.
CHOSEN = (
    "{% set answer = ti.xcom_pull(task_ids='approve') or {} %}"
    "{{ answer.get('params_input', {}).get('attempt') or ti.xcom_pull(task_ids='generate').attempt }}"
)


@task(
    task_id="publish",
    task_display_name="Publish",
    doc_md="Copies the approved video to the public folder. Costs nothing.",
)
def published(made: dict[str, Any], chosen: str, folder: str) -> str:
    """Copy the files of the chosen attempt; return where the last one is."""
    files = next(one["files"] for one in made["attempts"] if str(one["attempt"]) == chosen)
    if not files:
        raise ValueError(f"Attempt {chosen} has no file: choose another one.")
    for file in files:
        source = ObjectStoragePath(file["path"])
        target = ObjectStoragePath(folder) / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        source.copy(target)
    return str(target)


with DAG(
    dag_id="venice_until_good",
    dag_display_name="Venice: until it is good",
    description="Make a video, check it, make another one; a person approves and it is published",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["vidai", "venice"],
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30), "retry_exponential_backoff": True},
    params={
        "prompt": Param(
            "A sunset over the ocean with gentle waves",
            type="string",
            format="multiline",
            minLength=1,
            title="Prompt",
            description="What the video shows. Further attempts word it differently.",
        ),
        "duration": Param(
            5, type="integer", minimum=1, maximum=30, title="Duration", description="Seconds of each attempt."
        ),
        "max_attempts": Param(
            3,
            type="integer",
            minimum=1,
            maximum=3,
            title="Attempts",
            description="How many videos are made at most. The first good one ends it.",
        ),
        "max_total": Param(
            2.0,
            type="number",
            minimum=0,
            title="Maximum price (USD)",
            description="Of all attempts together. An attempt that does not fit is not made.",
        ),
        "destination": Param(
            None,
            type=["null", "string"],
            title="Destination",
            description="A folder, which ends in /: attempts/ and public/ in it are written to. "
            "If empty: videos/ of the folder that the Variable vidai_media names.",
        ),
    },
) as dag:
    generate = generate_until_good(
        make=VeniceVideoOperator(
            task_id="generate",
            task_display_name="Make it until it is good",
            doc_md="Buys a video, checks it, and buys another one while it is no good.",
            model="wan-2.6-text-to-video",
            prompt="{{ params.prompt }}",
            duration="{{ params.duration }}",
            resolution="720p",
            aspect_ratio="16:9",
            deferrable=True,
            download_to=f"{DESTINATION}attempts/",
        ),
        check=Checks(no_black_start=True),
        max_attempts="{{ params.max_attempts }}",
        max_total="{{ params.max_total }}",
        vary={
            "prompt": [
                "{{ params.prompt }}",
                "{{ params.prompt }}, in clear daylight",
                "{{ params.prompt }}, filmed with a slow and steady camera",
            ]
        },
    )

    approve = ApprovalOperator(
        task_id="approve",
        task_display_name="A person approves",
        doc_md="Waits under *Required Actions* until a person has seen the attempts.",
        subject="Publish attempt {{ ti.xcom_pull(task_ids='generate').attempt }}?",
        body=ATTEMPTS,
        params={
            "attempt": Param(
                None,
                type=["null", "integer"],
                title="Another attempt",
                description="The number of the attempt to publish. Empty publishes the best.",
            )
        },
        defaults="Reject",
        response_timeout=timedelta(days=1),
    )

    approve >> published(generate.output, CHOSEN, f"{DESTINATION}public/")
    generate >> approve
