// The real bridge and a stand-in relay, each a process of its own, for the browser to look at.
"use strict";

const { spawn } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");

const children = [];

// Starts a process and gives the addresses that its first lines name.
async function start(binary, args, lines, log) {
  const child = spawn(binary, args, { stdio: ["ignore", "pipe", fs.openSync(log, "a")] });
  children.push(child);
  const reader = readline.createInterface({ input: child.stdout });
  const addresses = [];
  for await (const line of reader) {
    addresses.push(line.trim().split(/\s+/).pop().replace(/\/$/, ""));
    if (addresses.length === lines) break;
  }
  child.stdout.resume();
  if (addresses.length < lines) throw new Error(`${args[0]} did not start:\n${fs.readFileSync(log, "utf8")}`);
  return addresses;
}

// A relay that answers as told.
async function relay(binary, work, answer) {
  const [url] = await start(binary, ["sandbox", "--listen", "127.0.0.1:0", "--answer", answer], 1, path.join(work, "relay.log"));
  return url;
}

async function bridge(binary, work, sections) {
  const file = path.join(work, "bridge.toml");
  fs.writeFileSync(
    file,
    `listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
token = "operator-token"
[[admin.tokens]]
name = "developer"
token = "viewer-token"
role = "viewer"
orgs = ["acme"]
[store]
url = "sqlite:${work}/journal.db"
min_free_mb = 0
${sections}`,
  );
  const [open, admin] = await start(binary, ["serve", "--config", file], 2, path.join(work, "bridge.log"));
  return { open, admin, log: () => fs.readFileSync(path.join(work, "bridge.log"), "utf8") };
}

// Posts a message to an organisation; what was answered.
async function post(open, org, body, query = "") {
  const type = body.includes("Envelope") ? "text/xml" : "application/xml";
  const answer = await fetch(`${open}/soap/${org}${query}`, { method: "POST", headers: { "Content-Type": `${type}; charset=utf-8` }, body });
  return answer.text();
}

// The message that puts an application at a stage.
function message({ application, candidate = `C-${application}`, stage = "Interview", step = "Phone Screen", status = "Screening", at }) {
  const time = at ? `<Event_Timestamp>${at}</Event_Timestamp>` : "";
  return `<TriggerCandidateStateChange_Request><Job_Application><Job_Application_ID>${application}</Job_Application_ID>
<Candidate_Reference><ID type="Candidate_ID">${candidate}</ID></Candidate_Reference>
<Requisition_Reference><ID type="Requisition_ID">R-00008</ID></Requisition_Reference>
<Stage>${stage}</Stage><Step>${step}</Step><Current_Status>${status}</Current_Status>${time}</Job_Application></TriggerCandidateStateChange_Request>`;
}

function stopAll() {
  for (const child of children) child.kill("SIGKILL");
}

module.exports = { bridge, relay, post, message, stopAll };
