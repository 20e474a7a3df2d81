// Loaded by Node before CDK: see `tools.prepare_node`.
//
// CDK's validator is a large WebAssembly module, of which a synthesis runs most functions for a moment. V8 would compile
// those a second time, optimized, which takes longer than it saves. With forty times its budget it does so only for what
// a large app runs over and over.
"use strict";
require("node:v8").setFlagsFromString("--wasm-tiering-budget=500000000");
