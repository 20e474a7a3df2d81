"use strict";

const byId = (id) => document.getElementById(id);

/** Make an element; what services answer only ever becomes text, never markup. */
function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}
