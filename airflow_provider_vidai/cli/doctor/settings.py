"""Checks of settings: whether each can be read, and whether they contradict each other."""

from __future__ import annotations

from typing import Final

from airflow_provider_vidai._compat import conf
from airflow_provider_vidai.cli.doctor.finding import Check, Finding
from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.files.storage import is_local, storage_path
from airflow_provider_vidai.hooks.webhook import webhook
from airflow_provider_vidai.jobs.prices import read_prices
from airflow_provider_vidai.operators.settings import json_setting, text_setting
from airflow_provider_vidai.spend.budgets import read_budgets

#: Executors whose workers may be other machines.
REMOTE: Final = ("celery", "kubernetes", "edge", "batch", "ecs")


def checks() -> list[Check]:
    """Return the checks."""
    return [
        Check("prices", prices),
        Check("budgets", budgets),
        Check("webhooks", webhooks),
        Check("pages", pages),
        Check("workers", workers),
    ]


def prices() -> Finding:
    """Read the price list."""
    try:
        found = read_prices(json_setting("prices"))
    except InputError as error:
        return Finding("fail", error.what, "Until it is correct, no paid task buys anything.")
    return Finding("ok", f"[vidai] prices has {len(found)} lines." if found else "[vidai] prices is not set.")


def budgets() -> Finding:
    """Read the budgets; they need a record of purchases."""
    try:
        found = read_budgets(json_setting("budgets"), what="[vidai] budgets")
    except InputError as error:
        return Finding("fail", error.what, "Until they are correct, no paid task buys anything.")
    if found and not text_setting("ledger_path"):
        return Finding(
            "fail",
            "[vidai] budgets is set and [vidai] ledger_path is not: each purchase is refused.",
            "Set ledger_path, on S3 or on a disk that all workers share.",
        )
    return Finding("ok", f"[vidai] budgets has {len(found)} budgets." if found else "No budget is set.")


def webhooks() -> Finding:
    """Check the two options by which vendors can call: one without the other does nothing."""
    given = [name for name in ("webhook_secret", "webhook_base_url") if text_setting(name)]
    if not given:
        return Finding("ok", "No vendor is asked to call when a job has ended: jobs are polled.")
    if len(given) == 1:
        (other,) = {"webhook_secret", "webhook_base_url"}.difference(given)
        return Finding("warn", f"[vidai] {given[0]} does nothing without {other}.", f"Set {other} too.")
    if webhook() is None:
        return Finding(
            "fail",
            "[vidai] webhook_secret or webhook_base_url cannot be used, so no vendor is asked to call.",
            "The secret needs 32 characters, and the URL must be a complete http(s) URL.",
        )
    return Finding("ok", "Vendors are asked to call when a job has ended.")


def pages() -> Finding:
    """Check that the folders that the pages play from exist as storages, and that there are pages."""
    roots = [root.strip() for root in text_setting("media_roots").split(",") if root.strip()]
    for root in roots:
        try:
            storage_path(root)
        except InputError as error:
            return Finding("fail", f"[vidai] media_roots: {error.what}", error.todo)
    if roots and not conf.getboolean("vidai", "ui", fallback=True):
        return Finding("warn", "[vidai] media_roots does nothing while [vidai] ui is off.", "Switch ui on.")
    return Finding("ok", f"Folders that the pages play files from: {len(roots)}.")


def workers() -> Finding:
    """Check that workers on other machines reach the record of purchases."""
    path, executor = text_setting("ledger_path"), str(conf.get("core", "executor", fallback=""))
    remote = any(name in executor.lower() for name in REMOTE)
    if path and remote and is_local(storage_path(path)):
        return Finding(
            "warn",
            f"[vidai] ledger_path is a folder, and {executor} runs tasks on other machines.",
            "Make sure that the folder is on a disk that all workers share, or use an object storage.",
        )
    return Finding("ok", f"Tasks run by {executor or 'the default executor'}.")
