// The real bridge and a stand-in relay, each a process of its own, for the browser to look at.
"use strict";

const { spawn } = require("node:child_process");
const { once } = require("node:events");
const fs = require("node:fs");
const http = require("node:http");
const net = require("node:net");
const path = require("node:path");
const readline = require("node:readline");

const children = [];

// Starts a process and gives the addresses that its first lines name, and the process.
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
  return Object.assign(addresses, { child });
}

// A relay that answers as told.
async function relay(binary, work, answer) {
  const [url] = await start(binary, ["sandbox", "--listen", "127.0.0.1:0", "--answer", answer], 1, path.join(work, "relay.log"));
  return url;
}

// A Workday that denies access so often, and then answers from what is recorded of it.
async function workday(denials) {
  const recorded = (name) => fs.readFileSync(path.join(__dirname, "../../fixtures/workday", `${name}.xml`), "utf8");
  const server = http.createServer((request, response) => {
    let body = "";
    request.on("data", (part) => (body += part));
    request.on("end", () => {
      response.setHeader("Content-Type", "text/xml; charset=utf-8");
      if (denials-- > 0) {
        response.statusCode = 500;
        return response.end(recorded("fault-authentication"));
      }
      const asked = body.match(/<[^>]*ID [^>]*>([^<]+)</)[1];
      if (body.includes("Get_Candidates_Request")) return response.end(recorded("candidate-v43").replaceAll("CAND-2001", asked));
      return response.end(recorded("requisition"));
    });
  });
  await new Promise((listens) => server.listen(0, "127.0.0.1", listens));
  server.unref();
  return `http://127.0.0.1:${server.address().port}/ccx/service/acme/Recruiting/v43.0`;
}

// Another address of a listener, all of whose connections can be cut.
async function cuttable(url) {
  const { hostname, port } = new URL(url);
  const sockets = new Set();
  const server = net.createServer((near) => {
    const far = net.connect(port, hostname);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => (sockets.delete(socket), near.destroy(), far.destroy()));
    }
    near.pipe(far).pipe(near);
  });
  await new Promise((listens) => server.listen(0, "127.0.0.1", listens));
  server.unref();
  return { url: `http://127.0.0.1:${server.address().port}`, cut: () => sockets.forEach((socket) => socket.destroy()) };
}

async function bridge(binary, work, sections, { name = "bridge", top = "", freeMb = 0, adminListen = "127.0.0.1:0" } = {}) {
  const file = path.join(work, `${name}.toml`);
  fs.writeFileSync(
    file,
    `listen = "127.0.0.1:0"
${top}
[admin]
listen = "${adminListen}"
token = "operator-token"
[[admin.tokens]]
name = "developer"
token = "viewer-token"
role = "viewer"
orgs = ["acme"]
[store]
url = "sqlite:${work}/${name}.db"
min_free_mb = ${freeMb}
${sections}`,
  );
  const log = path.join(work, `${name}.log`);
  const addresses = await start(binary, ["serve", "--config", file], 2, log);
  const [open, admin] = addresses;
  const signal = (name) => addresses.child.kill(name);
  return { open, admin, signal, ended: once(addresses.child, "exit"), log: () => fs.readFileSync(log, "utf8") };
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

module.exports = { bridge, relay, workday, cuttable, post, message, stopAll };
