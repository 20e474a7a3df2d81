/* ---- for developers: the request id, the same request with curl, the raw answer ---- */

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curlLine({ file: sent, question, at, withSecond }) {
  const parts = ["curl"];
  if (sent) parts.push("-F", quoted(`file=@"${sent.name.replace(/["\\]/g, "\\$&")}"`));
  // Not -F: a text may begin with @, which would name a file.
  if (question) parts.push("--form-string", quoted(`text=${question}`));
  if (withSecond) parts.push("-F", quoted(`at=${at}`));
  return [...parts, quoted(`${location.origin}/agent-service/run`)].join(" ");
}

/** Pictures are longer than all the rest: what is shown of them is their beginning. */
function shortened(name, value) {
  return name === "image" && value.length > 60 ? `${value.slice(0, 40)}\u2026 (${size(value.length)})` : value;
}

function renderDetails(state) {
  const answer = state.run || state.problem;
  byId("details").hidden = !state.id && !answer;
  if (byId("details").hidden) return;
  copied("id", state.id || word("none"), state.id || "");
  copied("curl", curlLine(state), curlLine(state));
  copied("raw", JSON.stringify(answer, shortened, 2) || "", JSON.stringify(answer, null, 2) || "");
}

function copied(part, text, whole) {
  const place = byId("details").querySelector(`[data-part=${part}]`);
  const button = element("button", word("copy"), "quiet small");
  button.type = "button";
  button.setAttribute("aria-label", word("copyOf", { what: word(part) }));
  button.addEventListener("click", async () => {
    await copy(whole, code);
    button.textContent = word("copied");
    setTimeout(() => { button.textContent = word("copy"); }, 2000);
  });
  const code = element(part === "raw" ? "pre" : "code", text);
  // What scrolls has to be reached by keyboard.
  code.tabIndex = 0;
  code.setAttribute("role", "region");
  code.setAttribute("aria-label", word(part));
  place.replaceChildren(...(part === "raw" ? [] : [element("h3", word(part))]), code, button);
}

async function copy(text, code) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without TLS browsers offer no clipboard: then it is selected, to be copied by hand.
    window.getSelection().selectAllChildren(code);
  }
}
