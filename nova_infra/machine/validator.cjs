// CDK's own validation of each template (`CloudFormationValidatePlugin`), in a second thread of CDK's Node.
//
// It takes half of a large synthesis: two seconds to load, and then a twentieth for each template, all at the end. Here it
// loads while CDK does, and validates each assembly as soon as it is written, while CDK makes the next one. What runs here
// is CDK's own plugin. Each answer of its engine is kept by all that it depends on. At the end CDK asks the same and finds
// it; what it does not find, its own thread answers, as without this.
"use strict";
const { createHash } = require("node:crypto");
const fs = require("node:fs");
const Module = require("node:module");
const path = require("node:path");
const { isMainThread, MessageChannel, receiveMessageOnPort, Worker, workerData } = require("node:worker_threads");

const ENGINE = "@aws/cloudformation-validate";
const LIBRARY = path.join("/", "aws-cdk-lib", "index.js");
const PLUGIN = path.join("core", "lib", "validation", "cloudformation-validate-plugin.js");
const MANIFEST = "manifest.json";
const PATIENCE_MS = 20_000; // for one template: what runs out of memory ends without a word
const MESSAGES = 0; // places of what both threads see
const ENDED = 1;

const digest = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest("hex");

// Has an engine answer as `find` says, given what identifies the question and a function that answers it.
const answering = (Engine, find) =>
  class {
    constructor(config) {
      this.config = JSON.stringify(config);
      this.make = () => (this.own ??= new (Engine())(config));
    }
    validateTemplate(template, options) {
      const key = digest(this.config, JSON.stringify([template.path, options]), template.readBytes());
      return find(key, () => this.make().validateTemplate(template, options));
    }
    listRules() {
      return this.make().listRules();
    }
    free() {
      this.own?.free();
    }
  };

class TemplateFile {
  constructor(path) {
    this.path = path;
  }
  readBytes() {
    return fs.readFileSync(this.path);
  }
}

// In CDK's thread: what stands for the engine's module, and the second thread, from when CDK is loaded.
function stand() {
  const { port1: port, port2: theirs } = new MessageChannel();
  const progress = new Int32Array(new SharedArrayBuffer(8));
  const reports = new Map();
  let written = 0; // assemblies
  let validated = 0;
  let worker; // null when it has failed

  function start(plugin) {
    const data = { plugin, port: theirs, progress };
    worker = new Worker(__filename, { execArgv: [], workerData: data, transferList: [theirs] });
    worker.on("error", () => (worker = null)).unref();
  }

  function find(key, answer) {
    while (worker) {
      const seen = Atomics.load(progress, MESSAGES);
      for (let received; (received = receiveMessageOnPort(port)); ) {
        if (received.message.key) reports.set(received.message.key, received.message.report);
        else validated += 1;
      }
      if (reports.has(key)) return reports.get(key);
      if (validated === written || Atomics.load(progress, ENDED)) break;
      if (Atomics.wait(progress, MESSAGES, seen, PATIENCE_MS) === "timed-out") {
        worker.terminate();
        worker = null;
      }
    }
    return answer();
  }

  const write = fs.writeFileSync;
  fs.writeFileSync = (file, ...rest) => {
    write(file, ...rest);
    if (worker && path.basename(String(file)) === MANIFEST) {
      written += 1;
      port.postMessage(path.dirname(path.resolve(file)));
    }
  };
  const load = Module._load;
  Module._load = function (request, ...rest) {
    if (request === ENGINE && worker) {
      const own = () => load.call(this, request, ...rest);
      const CompositeEngine = answering(() => own().CompositeEngine, find);
      return { CompositeEngine, TemplateFile, version: () => find("version", () => own().version()) };
    }
    if (request.endsWith(LIBRARY) && worker === undefined) {
      const plugin = path.join(path.dirname(request), PLUGIN);
      if (fs.existsSync(plugin)) start(plugin);
    }
    return load.call(this, request, ...rest);
  };
}

// In the second thread: CDK's plugin on each stack of the assemblies that CDK has written.
function validate({ plugin, port, progress }) {
  function say(message) {
    port.postMessage(message);
    Atomics.add(progress, MESSAGES, 1);
    Atomics.notify(progress, MESSAGES);
  }
  process.once("exit", () => {
    Atomics.store(progress, ENDED, 1);
    say({});
  });
  const engine = Module.createRequire(plugin)(ENGINE);
  const { CompositeEngine } = engine;
  engine.CompositeEngine = answering(() => CompositeEngine, (key, answer) => {
    const report = answer();
    say({ key, report });
    return report;
  });
  const { CloudFormationValidatePlugin } = require(plugin);
  const own = CloudFormationValidatePlugin._singletonInstance();
  own.engine.make();
  say({ key: "version", report: own.version });
  port.on("message", (directory) => {
    try {
      const { artifacts } = JSON.parse(fs.readFileSync(path.join(directory, MANIFEST), "utf8"));
      for (const { environment, properties, type } of Object.values(artifacts)) {
        if (type !== "aws:cloudformation:stack") continue;
        const [accountId, region] = environment.replace("aws://", "").split("/");
        const stack = {
          templatePath: path.join(directory, properties.templateFile),
          accountId: accountId === "unknown-account" ? undefined : accountId,
          region: region === "unknown-region" ? undefined : region,
        };
        own.validate({ templatePaths: [stack.templatePath], stackTemplates: [stack] });
      }
    } catch {
      // CDK asks again, in its own thread, and says what is wrong.
    }
    say({});
  });
}

if (!isMainThread) validate(workerData);
else if (process.env.CDK_VALIDATION !== "false") stand();
