/* ---- waveform ---- */

const FLOOR_DB = -60;
const GRID_DB = 12;
const SVG = "http://www.w3.org/2000/svg";

const decibels = (peak) => (peak > 0 ? 20 * Math.log10(peak) : -Infinity);

/** Draw peaks of equal stretches on a scale of decibels, mirrored at the quietest that is shown. */
function drawWaveform(frame, found) {
  const points = found.waveform;
  const top = Math.max(0, Math.ceil(decibels(Math.max(...points)) / 6) * 6);
  const share = (db) => Math.min(Math.max((db - FLOOR_DB) / (top - FLOOR_DB), 0.004), 1);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 -1 ${points.length} 2`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", word("waveform", {
    length: seconds(found.duration_seconds), peak: level(found.peak_dbfs, "dBFS"),
  }));
  const bars = { plain: [], clipped: [] };
  points.forEach((peak, at) => {
    const height = share(decibels(peak));
    bars[peak >= 1 ? "clipped" : "plain"].push(`M${at + 0.5} ${-height}V${height}`);
  });
  const axis = element("div", undefined, "decibels");
  axis.setAttribute("aria-hidden", "true");
  for (let db = 0; db >= FLOOR_DB; db -= GRID_DB) {
    const height = (db - FLOOR_DB) / (top - FLOOR_DB);
    svg.append(line(`M0 ${-height}H${points.length}M0 ${height}H${points.length}`, "grid"));
    const label = element("span", db ? `\u2212${-db}` : "0");
    label.style.setProperty("--down", (1 - height) / 2);
    axis.append(label);
  }
  for (const [kind, path] of Object.entries(bars)) svg.append(line(path.join(""), kind));
  const drawing = element("div", undefined, "drawing");
  const head = element("div", undefined, "head");
  head.hidden = true;
  drawing.append(svg, head);
  drawing.addEventListener("click", (event) => seek(event.offsetX / drawing.clientWidth));
  const times = element("div", undefined, "times");
  times.setAttribute("aria-hidden", "true");
  for (const part of [0, 0.25, 0.5, 0.75, 1]) times.append(element("span", seconds(part * found.duration_seconds)));
  frame.replaceChildren(element("span", "dBFS", "unit"), axis, drawing, times);
  if (bars.clipped.length) frame.append(element("p", word("clipped"), "hint"));
  const player = byId("player").querySelector("audio, video");
  if (player) movePlayhead(player);
}

function line(path, kind) {
  const drawn = document.createElementNS(SVG, "path");
  drawn.setAttribute("d", path);
  drawn.setAttribute("class", kind);
  return drawn;
}

/** Show in the waveform where the player is. */
function movePlayhead(player) {
  const head = document.querySelector("#sound .head");
  if (!head || !shown || shown.file !== file.files[0] || !Number.isFinite(player.duration)) return;
  head.hidden = player.currentTime === 0;
  head.style.setProperty("--at", player.currentTime / player.duration);
}

function seek(share) {
  const player = byId("player").querySelector("audio, video");
  if (player && shown && shown.file === file.files[0] && Number.isFinite(player.duration)) {
    player.currentTime = share * player.duration;
  }
}
