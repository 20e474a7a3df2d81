// Loaded before CDK by the Node that `kernel` starts: `program.js DIRECTORY`.
//
// Whatever ends Python, Node leaves nothing behind: what both keep on the disk is in that directory, and Node, which
// outlives a Python that is killed, removes it. CDK's validator runs beside it: see validator.cjs.
"use strict";
const { isMainThread } = require("node:worker_threads");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");

if (parseInt(process.versions.node, 10) < 18) process.exit(1); // CDK starts in it, and fails later

const directory = process.argv[2];
if (isMainThread && directory && process.argv[1] === path.join(directory, "lib", "program.js")) {
  const ofKernel = path.join(os.tmpdir(), "jsii-kernel-");
  const make = fs.mkdtempSync;
  fs.mkdtempSync = (prefix, ...options) =>
    make(prefix === ofKernel ? path.join(directory, path.basename(prefix)) : prefix, ...options);
  process.once("exit", () => fs.rmSync(directory, { recursive: true, force: true }));
  // When Python has ended, whatever CDK was doing fails, and nobody is left to be told.
  const python = process.ppid;
  process.once("uncaughtExceptionMonitor", (error) => {
    const ended = ["EPIPE", "ECONNRESET"].includes(error.code) || String(error.message).includes("Interrupted before callback returned");
    if (ended || process.ppid !== python) process.exit(1);
  });
  require("./validator.cjs");
}
