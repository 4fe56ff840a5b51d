"""The sandbox's page: a table of the jobs that were bought, with players, states and prices."""

import html
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_vidai.sandbox.book import STOPPED, Bought, Media
from airflow_provider_vidai.sandbox.world import World

SHOWN_JOBS, SHOWN_FILES, SHOWN_CALLS = 100, 2, 20
LONGEST_TEXT = 160
NAMES = {"vidio": "VIDIO", "venice": "Venice", "vizard": "Vizard", "vidgo": "Vidgo"}
#: Which statuses the vendors report at a job's end. All others are of jobs that run.
DONE = frozenset({"processed", "rendered", "COMPLETED", "finished", "done"})
FAILED = frozenset({"failed", "FAILED", "error", STOPPED})
#: For the page and for a file alone in a tab: no script, and nothing that the sandbox does not serve itself.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; media-src 'self'; base-uri 'none'"
)

STYLE = """
:root { color-scheme: light dark; --line: #d9dde3; --soft: #5c6670; --back: #f5f7f9; --card: #fff;
  --done: #0b7a41; --failed: #b3261e; --runs: #0b5cad; }
@media (prefers-color-scheme: dark) { :root { --line: #363d45; --soft: #a1abb6; --back: #14181c;
  --card: #1d2329; --done: #5ccb8f; --failed: #ff8a80; --runs: #7ab8ff; } }
* { box-sizing: border-box; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 0; background: var(--back); }
main { max-width: 78rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .25rem 0 1rem; } .soft, td small { color: var(--soft); }
ul.totals { list-style: none; display: flex; flex-wrap: wrap; gap: .75rem; padding: 0; margin: 1rem 0; }
ul.totals li { background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  padding: .5rem .9rem; }
ul.totals b { display: block; font-size: 1.15rem; }
table { border-collapse: collapse; width: 100%; background: var(--card); border: 1px solid var(--line); }
th, td { text-align: left; vertical-align: top; padding: .6rem .75rem; border-bottom: 1px solid var(--line); }
th { font-size: .8rem; color: var(--soft); font-weight: 600; }
td small { display: block; overflow-wrap: anywhere; }
td.media { width: 19rem; } td.media > * { vertical-align: top; margin: 0 .25rem .25rem 0; }
td.media img, td.media video { height: 9.5rem; max-width: 100%; border-radius: .35rem; background: #0004; }
td.media video { min-width: 8.25rem; object-fit: contain; background: #000; }
td.media span { display: block; }
td.media audio { width: 16.5rem; max-width: 100%; }
td.ask { max-width: 26rem; overflow-wrap: anywhere; }
td.price, td.at { white-space: nowrap; }
.state { font-weight: 600; white-space: nowrap; } .state::before { content: "● "; }
.done { color: var(--done); } .failed { color: var(--failed); } .runs { color: var(--runs); }
details summary { cursor: pointer; color: var(--soft); } main > details { margin-top: 1rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--back); padding: .6rem;
  border-radius: .35rem; }
code, pre { font-size: .85em; }
.wide { overflow-x: auto; }
@media (max-width: 760px) {
  table.jobs thead { display: none; }
  table.jobs, table.jobs tbody { display: block; border: 0; background: none; }
  table.jobs tr { display: block; background: var(--card); border: 1px solid var(--line);
    border-radius: .5rem; margin-bottom: .75rem; padding: .5rem; }
  table.jobs td { display: block; border: 0; padding: .25rem .35rem; width: auto; max-width: none; }
  table.jobs td:is(.status, .price, .at) { display: inline-block; }
  td.at small { display: inline; margin-left: .5rem; }
}
"""

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sandbox: {purchases} bought</title><link rel="icon" href="data:,">
<style>{style}</style></head><body><main>
<h1>Sandbox</h1>
<p class="soft">A stand-in for the four vendors. Nothing here costs money. It runs at {speed:g} times the real
speed. Reload the page to see what is new.</p>
<ul class="totals">{totals}</ul>
{jobs}
<h2>For programs</h2>
<p>As JSON: <a href="/sandbox/book">the account book</a>, <a href="/sandbox/calls">the log of calls</a>,
<a href="/sandbox/faults">ordered faults</a>, <a href="/sandbox/settings">settings</a>.</p>
<details><summary>Connect to it</summary>
<p>Give a connection the host below and any password.</p>
<div class="wide"><table><tr><th>Connection type</th><th>Host</th></tr>{hosts}</table></div>
<p>Make the next status check fail:</p>
<pre>curl -X POST {base}sandbox/faults \\
  -d '{{"vendor": "vidio", "call": "status", "fault": "status", "status": 503}}'</pre></details>
<details><summary>The last {shown_calls} calls</summary><div class="wide">
<table><tr><th>At</th><th>Vendor</th><th>Call</th><th>Path</th><th>Status</th><th>Bytes</th></tr>{calls}</table>
</div></details>
</main></body></html>
"""
JOBS = """<table class="jobs"><thead><tr><th>Result</th><th>Job</th><th>Request</th><th>State</th>
<th>Price</th><th>Bought (UTC)</th></tr></thead><tbody>{rows}</tbody></table>"""
NO_JOBS = "<p>Nothing was bought yet. Trigger a DAG in Airflow, and its jobs show up here.</p>"


def page(world: World, base: str, hosts: Mapping[str, str]) -> str:
    """Return the page.

    :param base: the sandbox's URL, which ends in ``/``.
    :param hosts: what a connection's host is, by connection type.
    """
    lines = world.calls.as_json()[: -SHOWN_CALLS - 1 : -1]
    columns = ("at", "vendor", "call", "path", "status", "bytes")
    return PAGE.format(
        style=STYLE,
        speed=world.settings.speed,
        base=base,
        purchases=len(world.book),
        totals="".join(_totals(world.book)),
        jobs=_jobs(world),
        hosts="".join(_row(vendor, host) for vendor, host in hosts.items()),
        shown_calls=SHOWN_CALLS,
        calls="".join(_row(*(line[column] for column in columns)) for line in lines),
    )


def _totals(book: Iterable[Bought]) -> Iterable[str]:
    """Yield what was spent at each vendor, refunds deducted."""
    spent: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for one in book:
        spent[one.vendor, one.as_json()["currency"]].append(0 if one.refunded else one.amount)
    for (vendor, currency), amounts in sorted(spent.items()):
        jobs = f"{len(amounts)} job{'' if len(amounts) == 1 else 's'}"
        total = _price(sum(amounts), currency)
        yield f'<li><b>{html.escape(total)}</b><span class="soft">{_name(vendor)}, {jobs}</span></li>'


def _jobs(world: World) -> str:
    newest = [*world.book][: -SHOWN_JOBS - 1 : -1]
    if not newest:
        return NO_JOBS
    older = len(world.book) - len(newest)
    more = f"<p>{older} older ones are in the account book.</p>" if older else ""
    return JOBS.format(rows="".join(map(_job, newest))) + more


def _job(bought: Bought) -> str:
    entry = bought.as_json()
    state = entry["state"]
    tone = "done" if state in DONE else "failed" if state in FAILED else "runs"
    price = html.escape(_price(entry["amount"], entry["currency"]))
    if entry["refunded"]:
        price = f"<s>{price}</s><small>refunded</small>"
    day, _, clock = entry["at"].partition("T")
    request = html.escape(json.dumps(entry["request"], indent=1, ensure_ascii=False))
    cells = {
        "media": "".join(_players(bought)) or '<span class="soft">–</span>',
        "job": f"<b>{_name(entry['vendor'])}</b> {html.escape(entry['kind'])}"
        f"<small>{html.escape(entry['job_id'])}</small>",
        "ask": f"{html.escape(_summary(entry['request']))}"
        f"<details><summary>Whole request</summary><pre>{request}</pre></details>",
        "status": f'<span class="state {tone}">{html.escape(state)}</span>',
        "price": price,
        "at": f"{clock[:8]}<small>{day}</small>",
    }
    return "<tr>" + "".join(f'<td class="{name}">{cell}</td>' for name, cell in cells.items()) + "</tr>"


def _players(bought: Bought) -> Iterable[str]:
    """Yield a player or a picture for each of the first files, and how many more there are."""
    files = bought.media()
    for number, one in enumerate(files[:SHOWN_FILES]):
        yield _player(one, f"/sandbox/files/{bought.id}/{number}", f"{bought.kind} {bought.job_id}")
    if len(files) > SHOWN_FILES:
        links = (
            f'<a href="/sandbox/files/{bought.id}/{number}">{number + 1}</a>'
            for number in range(SHOWN_FILES, len(files))
        )
        yield f"<span>More files: {' '.join(links)}</span>"


def _player(file: Media, url: str, label: str) -> str:
    label = html.escape(label, quote=True)
    kind = file.type.partition("/")[0]
    if kind == "video":
        return (
            f'<video controls preload="none" poster="{url}/poster" src="{url}" aria-label="{label}"></video>'
        )
    if kind == "audio":
        return f'<audio controls preload="none" src="{url}" aria-label="{label}"></audio>'
    return f'<a href="{url}"><img loading="lazy" src="{url}/poster" alt="{label}"></a>'


def _summary(request: Mapping[str, Any]) -> str:
    """Return what was asked for in short: the prompt or the source, and the model."""
    inputs = request.get("input")
    asked = {**request, **(inputs if isinstance(inputs, dict) else {})}
    text = next((str(asked[name]) for name in ("prompt", "videoUrl", "post") if asked.get(name)), "")
    if keys := asked.get("input_keys"):
        others = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
        text = f"{str(keys[0]).rpartition('/')[2]}{others}"
    # A render has neither: it names one of the reel's outputs.
    text = text or ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in asked.items())
    text = text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
    return " · ".join(part for part in (text, str(asked.get("model") or "")) if part)


def _price(amount: float, currency: str) -> str:
    number = f"{amount:.2f}" if currency == "USD" else f"{amount:g}"
    plural = "s" if currency in ("unit", "credit") and amount != 1 else ""
    return f"{number} {currency}{plural}"


def _name(vendor: str) -> str:
    return html.escape(NAMES.get(vendor, vendor))


def _row(*cells: Any) -> str:
    return "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells) + "</tr>"
