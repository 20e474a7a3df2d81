"use strict";

const byId = (id) => document.getElementById(id);
const form = byId("request");
const file = byId("file");
const drop = byId("drop");
const statusLine = byId("status");
const UNNAMED = byId("file-name").textContent;
const FORMATS = byId("file-hint").textContent;

/** Make an element; what services answer only ever becomes text, never markup. */
function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function say(text, bad = false) {
  statusLine.textContent = text;
  statusLine.classList.toggle("bad", bad);
}

/* ---- choosing ---- */

function size(bytes) {
  const [divisor, unit] = bytes < 1e3 ? [1, "bytes"] : bytes < 1e6 ? [1e3, "kB"] : [1e6, "MB"];
  return `${number(bytes / divisor)} ${unit}`;
}

function showChoice() {
  const chosen = file.files[0];
  byId("file-name").textContent = chosen ? chosen.name : UNNAMED;
  byId("file-hint").textContent = chosen ? `${size(chosen.size)}. Choose or drop another to replace it.` : FORMATS;
  byId("at-field").hidden = !(chosen && /^video\/|\.(mp4|m4v|mov|webm)$/i.test(chosen.type || chosen.name));
}

file.addEventListener("change", showChoice);
// The whole page takes a file: one that misses the field must not replace the page.
window.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
window.addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
window.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const dropped = event.dataTransfer.files;
  if (dropped.length === 1) {
    file.files = dropped;
    showChoice();
    say("");
  } else if (dropped.length > 1) say("Drop one file at a time.", true);
});

/* ---- steps ---- */

const STATES = {
  planned: ["\u00b7", "planned"], running: ["\u2026", "running"],
  succeeded: ["\u2713", "done"], failed: ["\u2717", "failed"],
};

function stepItem(step) {
  const [mark, word] = STATES[step.status];
  const item = element("li", undefined, step.status);
  const symbol = element("span", mark, "mark");
  symbol.setAttribute("aria-hidden", "true");
  const time = step.duration_ms === undefined ? word : `${word}, ${Math.round(step.duration_ms)} ms`;
  const tries = step.attempts > 1 ? `, ${step.attempts} attempts` : "";
  item.append(symbol, element("span", step.name), element("span", time + tries, "time"),
    element("span", step.service ? `${step.service} / ${step.operation}` : "not configured", "where"));
  if (step.problem) item.append(element("span", step.problem.detail, "why"));
  const bar = element("span", undefined, "bar");
  bar.setAttribute("aria-hidden", "true");
  item.append(bar);
  return item;
}

/** Show which steps ran at once, and which of them the others waited for. */
function drawBars(steps, total) {
  steps.forEach((step, index) => {
    const { style } = byId("steps").querySelectorAll(".bar")[index];
    style.setProperty("--from", step.started_ms / total);
    style.setProperty("--share", step.duration_ms / total);
  });
}

/* ---- results ---- */

const number = (value, digits = 1) => value.toLocaleString("en", { maximumFractionDigits: digits });
const level = (value, unit) => (value === undefined || value === null ? "none" : `${number(value)} ${unit}`);

function facts(section, pairs) {
  const list = byId(section).querySelector("dl");
  list.replaceChildren(...pairs.map(([term, text]) => {
    const pair = element("div");
    pair.append(element("dt", term), element("dd", text));
    return pair;
  }));
  byId(section).hidden = false;
}

function drawWaveform(points, length, label) {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  svg.setAttribute("viewBox", `0 -1.05 ${points.length} 2.1`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  const path = document.createElementNS(ns, "path");
  const bars = points.map((peak, at) => {
    const height = Math.max(Math.min(peak, 1), 0.008);
    return `M${at + 0.5} ${-height}V${height}`;
  });
  path.setAttribute("d", bars.join(""));
  path.setAttribute("stroke", "currentColor");
  path.setAttribute("stroke-width", points.length > 128 ? "0.9" : "0.7");
  svg.append(path);
  const scale = element("p", undefined, "scale");
  scale.append(element("span", "0 s"), element("span", length));
  byId("sound").querySelector(".waveform").replaceChildren(svg, scale);
}

function showSound(found) {
  const length = `${number(found.duration_seconds, 2)} s`;
  drawWaveform(found.waveform, length, `Waveform of ${length} of sound, peak ${level(found.peak_dbfs, "dBFS")}`);
  facts("sound", [
    ["Duration", length],
    ["Loudness", level(found.loudness_lufs, "LUFS")],
    ["Loudness range", level(found.loudness_range_lu, "LU")],
    ["Peak", level(found.peak_dbfs, "dBFS")],
    ["RMS", level(found.rms_dbfs, "dBFS")],
    ["Sample rate", `${number(found.sample_rate, 0)} Hz`],
    ["Channels", String(found.channels)],
    ["Format", `${found.format}, ${found.codec}`],
  ]);
}

function showVideo(found) {
  facts("video", [
    ["Duration", `${number(found.duration_seconds, 2)} s`],
    ["Size", `${found.width} \u00d7 ${found.height}`],
    ["Frame rate", level(found.frame_rate, "per second")],
    ["Video", found.video_codec],
    ["Sound", found.audio_codec || "none"],
    ["Format", found.format],
  ]);
}

function showThumbnail(found) {
  const figure = byId("video").querySelector("figure");
  const second = number(Number(byId("at").value) || 0, 2);
  figure.querySelector("img").src = found.image;
  figure.querySelector("img").alt = `The video at second ${second}`;
  figure.querySelector("figcaption").textContent = `At second ${second}`;
  figure.hidden = byId("video").hidden = false;
}

/** The snippet with its matches marked. Offsets count code points, JavaScript's strings do not. */
function marked(hit) {
  const characters = Array.from(hit.snippet);
  const quote = element("blockquote");
  let at = 0;
  for (const { start, end } of hit.highlights) {
    quote.append(characters.slice(at, start).join(""), element("mark", characters.slice(start, end).join("")));
    at = end;
  }
  quote.append(characters.slice(at).join(""));
  return quote;
}

function showHits(found) {
  const section = byId("hits");
  const count = found.hits.length;
  section.querySelector("p").textContent = count
    ? `The best ${count} of ${found.searched} passages.`
    : `None of ${found.searched} passages has these words.`;
  section.querySelector("ol").replaceChildren(...found.hits.map((hit) => {
    const item = element("li");
    item.append(element("h3", hit.title || hit.id), element("span", `score ${number(hit.score, 2)}`, "score"), marked(hit));
    return item;
  }));
  section.hidden = false;
}

const SHOW = { analyze: showSound, probe: showVideo, thumbnail: showThumbnail, rank: showHits };

/* ---- running ---- */

let current = null;

function clearResults() {
  for (const id of ["steps", "sound", "video", "hits"]) byId(id).hidden = true;
  byId("video").querySelector("figure").hidden = true;
  byId("video").querySelector("dl").replaceChildren();
}

function onEvent(event) {
  const list = byId("steps").querySelector("ol");
  if (event.event === "planned") {
    list.replaceChildren(...event.steps.map(stepItem));
    byId("steps").hidden = false;
    say("Working\u2026");
  } else if (event.event === "done") {
    const { outcome, duration_ms: duration, summary, steps } = event.run;
    drawBars(steps, duration);
    if (outcome === "complete") say(`Complete in ${Math.round(duration)} ms.`);
    else say(`${outcome === "partial" ? "Partial answer" : "Failed"}. ${summary}`, true);
  } else {
    list.children[event.index].replaceWith(stepItem(event.step));
    if (event.step.result) SHOW[event.step.operation](event.step.result);
  }
}

/** Hand each line of a response to `use` as soon as it is there. */
async function eachLine(response, use) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    const lines = (rest + (value || "")).split("\n");
    rest = lines.pop();
    for (const line of lines) use(JSON.parse(line));
    if (done) return;
  }
}

async function problemOf(response) {
  try {
    return (await response.json()).detail || response.statusText;
  } catch {
    return `The service answered ${response.status} ${response.statusText}.`;
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (current) current.abort();
  const mine = current = new AbortController();
  clearResults();
  const body = new FormData();
  if (file.files[0]) body.append("file", file.files[0]);
  if (byId("text").value.trim()) body.append("text", byId("text").value);
  if (!byId("at-field").hidden) body.append("at", byId("at").value || "0");
  if ([...body.keys()].length === 0) {
    say("Choose a file or type a question first.", true);
    byId("text").focus();
    return;
  }
  say(file.files[0] ? `Sending ${file.files[0].name}\u2026` : "Working\u2026");
  try {
    const response = await fetch("/agent-service/run", {
      method: "POST", body, headers: { Accept: "application/x-ndjson" }, signal: mine.signal,
    });
    if (!response.ok) {
      say(await problemOf(response), true);
      return;
    }
    let finished = false;
    await eachLine(response, (line) => { finished = finished || line.event === "done"; onEvent(line); });
    if (!finished) say("The answer broke off. Try again.", true);
  } catch (error) {
    if (error.name !== "AbortError") say("The service could not be reached. Try again.", true);
  }
});

form.addEventListener("reset", () => {
  if (current) current.abort();
  clearResults();
  say("");
  // The fields are only empty after this event.
  setTimeout(showChoice);
});

fetch("/agent-service/version")
  .then((response) => response.json())
  .then(({ release, revision }) => {
    byId("version").textContent = `Release ${release}${revision ? `, revision ${revision}` : ""}`;
  })
  .catch(() => {});
