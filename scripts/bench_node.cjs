// An app in Node that writes the resources of an assembly again, one by one: node bench_node.cjs ASSEMBLY
//
// It knows nothing of what they are, so it takes about as long as writing them takes by any app.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const cdk = require("aws-cdk-lib");

function write(scope, directory) {
  const { artifacts } = JSON.parse(fs.readFileSync(path.join(directory, "manifest.json"), "utf8"));
  for (const [id, { type, properties = {} }] of Object.entries(artifacts)) {
    if (type === "cdk:cloud-assembly") {
      const name = properties.directoryName.replace(/^assembly-/, "");
      write(new cdk.Stage(scope, name), path.join(directory, properties.directoryName));
    } else if (type === "aws:cloudformation:stack") {
      const stack = new cdk.Stack(scope, id, { stackName: properties.stackName });
      const template = JSON.parse(fs.readFileSync(path.join(directory, properties.templateFile), "utf8"));
      for (const [name, resource] of Object.entries(template.Resources)) {
        new cdk.CfnResource(stack, name, { type: resource.Type, properties: resource.Properties });
      }
    }
  }
}

const app = new cdk.App({ analyticsReporting: false, stackTraces: false, treeMetadata: false });
write(app, process.argv[2]);
app.synth();
