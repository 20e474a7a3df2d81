/* ---- choosing a file ---- */

const form = byId("request");
const file = byId("file");
const drop = byId("drop");
const offers = document.documentElement.dataset.offers.split(" ").filter(Boolean);

const ACCEPTED = {
  sound: ".wav,.mp3,.m4a,.aac,.flac,.ogg,.oga,.opus,.aif,.aiff,.caf,.amr,.mka,audio/*",
  video: ".mp4,.m4v,.mov,.webm,.mkv,video/*",
  search: ".txt,.md,.csv,.tsv,text/*",
};
file.accept = offers.map((offer) => ACCEPTED[offer]).join(",");
byId("text-field").hidden = !offers.includes("search");
drop.hidden = offers.length === 0;

const looksLikeVideo = (chosen) => /^video\/|\.(mp4|m4v|mov|webm|mkv)$/i.test(chosen.type || chosen.name);
const looksLikeSound = (chosen) => /^audio\/|\.(aiff?|caf|amr|m4a|mka|opus|flac)$/i.test(chosen.type || chosen.name);

function size(bytes) {
  if (bytes < 1e3) return word("bytes", { n: number(bytes) });
  return bytes < 1e6 ? `${number(bytes / 1e3)} kB` : `${number(bytes / 1e6)} MB`;
}

function renderChoice() {
  const chosen = file.files[0];
  byId("file-name").textContent = chosen ? chosen.name : word("choose");
  const hint = byId("file-hint");
  if (chosen) hint.textContent = word("chosen", { size: size(chosen.size) });
  else hint.replaceChildren(...offers.map((offer) => element("span", word(`formats.${offer}`))));
  byId("at-field").hidden = !(chosen && looksLikeVideo(chosen) && offers.includes("video"));
  const player = byId("player").querySelector("audio, video");
  if (player && chosen) player.setAttribute("aria-label", word("playerOf", { name: chosen.name }));
  const note = byId("player").querySelector("figcaption");
  if (note) note.textContent = word("unplayable");
}

let address = null;

/** Let the user hear and see what was chosen, where the browser can. */
function onChoice() {
  if (address) URL.revokeObjectURL(address);
  address = null;
  const chosen = file.files[0];
  const frame = byId("player");
  frame.replaceChildren();
  frame.hidden = true;
  if (chosen && (looksLikeVideo(chosen) || looksLikeSound(chosen))) {
    address = URL.createObjectURL(chosen);
    const player = element(looksLikeVideo(chosen) ? "video" : "audio");
    player.controls = true;
    player.preload = "metadata";
    player.playsInline = true;
    // A video without pictures is a voice memo: no black field for it.
    player.addEventListener("loadedmetadata", () => player.classList.toggle("flat", !player.videoWidth));
    player.addEventListener("error", () => frame.replaceChildren(element("figcaption", word("unplayable"))));
    player.addEventListener("timeupdate", () => movePlayhead(player));
    player.addEventListener("seeked", () => movePlayhead(player));
    player.src = address;
    frame.append(player);
    frame.hidden = false;
  }
  renderChoice();
}

file.addEventListener("change", onChoice);
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
  if (dropped.length === 1 && offers.length) {
    file.files = dropped;
    onChoice();
    say(null);
  } else if (dropped.length > 1) say({ word: "oneFile", bad: true });
});
