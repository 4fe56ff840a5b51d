"""The provider's metadata for Airflow: connection forms, hooks, operators, sensors, triggers."""

from __future__ import annotations

from typing import Any

from airflow_provider_vidai import __version__

#: Connection type, name, base URL.
_VENDORS = (
    ("vidio", "VIDIO", "https://api.vidio.ai"),
    ("venice", "Venice", "https://api.venice.ai/api/v1"),
    ("vizard", "Vizard", "https://elb-api.vizard.ai/hvizard-server-front/open-api/v1"),
    ("vidgo", "Vidgo", "https://api.vidgo.ai"),
)
_DOCS = {
    "VIDIO": "https://www.vidio.ai/docs/api-reference",
    "Venice": "https://docs.venice.ai/guides/media/video-generation",
    "Vizard": "https://docs.vizard.ai/docs/quickstart",
    "Vidgo": "https://docs.vidgo.ai",
}

#: Where an API key is made, and what the account needs for it; shown in the empty field of the form.
_KEYS = {
    "vidio": "From your account at vidio.ai; needs the Studio plan or above",
    "venice": "From venice.ai/settings/api; needs a balance, and some models Pro",
    "vizard": "From workspace settings, tab API; needs the Creator or Business plan",
    "vidgo": "From vidgo.ai/apis/dashboard/api-key; needs prepaid credits",
}

#: The names of ``@task.<name>``, and the paid operator of each, below ``operators``.
TASK_DECORATORS = {
    "vidio_highlights": "vidio.VidioHighlightReelOperator",
    "vidio_render": "vidio.VidioRenderOperator",
    "venice_video": "venice.VeniceVideoOperator",
    "venice_transcribe": "venice.VeniceTranscribeOperator",
    "vizard_clips": "vizard.VizardClipsOperator",
    "vizard_caption": "vizard.VizardCaptionOperator",
    "vizard_publish": "vizard.VizardPublishOperator",
    "vidgo_generate": "vidgo.VidgoGenerateOperator",
}

_NUMBER = {"type": ["number", "null"], "exclusiveMinimum": 0}

#: The extras of every connection of this package, as typed form fields.
_CONN_FIELDS = {
    "polls_per_minute": {
        "label": "Status calls per minute",
        "description": "How many this account allows. Empty: the limit that the vendor publishes.",
        "schema": _NUMBER,
    },
    "max_connections": {
        "label": "Connections",
        "description": "Connections that one triggerer opens to this account for status calls. Default: 20.",
        "schema": {"type": ["integer", "null"], "minimum": 1},
    },
    "timeout": {
        "label": "Timeout of a call (s)",
        "description": "Seconds that one API call may take (not a job). Default: 30.",
        "schema": _NUMBER,
    },
    "verify": {
        "label": "Check the TLS certificate",
        "schema": {"type": ["boolean", "null"], "default": True},
    },
    "ca_bundle": {
        "label": "CA bundle",
        "description": "Path of the trusted certificates, on every worker and triggerer.",
        "schema": {"type": ["string", "null"]},
    },
    "proxy": {
        "label": "Proxy",
        "description": "URL of an HTTP proxy for this vendor's API and its files.",
        "schema": {"type": ["string", "null"]},
    },
    "sole_buyer": {
        "label": "Nobody else buys on this account",
        "description": (
            "Only deployments with the same ledger_path, and only with this key. A purchase whose answer was "
            "lost is then searched for by the balance (Venice, Vidgo), which is read before each purchase."
        ),
        "schema": {"type": ["boolean", "null"], "default": False},
    },
}

#: Venice's key for what was charged.
_ADMIN_KEY = {
    "admin_api_key": {
        "label": "Admin API key",
        "description": (
            "Reads the usage history, by which a purchase whose answer was lost is searched for, whoever "
            "else buys on the account. It buys nothing."
        ),
        "schema": {"type": ["string", "null"], "format": "password"},
    },
}

#: The options of the pages that show what was made.
_PAGES = {
    "ui": {
        "description": "Show the tab Media of a run, the page AI videos, and the link Media of a task.",
        "version_added": "0.2.0",
        "type": "boolean",
        "example": None,
        "default": "True",
    },
    "posters": {
        "description": (
            "Make a poster and a contact sheet of each landed video, on the worker that landed it, in the "
            "folder .vidai-stills beside the file."
        ),
        "version_added": "0.2.0",
        "type": "boolean",
        "example": None,
        "default": "True",
    },
    "media_roots": {
        "description": (
            "Storage URIs or folders, separated by commas. The pages play landed files below them to users "
            "who may read the XComs of the file's DAG. Empty: they play nothing."
        ),
        "version_added": "0.2.0",
        "type": "string",
        "example": "s3://aws_default@media/, /opt/airflow/media",
        "default": "",
    },
    "media_key": {
        "description": (
            "A secret of at least 32 characters, the same on all workers and API servers. It signs the "
            "records of landed files, so that an edited XCom cannot name another file. Empty: [core] "
            "fernet_key."
        ),
        "version_added": "0.2.0",
        "type": "string",
        "sensitive": True,
        "example": None,
        "default": "",
    },
}

#: The options about the record of purchases.
_LEDGER = {
    "ledger_path": {
        "description": (
            "A storage URI or path that every worker can reach, where paid tasks keep the "
            "record of what they bought. Empty: Airflow's task state store (3.3), which 3.4 "
            "empties when a task is cleared."
        ),
        "version_added": "0.1.0",
        "type": "string",
        "example": "s3://aws_default@airflow/vidai-ledger",
        "default": "",
    },
    "deployment": {
        "description": (
            "The name of this Airflow deployment, the same on all workers; another one for "
            "each deployment that can reach the same ledger_path. A task then refuses the "
            "records of another deployment. Empty: the name is made from the Fernet key in "
            "the environment; without one, deployments are not distinguished."
        ),
        "version_added": "0.2.0",
        "type": "string",
        "example": "production",
        "default": "",
    },
}

#: The options about costs and budgets.
_SPEND = {
    "prices": {
        "description": (
            "A price list as JSON, or the path or storage URI of a file with it: a list of objects with "
            "vendor, kind, model, amount, unit (usd, credits, minutes, units) and usd_per_unit. It completes "
            "what the vendors report."
        ),
        "version_added": "0.2.0",
        "type": "string",
        "example": '[{"vendor": "vidio", "unit": "units", "usd_per_unit": 0.9}]',
        "default": "",
    },
    "budgets": {
        "description": (
            "Budgets as JSON, or the path or storage URI of a file with it. Each purchase is checked against "
            "them before it is sent. They need ledger_path, on a shared disk or on S3."
        ),
        "version_added": "0.2.0",
        "type": "string",
        "example": '[{"name": "daily", "limit": 50, "unit": "usd", "per": "day"}]',
        "default": "",
    },
}

#: The options by which vendors call when a job has ended.
_WEBHOOKS = {
    "webhook_secret": {
        "description": (
            "A secret of at least 32 characters, the same on all workers and API servers. It signs the "
            "addresses that vendors call when a job has ended. Empty: no vendor is asked to call, and none "
            "can call."
        ),
        "version_added": "0.2.0",
        "type": "string",
        "sensitive": True,
        "example": None,
        "default": "",
    },
    "webhook_base_url": {
        "description": (
            "The URL, with its path prefix if it has one, by which the vendors reach Airflow's API server. "
            "Only the path /vidai-hooks below it must be public. Empty: as with no secret."
        ),
        "version_added": "0.2.0",
        "type": "string",
        "example": "https://airflow.example.com",
        "default": "",
    },
    "poll_with_webhook": {
        "description": (
            "Seconds between two status checks, at least, of a job whose vendor calls when it has ended. "
            "They find the jobs whose call is lost. 0 polls as without webhooks."
        ),
        "version_added": "0.2.0",
        "type": "float",
        "example": None,
        "default": "120",
    },
}


def _connection(vendor: str, label: str, base_url: str) -> dict[str, Any]:
    return {
        "connection-type": vendor,
        "hook-class-name": f"airflow_provider_vidai.hooks.{vendor}.{vendor.capitalize()}Hook",
        "hook-name": label,
        "ui-field-behaviour": {
            "hidden-fields": ["login", "port", "schema", "extra"],
            "relabeling": {"password": "API key", "host": "Base URL"},
            "placeholders": {"host": base_url, "password": _KEYS[vendor]},
        },
        "conn-fields": {**_CONN_FIELDS, **(_ADMIN_KEY if vendor == "venice" else {})},
    }


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, as Airflow's provider manager reads it."""
    return {
        "package-name": "airflow-provider-vidai",
        "name": "AI video (VIDIO, Venice, Vizard, Vidgo)",
        "description": "Hooks, operators, sensors and a trigger for paid, asynchronous AI video APIs.",
        "versions": [__version__],
        "connection-types": [_connection(*vendor) for vendor in _VENDORS],
        "config": {
            "vidai": {
                "description": "Paid AI video jobs.",
                "options": {
                    **_LEDGER,
                    **_SPEND,
                    **_PAGES,
                    **_WEBHOOKS,
                },
            }
        },
        # Airflow 3.1 takes no commands from providers, and ignores this.
        "cli": ["airflow_provider_vidai.cli.commands.get_commands"],
        "integrations": [
            {"integration-name": label, "external-doc-url": docs, "tags": ["service"]}
            for label, docs in _DOCS.items()
        ],
        "hooks": _modules("hooks"),
        "operators": _modules("operators"),
        "sensors": _modules("sensors"),
        "task-decorators": [
            {"name": name, "class-name": f"airflow_provider_vidai.operators.taskflow.{name}"}
            for name in TASK_DECORATORS
        ],
        "notifications": ["airflow_provider_vidai.events.notifier.SpendNotifier"],
        # They serve all vendors.
        "triggers": [
            {
                "integration-name": "VIDIO",
                "python-modules": [f"airflow_provider_vidai.triggers.{name}" for name in ("job", "start")],
            }
        ],
    }


def _modules(kind: str) -> list[dict[str, Any]]:
    return [
        {"integration-name": label, "python-modules": [f"airflow_provider_vidai.{kind}.{vendor}"]}
        for vendor, label, _ in _VENDORS
    ]
