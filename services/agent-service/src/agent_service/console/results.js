/* ---- steps and results ---- */

const MARKS = { planned: "\u00b7", running: "\u2026", succeeded: "\u2713", failed: "\u2717" };

function stepItem(step, total) {
  const item = element("li", undefined, step.status);
  const symbol = element("span", MARKS[step.status], "mark");
  symbol.setAttribute("aria-hidden", "true");
  const parts = [word(`states.${step.status}`)];
  if (step.duration_ms !== undefined) parts.push(word("milliseconds", { ms: number(step.duration_ms, 0) }));
  if (step.attempts > 1) parts.push(word("attempts", { n: step.attempts }));
  item.append(symbol, element("span", word(`stepNames.${step.operation}`)),
    element("span", parts.join(word("separator")), "time"),
    element("span", `${step.service} / ${step.operation}`, "where"));
  if (step.problem) item.append(element("span", problemSentence(step.problem), "why"));
  const bar = element("span", undefined, "bar");
  bar.setAttribute("aria-hidden", "true");
  // Which steps ran at once, and which of them the others waited for.
  if (total) {
    bar.style.setProperty("--from", step.started_ms / total);
    bar.style.setProperty("--share", step.duration_ms / total);
  }
  item.append(bar);
  return item;
}

function renderSteps({ steps, run }) {
  byId("steps").hidden = steps.length === 0;
  byId("steps").querySelector("ol").replaceChildren(...steps.map((step) => stepItem(step, run && run.duration_ms)));
}

function facts(section, pairs) {
  byId(section).querySelector("dl").replaceChildren(...pairs.map(([term, text]) => {
    const pair = element("div");
    pair.append(element("dt", word(term)), element("dd", text));
    return pair;
  }));
  byId(section).hidden = false;
}

function showSound(found) {
  drawWaveform(byId("sound").querySelector(".waveform"), found);
  facts("sound", [
    ["duration", seconds(found.duration_seconds)],
    ["loudness", level(found.loudness_lufs, "LUFS")],
    ["loudnessRange", level(found.loudness_range_lu, "LU")],
    ["peak", level(found.peak_dbfs, "dBFS")],
    ["rms", level(found.rms_dbfs, "dBFS")],
    ["sampleRate", `${number(found.sample_rate, 0)} Hz`],
    ["channels", String(found.channels)],
    ["format", `${found.format}, ${found.codec}`],
  ]);
}

function showVideo(found) {
  facts("video", [
    ["duration", seconds(found.duration_seconds)],
    ["size", `${found.width} \u00d7 ${found.height}`],
    ["frameRate", level(found.frame_rate, word("perSecond"))],
    ["picture", found.video_codec],
    ["soundTrack", found.audio_codec || word("none")],
    ["format", found.format],
  ]);
}

function showThumbnail(found) {
  const figure = byId("video").querySelector("figure");
  const n = number(shown.at, 2);
  figure.querySelector("img").src = found.image;
  figure.querySelector("img").alt = word("thumbnailAlt", { n });
  figure.querySelector("figcaption").textContent = word("thumbnail", { n });
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
  const n = found.hits.length;
  section.querySelector("p").textContent = word(n ? "best" : "noHits", { n, all: found.searched });
  section.querySelector("ol").replaceChildren(...found.hits.map((hit) => {
    const item = element("li");
    item.append(element("h3", hit.title || hit.id),
      element("span", word("score", { n: number(hit.score, 2) }), "score"), marked(hit));
    return item;
  }));
  section.hidden = false;
}

const SHOW = { analyze: showSound, probe: showVideo, thumbnail: showThumbnail, rank: showHits };

function renderResults({ steps }) {
  for (const id of ["sound", "video", "hits"]) byId(id).hidden = true;
  byId("video").querySelector("figure").hidden = true;
  byId("video").querySelector("dl").replaceChildren();
  for (const step of steps) if (step.result) SHOW[step.operation](step.result);
}
