"""What a person sees of a run: the pages in a browser, with media that really play."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import pytest

from airflow_provider_vidai._compat import AIRFLOW
from tests.browser.conftest import finished
from tools.rest import Run
from tools.stack import Stack


@pytest.fixture(scope="module")
def pictures(stack: Stack) -> Run:
    return finished(stack, "vidgo_image_to_video_with_music", {"destination": f"{stack.home}/pictures/"})


@pytest.fixture(scope="module")
def clips(stack: Stack) -> Run:
    return finished(stack, "vizard_clip_factory", {"destination": f"{stack.home}/clips/"})


def address(stack: Stack, run: Run, **more: Any) -> str:
    query = urlencode({"dag_id": run.dag_id, "run_id": run.run_id, **more}, quote_via=quote)
    return f"{stack.url}/vidai/media?{query}"


def fits(page: Any) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def media_tab(stack: Stack, run: Run, page: Any) -> Any:
    """Open a run's tab; return what its elements are found in."""
    if AIRFLOW < (3, 3) and page.viewport_size["width"] < 600:
        # The layout of these versions leaves a plugin's frame no room on a phone.
        page.goto(address(stack, run))
        return page
    page.goto(f"{stack.url}/dags/{run.dag_id}/runs/{quote(run.run_id)}/plugin/vidai-media")
    return page.frame_locator("iframe")


def test_a_run_of_pictures_video_and_music_plays_in_its_tab(stack: Stack, pictures: Run, page: Any) -> None:
    frame = media_tab(stack, pictures, page)
    frame.locator(".card").first.wait_for()
    assert frame.locator("audio").count() == 2
    assert frame.locator(".stage img").count() >= 1
    assert frame.locator(".play").count() == 1
    ranges: list[str | None] = []
    page.on("request", lambda one: ranges.append(one.headers.get("range")) if "/file?" in one.url else None)
    frame.locator(".play").click()
    video = frame.locator("video")
    video.evaluate(
        "one => new Promise(done => one.addEventListener('timeupdate', () => one.currentTime > 0 && done()))"
    )
    video.evaluate("one => { one.currentTime = one.duration * 0.9; }")
    assert video.evaluate("one => one.error") is None
    assert any(asked and asked.startswith("bytes=") for asked in ranges)


def test_each_clip_has_its_score_and_caption(stack: Stack, clips: Run, page: Any) -> None:
    page.goto(address(stack, clips))
    cards = page.locator(".card")
    assert cards.count() >= 2
    for card in cards.all():
        assert "★" in card.inner_text()
        assert card.locator(".caption").inner_text().strip()
        assert card.locator("img").evaluate("one => one.decode().then(() => one.naturalWidth)") > 0
    assert fits(page)


def test_the_link_of_a_task_opens_its_page(stack: Stack, pictures: Run, page: Any) -> None:
    path = f"dags/{pictures.dag_id}/dagRuns/{quote(pictures.run_id, safe='')}/taskInstances/video/links"
    links = stack.api.call("GET", path)["extra_links"]
    assert links["Open at Vidgo"].startswith("https://vidgo.ai/")
    page.goto(f"{stack.url}/{links['Media']}")
    assert page.locator(".sheet").evaluate("one => one.decode().then(() => one.naturalWidth)") > 0
    text = page.locator("main").inner_text()
    for expected in ("Bought", "Ready", "Landed", "SHA-256", "seedance"):
        assert expected in text
    page.locator("[data-copy]").first.click()
    page.get_by_text("Copied").or_(page.get_by_text("Selected")).wait_for()
    assert fits(page)


@pytest.mark.skipif(AIRFLOW < (3, 4), reason="Airflow before 3.4 shows such a tab on every task")
def test_a_task_s_own_tab_shows_its_page(stack: Stack, pictures: Run, page: Any) -> None:
    run = f"{stack.url}/dags/{pictures.dag_id}/runs/{quote(pictures.run_id)}"
    page.goto(f"{run}/tasks/video/plugin/vidai-task-media")
    sheet = page.frame_locator("iframe").locator(".sheet")
    assert sheet.evaluate("one => one.decode().then(() => one.naturalWidth)") > 0


def test_two_videos_are_compared_side_by_side(stack: Stack, clips: Run, page: Any) -> None:
    page.goto(f"{stack.url}/vidai/videos?dag_id={clips.dag_id}&vendor=vizard")
    ticks = page.locator("[data-compare]")
    ticks.nth(0).check()
    ticks.nth(1).check()
    page.locator("#compare").click()
    page.locator("dialog[open]").wait_for()
    assert page.locator("dialog video").count() == 2
    page.locator("[data-close]").click()
    assert fits(page)
