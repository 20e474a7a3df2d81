/* ---- language ---- */

const WORDS = JSON.parse(byId("words").textContent);
const LANGUAGES = Object.keys(WORDS.words);

/** The browser's language, unless the address or a button says otherwise; nothing is stored. */
let language = [new URLSearchParams(location.search).get("lang"), ...navigator.languages]
  .map((name) => (name || "").slice(0, 2)).find((name) => LANGUAGES.includes(name)) || "en";

/** Return a word or sentence, with its gaps filled in. */
function word(path, gaps = {}) {
  const found = path.split(".").reduce((words, key) => words[key], WORDS.words[language]);
  return found.replace(/\{(\w+)\}/g, (_, name) => gaps[name]);
}

const TRANSLATED = Object.entries(WORDS.problems).filter(([sentence]) => sentence.includes(" ")).map(
  ([sentence, translation]) => {
    const parts = sentence.split("{}").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    return [new RegExp(`^${parts.join("(.+?)")}$`, "s"), translation];
  },
);

/** Return what a service says went wrong, in the user's language; services themselves speak English. */
function problemSentence({ detail, status }) {
  if (language === "en") return detail;
  for (const [pattern, translation] of TRANSLATED) {
    const match = pattern.exec(detail);
    if (match) return fill(translation, match.slice(1));
  }
  const known = WORDS.problems[status] || WORDS.problems[status < 500 ? "4xx" : "5xx"];
  return fill(known, [status]);
}

const fill = (sentence, values) => values.reduce((text, value) => text.replace("{}", () => value), sentence);

const number = (value, digits = 1) => value.toLocaleString(language, { maximumFractionDigits: digits });
const level = (value, unit) => (value === undefined || value === null ? word("none") : `${number(value)} ${unit}`);
const seconds = (value) => word("seconds", { n: number(value, 2) });

/** Put every fixed word of the page into the user's language. */
function renderWords() {
  document.documentElement.lang = language;
  document.title = document.querySelector("h1").textContent = word("title");
  for (const each of document.querySelectorAll("[data-word]")) each.textContent = word(each.dataset.word);
  for (const each of document.querySelectorAll("[data-word-label]")) {
    each.setAttribute("aria-label", word(each.dataset.wordLabel));
  }
  for (const each of document.querySelectorAll("[data-word-placeholder]")) {
    each.placeholder = word(each.dataset.wordPlaceholder);
  }
  for (const button of byId("languages").children) {
    button.setAttribute("aria-pressed", String(button.value === language));
  }
}

byId("languages").addEventListener("click", ({ target }) => {
  if (!target.value) return;
  language = target.value;
  const address = new URL(location.href);
  address.searchParams.set("lang", language);
  window.history.replaceState(null, "", address);
  render();
});
