/* ---- running, and the history of this visit ---- */

const MOST_KEPT = 20;
const visit = [];

/** What is shown: a request, and what became of it so far. */
let shown = null;
/** What the status line says without any request. */
let remark = null;
let current = null;

function say(said) {
  remark = said;
  renderStatus();
}

function statusOf(state) {
  if (state.failure) return { text: word(state.failure), bad: true };
  if (state.problem) return { text: problemSentence(state.problem), bad: true };
  if (!state.run) return { text: state.file ? word("sending", { name: state.file.name }) : word("working") };
  const failed = state.steps.filter((step) => step.problem);
  if (!failed.length) return { text: word("complete", { ms: number(state.run.duration_ms, 0) }) };
  const problem = problemSentence(failed[0].problem);
  if (state.run.outcome === "failed") return { text: problem, bad: true };
  return { text: word("partial", { done: state.steps.length - failed.length, all: state.steps.length, problem }), bad: true };
}

function renderStatus() {
  const { text, bad } = remark ? { text: word(remark.word), bad: remark.bad } : shown ? statusOf(shown) : { text: "" };
  byId("status").textContent = text;
  byId("status").classList.toggle("bad", Boolean(bad));
}

const EMPTY = { steps: [] };
const nameOf = (state) => [state.file && state.file.name, state.question].filter(Boolean).join(" \u00b7 ");

function outcomeOf(state) {
  if (state.failure || state.problem) return "failed";
  return state.run ? state.run.outcome : "running";
}

function renderHistory() {
  byId("history").hidden = visit.length < 2;
  byId("history").querySelector("ol").replaceChildren(...visit.map((state) => {
    const item = element("li");
    const button = element("button", undefined, "past");
    button.type = "button";
    const time = new Date(state.began).toLocaleTimeString(language);
    const outcome = outcomeOf(state);
    button.append(element("span", time, "time"), element("span", nameOf(state), "what"),
      element("span", word(`outcomes.${outcome}`), `outcome ${outcome}`));
    if (state === shown) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => {
      shown = state;
      remark = null;
      render();
      byId("status").scrollIntoView({ block: "nearest" });
    });
    item.append(button);
    return item;
  }));
}

/** Show everything anew, as another language needs. */
function render() {
  renderWords();
  renderChoice();
  renderVersion();
  renderShown();
}

function renderShown() {
  renderStatus();
  renderSteps(shown || EMPTY);
  renderResults(shown || EMPTY);
  renderDetails(shown || EMPTY);
  renderHistory();
}

function onEvent(state, event) {
  if (event.event === "planned") state.steps = event.steps;
  else if (event.event === "done") {
    state.run = event.run;
    state.steps = event.run.steps;
  } else state.steps[event.index] = event.step;
  if (state === shown) renderShown();
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
    return { detail: response.statusText, ...(await response.json()), status: response.status };
  } catch {
    return { detail: `The service answered ${response.status} ${response.statusText}.`, status: response.status };
  }
}

function requested() {
  const withSecond = !byId("at-field").hidden;
  return {
    began: Date.now(), file: file.files[0], question: byId("text").value.trim(), withSecond,
    at: withSecond ? Number(byId("at").value) || 0 : 0, steps: [], run: null, problem: null, failure: null, id: null,
  };
}

function formOf(state) {
  const body = new FormData();
  if (state.file) body.append("file", state.file);
  if (state.question) body.append("text", state.question);
  if (state.withSecond) body.append("at", String(state.at));
  return body;
}

async function carryOut(state, signal) {
  const response = await fetch("/agent-service/run", {
    method: "POST", body: formOf(state), headers: { Accept: "application/x-ndjson" }, signal,
  });
  state.id = response.headers.get("X-Request-Id");
  if (!response.ok) state.problem = await problemOf(response);
  else await eachLine(response, (line) => onEvent(state, line));
  if (response.ok && !state.run) state.failure = "brokeOff";
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (current) current.abort();
  const state = requested();
  if (!state.file && !state.question) {
    shown = null;
    say({ word: "empty", bad: true });
    renderShown();
    (byId("text-field").hidden ? file : byId("text")).focus();
    return;
  }
  const mine = current = new AbortController();
  shown = state;
  remark = null;
  visit.unshift(state);
  visit.splice(MOST_KEPT);
  renderShown();
  try {
    await carryOut(state, mine.signal);
  } catch (error) {
    if (error.name === "AbortError") visit.splice(visit.indexOf(state), 1);
    else state.failure = state.id ? "brokeOff" : "unreachable";
  }
  if (state !== shown) renderHistory();
  // What came whole is shown already. Drawn once more, it would take the focus from whoever has begun to use it.
  else if (!state.run || state.failure) renderShown();
});

form.addEventListener("reset", () => {
  if (current) current.abort();
  shown = remark = null;
  renderShown();
  // The fields are only empty after this event.
  setTimeout(onChoice);
});

/* ---- what runs ---- */

let version = null;

function renderVersion() {
  if (!version) return;
  const parts = [word("version", version)];
  if (version.revision) parts.push(word("revision", version));
  byId("version").textContent = parts.join(word("separator"));
}

fetch("/agent-service/version")
  .then((response) => response.json())
  .then((found) => { version = found; renderVersion(); })
  .catch(() => {});

render();
