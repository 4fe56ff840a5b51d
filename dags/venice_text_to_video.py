"""A prompt becomes a video, and a person approves the price first: quote → approve → generate → download.

The approval waits in the UI under *Required Actions*, with the price and the prompt; the person who
approves can still change the prompt. Nothing is bought before the approval. The price is quoted again
right before the purchase, and a higher one than was approved stops it. *Reject* skips the rest.

Needs a connection ``venice_default`` with the API key as its password. Videos are written to ``videos/`` of
the folder that the Airflow Variable ``vidai_media`` names (such as ``s3://aws_default@media`` or
``file:///data/media``), unless the form names another place.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, Param

from airflow_provider_vidai.operators.venice import (
    VeniceDownloadOperator,
    VeniceQuoteOperator,
    VeniceVideoOperator,
)

#: The quote and the purchase share these fields, so that the price is that of the video bought.
VIDEO = {
    "model": "{{ params.model }}",
    "duration": "{{ params.duration }}",
    "resolution": "{{ params.resolution }}",
    "aspect_ratio": "{{ params.aspect_ratio }}",
    "negative_prompt": "{{ params.negative_prompt }}",
    "audio": "{{ '' if params.audio == 'default' else params.audio }}",
}

#: The prompt that the person typed at the approval, if any. Marking that task a success leaves no answer.
PROMPT = (
    "{% set form = (ti.xcom_pull(task_ids='approve') or {}).get('params_input', {}) %}"
    # The form of Airflow 3.1 also holds the DAG's own prompt.
    "{{ (form.get('new_prompt') or '') | trim or form.get('prompt') or params.prompt }}"
)

#: The approval shows it too, so that a Variable that is missing stops the run before anything is bought.
DESTINATION = "{{ params.destination or var.value.vidai_media ~ '/videos/' }}"

with DAG(
    dag_id="venice_text_to_video",
    dag_display_name="Venice: text to video",
    description="Quote a video, have a person approve the price, make it, download it",
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
            description="What the video shows.",
        ),
        "negative_prompt": Param(
            None,
            type=["null", "string"],
            title="Negative prompt",
            description="What the video must not show. May be empty.",
        ),
        "model": Param(
            "wan-2.6-text-to-video",
            type="string",
            examples=[
                "wan-2.6-text-to-video",
                "kling-2.6-pro-text-to-video",
                "veo3.1-fast-text-to-video",
                "grok-imagine-text-to-video-private",
            ],
            title="Model",
            description="Any text-to-video model of the catalogue.",
        ),
        "duration": Param(
            5,
            type="integer",
            minimum=1,
            maximum=30,
            title="Duration",
            description="Seconds. Each model allows some durations.",
        ),
        "resolution": Param(
            "720p",
            type=["null", "string"],
            examples=["480p", "720p", "1080p"],
            title="Resolution",
            description="Each model allows some resolutions. If empty: the model's default.",
        ),
        "aspect_ratio": Param(
            "16:9",
            type=["null", "string"],
            examples=["16:9", "9:16", "1:1"],
            title="Aspect ratio",
            description="Each model allows some ratios. If empty: the model's default.",
        ),
        "audio": Param(
            "default",
            type="string",
            enum=["default", "on", "off"],
            values_display={"default": "The model's default", "on": "On", "off": "Off"},
            title="Sound",
            description="Some models make sound with the video, and some of those can leave it out.",
        ),
        "destination": Param(
            None,
            type=["null", "string"],
            title="Destination",
            description="A storage URI or path; a folder ends in /. "
            "If empty: videos/ of the folder that the Variable vidai_media names.",
        ),
    },
) as dag:
    quote = VeniceQuoteOperator(
        task_id="quote",
        task_display_name="Ask for the price",
        doc_md="Asks Venice what the video would cost. Costs nothing.",
        **VIDEO,
    )

    approve = ApprovalOperator(
        task_id="approve",
        task_display_name="A person approves",
        doc_md="Waits under *Required Actions* until a person approves or rejects the price.",
        subject="{{ ti.xcom_pull(task_ids='quote').quote_usd }} USD for a video by {{ params.model }}?",
        body="**Price:** {{ ti.xcom_pull(task_ids='quote').quote_usd }} USD\n\n"
        "**Prompt:** {{ params.prompt }}\n\n"
        "{% if params.negative_prompt %}**Negative prompt:** {{ params.negative_prompt }}\n\n{% endif %}"
        "**Model:** {{ params.model }}\n\n"
        "**Video:** {{ params.duration }} s, {{ params.resolution or 'default resolution' }}, "
        "{{ params.aspect_ratio or 'no ratio' }}\n\n"
        f"**Saved to:** {DESTINATION}",
        params={
            # A task's own param hides the DAG's of the same name, in the body above too.
            "new_prompt": Param(
                None,
                type=["null", "string"],
                format="multiline",
                title="Another prompt",
                description="Empty keeps the one above; it does not change the price.",
            )
        },
        defaults="Reject",
        response_timeout=timedelta(days=1),
    )

    generate = VeniceVideoOperator(
        task_id="generate",
        task_display_name="Make the video",
        doc_md="Buys the video if it costs no more than approved, and waits for it in the triggerer.",
        prompt=PROMPT,
        max_cost_usd="{{ ti.xcom_pull(task_ids='quote').quote_usd }}",
        deferrable=True,
        **VIDEO,
    )

    download = VeniceDownloadOperator(
        task_id="download",
        task_display_name="Download",
        doc_md="Downloads the video to the destination. Costs nothing.",
        job=generate.output,
        destination=DESTINATION,
    )

    quote >> approve >> generate >> download
