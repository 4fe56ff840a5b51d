// Everything works on elements that are on the page at the moment of the click, because a page with a running
// job replaces its content every few seconds.
"use strict";

const REFRESH = 5000;

function localTimes(root) {
  for (const one of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(one.dateTime);
    if (isNaN(moment)) continue;
    const today = moment.toDateString() === new Date().toDateString();
    one.textContent = today ? moment.toLocaleTimeString() : moment.toLocaleString();
    one.title = moment.toISOString();
  }
}

function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes}:${two(whole % 60)}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}

function tick() {
  for (const one of document.querySelectorAll("[data-since]")) {
    one.textContent = clock(Date.now() / 1000 - Number(one.dataset.since));
  }
}

function player(source) {
  const video = document.createElement("video");
  video.controls = true;
  video.playsInline = true;
  video.src = source;
  return video;
}

function play(button) {
  const video = player(button.dataset.play);
  video.setAttribute("aria-label", button.getAttribute("aria-label"));
  const stage = button.parentElement;
  stage.replaceChildren(video);
  video.addEventListener("error", () => {
    const note = document.createElement("p");
    note.className = "sign";
    note.style.fontSize = "14px";
    note.textContent = "This browser cannot play the file. Download it from the task's page.";
    stage.replaceChildren(note);
  });
  video.focus();
  video.play().catch(() => {});
}

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  } catch {
    const range = document.createRange();
    range.selectNodeContents(button.previousElementSibling);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

function chosen() {
  return [...document.querySelectorAll("[data-compare]:checked")];
}

function compare() {
  const dialog = document.getElementById("pair");
  dialog.querySelector(".pair").replaceChildren(...chosen().map((box) => {
    const figure = document.createElement("figure");
    figure.style.margin = "0";
    const caption = document.createElement("figcaption");
    caption.textContent = box.dataset.title;
    figure.append(player(box.dataset.compare), caption);
    return figure;
  }));
  dialog.showModal();
}

function closePair() {
  const dialog = document.getElementById("pair");
  dialog.querySelector(".pair").replaceChildren();
  dialog.close();
}

async function refresh() {
  const busy = [...document.querySelectorAll("video, audio")].some((one) => !one.paused || one.currentTime > 0);
  if (!("live" in document.body.dataset) || busy || document.hidden) return;
  const answer = await fetch(location.href).catch(() => null);
  if (!answer || !answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const focused = document.activeElement && document.activeElement.getAttribute("href");
  document.getElementById("main").replaceChildren(...page.getElementById("main").childNodes);
  if (!("live" in page.body.dataset)) delete document.body.dataset.live;
  localTimes(document);
  tick();
  if (focused) document.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.play) play(button);
  else if (button.dataset.copy) copy(button);
  else if (button.id === "compare") compare();
  else if ("close" in button.dataset) closePair();
  else if ("together" in button.dataset) document.querySelectorAll("#pair video").forEach((one) => { one.currentTime = 0; one.play(); });
});

document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-compare]")) return;
  const boxes = chosen();
  document.getElementById("compare").disabled = boxes.length !== 2;
  for (const one of document.querySelectorAll("[data-compare]")) one.disabled = boxes.length >= 2 && !one.checked;
});

localTimes(document);
tick();
setInterval(tick, 1000);
setInterval(refresh, REFRESH);
