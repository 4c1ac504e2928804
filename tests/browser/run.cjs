// Goes through the console as its people do, and through what they must not be able to do.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const { execFileSync } = require("node:child_process");
const { bridge, relay, workday, cuttable, post, message, stopAll } = require("./bridge.cjs");
const { open, watch, check, PATIENCE } = require("./browser.cjs");

const [binary, work, folder] = process.argv.slice(2);
let browser;

// The longest id of an organisation, and an application's that is as long.
const LONG = "organisation".repeat(6).slice(0, 63);
const LONG_ID = "JOBAPPLICATION".repeat(14).slice(0, 185);

async function signIn(page, admin, token) {
  await page.goto(`${admin}/`);
  await page.getByLabel("Admin token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
}

const steps = {
  async "a wrong token is refused, the right one opens the overview"({ page, admin, look }) {
    await signIn(page, admin, "not-a-token");
    await page.getByRole("alert").getByText("none of the bridge's admin tokens").waitFor();
    await look("sign-in");
    await signIn(page, admin, "operator-token");
    await page.getByRole("heading", { name: "Needs a person" }).waitFor();
    await page.getByText("No message has come yet.").waitFor();
  },

  async "what is posted shows up without a reload"({ page, server }) {
    await page.locator("html[data-live=on]").waitFor();
    await page.evaluate(() => (window.stillTheSame = true));
    await post(server.open, "acme", message({ application: "A-1" }));
    const card = page.getByRole("article", { name: "acme" });
    await card.getByText("Delivered").locator("xpath=following-sibling::dd[.='1']").waitFor();
    await page.getByText(/Everything accepted before .* is delivered/).waitFor();
    assert(await page.evaluate(() => window.stillTheSame), "the page was not loaded again");
  },

  async "what the relay does not take needs a person, who replays it"({ page, server, look }) {
    await post(server.open, "lost", message({ application: "L-1" }));
    const trouble = page.getByRole("listitem").filter({ hasText: "lost: 1 event was given up" });
    await trouble.waitFor();
    await look("overview");
    await trouble.getByRole("button", { name: "Replay these" }).click();
    await page.getByText("1 event of lost will be delivered anew.").waitFor();
  },

  async "deliveries are paused and resumed"({ page }) {
    const card = page.getByRole("article", { name: "acme" });
    await card.getByText("Pause deliveries of acme").click();
    await card.getByRole("button", { name: "Pause now" }).click();
    await page.getByRole("heading", { name: "acme: admin paused the deliveries" }).waitFor();
    await page.getByRole("button", { name: "Resume deliveries" }).click();
    await page.getByText("The deliveries of acme go on.").waitFor();
  },

  async "an event is found, and its page tells its journey"({ page, admin, server, look }) {
    await page.goto(`${admin}/events`);
    await page.locator("html[data-live=on]").waitFor();
    await post(server.open, "acme", message({ application: "A-2" }));
    await page.getByRole("link", { name: "A-2", exact: true }).waitFor();
    await look("events");
    await page.getByLabel("Application, candidate or event").fill("A-1");
    await page.getByRole("button", { name: "Show" }).click();
    await page.getByRole("row").filter({ hasText: "A-1" }).getByRole("rowheader").getByRole("link").click();
    await page.getByRole("heading", { name: "Decided: interview started" }).waitFor();
    await page.getByRole("heading", { name: "Delivered", exact: true }).first().waitFor();
    assert(!(await page.locator("#report").textContent()).includes("A-1"), "the report names nobody");
    await look("event");
    await page.getByRole("button", { name: "Replay" }).click();
    await page.getByRole("status").filter({ hasText: "deliver" }).first().waitFor();
  },

  async "a message is tried without being stored, and one that is wrong is marked"({ page, admin, look }) {
    await page.goto(`${admin}/try`);
    await page.getByLabel("Organisation").selectOption("acme");
    await page.getByLabel("Message").fill(message({ application: "T-1" }));
    await page.getByRole("button", { name: "Look at it" }).click();
    await page.getByRole("heading", { name: /It would be taken/ }).waitFor();
    await page.getByText("What the relay would be sent").waitFor();
    await look("try");
    await page.getByLabel("Message").fill(message({ application: "T-1" }).replace("</Stage>", "</Stages>"));
    await page.getByRole("button", { name: "Look at it" }).click();
    await page.getByRole("heading", { name: /It would be refused: not_well_formed/ }).waitFor();
    await look("try-refused");
    const long = message({ application: "T-1", step: "x".repeat(3000) }).replaceAll("\n", "").replace("</Current_Status>", "</Status>");
    await page.locator("#message").fill(long);
    await page.getByRole("button", { name: "Look at it" }).click();
    const mark = page.getByRole("mark");
    await mark.getByText("</Status>").waitFor();
    const seen = await mark.evaluate((it) => ((at) => at.top >= 0 && at.bottom <= innerHeight && at.left >= 0 && at.right <= innerWidth)(it.getBoundingClientRect()));
    assert(seen, "the place is on the screen");
    await page.goto(`${admin}/events?q=T-1`);
    await page.getByRole("table").waitFor();
    assert.equal(await page.getByRole("row").filter({ hasText: "T-1" }).count(), 0, "nothing was stored");
    await page.goto(`${admin}/try`);
    await page.getByLabel("Organisation").selectOption("acme");
    await page.getByLabel("Message").fill(message({ application: "T-2" }));
    await page.getByText("Send it for real").click();
    await page.getByRole("button", { name: "Send now" }).click();
    await page.getByText("T-2").first().waitFor();
  },

  async "a refused message shows where it is wrong"({ page, admin, server, look }) {
    await page.goto(`${admin}/refused`);
    await page.locator("html[data-live=on]").waitFor();
    await post(server.open, "acme", message({ application: "F-1" }).replace(/<Stage>.*<[/]Stage>/, ""));
    await page.getByRole("link", { name: "missing_element" }).waitFor();
    await look("refused-list");
    await page.getByRole("link", { name: "missing_element" }).click();
    await page.getByRole("heading", { name: "Refused: missing_element" }).waitFor();
    await look("refused");
    await page.getByRole("button", { name: "Read it again" }).click();
    await page.getByText(/Stage/).first().waitFor();
  },

  async "the page for setting up Workday waits for the first message"({ page, admin, server, look }) {
    await page.goto(`${admin}/set-up`);
    await page.getByRole("link", { name: "inside" }).click();
    await page.getByRole("heading", { name: /Waiting for your first message/ }).waitFor();
    await page.locator("html[data-live=on]").waitFor();
    const endpoint = await page.locator("#value-1").textContent();
    assert.equal(endpoint, `${server.open}/soap/inside`);
    const wsdl = await fetch(await page.getByText("?wsdl").first().textContent());
    assert.equal(wsdl.status, 200, "what is to be copied is there");
    await look("set-up");
    await post(server.open, "inside", message({ application: "I-1" }));
    await page.getByRole("heading", { name: "A message has come" }).waitFor();
    await page.getByText("missing.").first().waitFor();
    await look("set-up-first");
  },

  async "an application's path is drawn, and its interview closed by hand"({ page, admin, server, look }) {
    await page.goto(`${admin}/protections`);
    await page.getByRole("rowheader", { name: /C-I-1/ }).waitFor();
    await look("protections");
    await page.goto(`${admin}/applications`);
    await page.getByRole("link", { name: "I-1", exact: true }).waitFor();
    await look("applications");
    await page.getByRole("link", { name: "I-1", exact: true }).click();
    await page.getByRole("heading", { name: "Application I-1" }).waitFor();
    await post(server.open, "inside", message({ application: "I-1", stage: "Offer" }));
    await page.getByRole("cell", { name: "Offer" }).waitFor();
    await post(server.open, "inside", message({ application: "I-1", stage: "Interview", step: "On Site" }));
    await page.getByRole("cell", { name: "On Site" }).waitFor();
    await page.getByText("Close the interview by hand").waitFor();
    await look("application");
    await page.getByText("Close the interview by hand").click();
    await page.getByLabel("Why").fill("the candidate withdrew by telephone");
    await page.getByRole("button", { name: "Close it" }).click();
    await page.getByText("Open an interview by hand").waitFor();
  },

  async "a file is read into the message, chosen by keyboard or dropped"({ page, admin }) {
    await page.goto(`${admin}/try`);
    await page.getByLabel("Organisation").selectOption("acme");
    const field = page.getByLabel("Message");
    const chooser = page.waitForEvent("filechooser");
    await page.getByLabel(/A file/).focus();
    await page.keyboard.press("Enter");
    await (await chooser).setFiles({ name: "one.xml", mimeType: "text/xml", buffer: Buffer.from(message({ application: "K-1" })) });
    await page.waitForFunction(() => document.getElementById("message").value.includes("K-1"));
    const dropped = await page.evaluateHandle((text) => {
      const data = new DataTransfer();
      data.items.add(new File([text], "two.xml", { type: "text/xml" }));
      return data;
    }, message({ application: "K-2" }));
    const took = await field.evaluate((at, dataTransfer) => {
      const over = new DragEvent("dragover", { dataTransfer, bubbles: true, cancelable: true });
      at.dispatchEvent(over);
      at.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
      return over.defaultPrevented;
    }, dropped);
    assert(took, "a file may be dropped there");
    await page.waitForFunction(() => document.getElementById("message").value.includes("K-2"));
    const latin = `<?xml version="1.0" encoding="ISO-8859-1"?>${message({ application: "K-3", step: "Prüfung" })}`;
    await page.getByLabel(/A file/).setInputFiles({ name: "three.xml", mimeType: "text/xml", buffer: Buffer.from(latin, "latin1") });
    await page.waitForFunction(() => document.getElementById("message").value.includes("Prüfung"));
    await page.getByRole("button", { name: "Look at it" }).click();
    await page.locator("dd").getByText("Prüfung", { exact: true }).waitFor();
    await page.getByText("byte by byte as it is").waitFor();
    await field.fill(message({ application: "K-2" }));
    await page.getByText("byte by byte as it is").waitFor({ state: "hidden" });
    await page.getByRole("button", { name: "Look at it" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: /It would be taken/ }).waitFor();
    await page.getByText("K-2", { exact: true }).waitFor();
  },

  async "a key that the relay refused is mended, and an operator lets the events go"({ page, admin, server, look }) {
    await page.goto(`${admin}/`);
    await page.locator("html[data-live=on]").waitFor();
    await post(server.open, "locked", message({ application: "W-1" }));
    const trouble = page.getByRole("listitem").filter({ hasText: "locked: the relay refuses the API key" });
    await trouble.getByText("1 event waits").waitFor();
    await page.getByLabel("Verdict").getByText("locked: the relay refuses the API key").waitFor();
    await look("overview-refused-key");
    await trouble.getByRole("button", { name: "Resume deliveries" }).click();
    await page.getByText("The deliveries of locked go on.").waitFor();
    const card = page.getByRole("article", { name: "locked" });
    await card.getByText("Delivered").locator("xpath=following-sibling::dd[.='1']").waitFor();
    await trouble.waitFor({ state: "detached" });
  },

  async "what looks healthy and is not is said, with the line that mends it"({ page, admin, server, look }) {
    for (let n = 0; n < 20; n++) {
      const stage = n < 17 ? "Phone Interview" : "Review";
      await post(server.open, "blind", message({ application: `B-${n}`, stage }));
    }
    await page.goto(`${admin}/`);
    const trouble = page.getByRole("listitem").filter({ hasText: "blind: 20 messages, none in an interview stage" });
    await trouble.getByText("seen: 'Phone Interview' (17), 'Review' (3)").waitFor();
    await trouble.getByText(/^interview_stages = \["interview", "Phone Interview"\]$/i).waitFor();
    await look("overview-blind");
  },

  async "Workday denies who is protected, is asked again, and tells"({ page, admin, server, look }) {
    await page.goto(`${admin}/`);
    await page.locator("html[data-live=on]").waitFor();
    await post(server.open, "known", message({ application: "D-1" }));
    const trouble = page.getByRole("listitem").filter({ hasText: "known: Workday denies who is protected" });
    await trouble.waitFor();
    await look("overview-denied");
    await page.goto(`${admin}/protections`);
    const row = page.getByRole("row").filter({ hasText: "C-D-1" });
    await row.getByText(/still to be read; 1 attempt so far/).waitFor();
    await page.goto(`${admin}/`);
    await trouble.getByRole("button", { name: "Ask Workday again" }).click();
    await trouble.waitFor({ state: "detached" });
    await page.goto(`${admin}/protections`);
    await row.getByText("oscar@candidate.example").waitFor();
    await row.getByText(/^read \d+ s ago$/).waitFor();
    await look("protections-known");
    assert(!server.log().includes("candidate.example"), "no log names anybody");
  },

  async "messages that were refused for one cause are read again together"({ page, admin, server }) {
    await post(server.open, "acme", message({ application: "G-1" }).replace(/<Job_Application_ID>.*<[/]Job_Application_ID>/, ""));
    await page.goto(`${admin}/`);
    const trouble = page.getByRole("listitem").filter({ hasText: "acme: 1 message was refused: missing_element" }).filter({ hasText: "Job_Application_ID" });
    await trouble.getByText("the rest stays refused").waitFor();
    await trouble.getByRole("button", { name: "Read these again" }).click();
    await page.getByText("Of acme, 0 messages were taken. 1 message stayed as before.").waitFor();
  },

  async "what may run out is said before it does"({ page, work: folder, look }) {
    const file = (name) => `${folder}/${name}`;
    execFileSync("openssl", [..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 7 -subj /CN=localhost -keyout".split(" "), file("key.pem"), "-out", file("cert.pem")], { stdio: "ignore" });
    const { bavail, bsize } = fs.statfsSync(folder);
    const freeMb = Math.floor((bavail * bsize) / 2 ** 21);
    const top = `public_url = "https://localhost"\n[tls]\ncert = "${file("cert.pem")}"\nkey = "${file("key.pem")}"\n`;
    const other = await bridge(binary, folder, `[org.acme]\nauth.none = true\nhandler = "in_process"\n`, { name: "nearly", top, freeMb });
    const second = await page.context().browser().newContext({ viewport: { width: 1280, height: 900 } });
    const looking = await second.newPage();
    watch(looking, other.admin, looking.wrong = []);
    await signIn(looking, other.admin, "operator-token");
    await looking.getByRole("heading", { name: /The certificate of the public listener expires on/ }).waitFor();
    await looking.getByRole("heading", { name: /The journal's disk has \d+ MiB left/ }).waitFor();
    await look("overview-runs-out", looking);
    assert.deepEqual(looking.wrong, []);
    await second.close();
  },

  async "everything is read without a script, in 360 and 320 px, however long the ids are"({ page, work: folder, wrong }) {
    const server = await bridge(binary, folder, `[org.${LONG}]\nauth.none = true\nhandler = "in_process"\n`, { name: "long" });
    const { admin } = server;
    const plain = await page.context().browser().newContext({ javaScriptEnabled: false, viewport: { width: 360, height: 800 } });
    const reader = await plain.newPage();
    watch(reader, admin, wrong);
    await signIn(reader, admin, "operator-token");
    await reader.getByRole("heading", { name: "Needs a person" }).waitFor();
    await post(server.open, LONG, message({ application: LONG_ID, candidate: LONG_ID, stage: "Interview", step: LONG_ID }));
    await post(server.open, LONG, message({ application: LONG_ID }).replace("</Stage>", `</${LONG_ID}>`));
    const event = new URL(await (await reader.goto(`${admin}/events`), reader.getByRole("rowheader").getByRole("link").first()).getAttribute("href"), admin);
    const refused = await (await reader.goto(`${admin}/refused`), reader.getByRole("rowheader").getByRole("link").first()).getAttribute("href");
    const paths = ["/", "/events", event.pathname, "/applications", `/applications/${LONG}/${LONG_ID}`, "/protections", "/refused", refused, "/try", "/set-up", `/set-up/${LONG}`];
    for (const path of paths) {
      await reader.goto(`${admin}${path}`);
      await reader.getByRole("main").getByRole("heading").first().waitFor();
      for (const width of [360, 320]) {
        await reader.setViewportSize({ width, height: 800 });
        // Without a script of its own the page is still measured by the browser's protocol.
        const excess = await reader.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (excess > 0) wrong.push(`${path} is ${excess} px wider than ${width} px`);
      }
    }
    await plain.close();
  },

  async "a line that was cut is taken up again, and nothing is missed"({ page, admin, server }) {
    const line = await cuttable(admin);
    const another = await page.context().browser().newContext();
    const watching = await another.newPage();
    watching.setDefaultTimeout(PATIENCE);
    await signIn(watching, line.url, "operator-token");
    await watching.goto(`${line.url}/events`);
    await watching.locator("html[data-live=on]").waitFor();
    line.cut();
    await post(server.open, "acme", message({ application: "S-1" }));
    await watching.getByRole("link", { name: "S-1", exact: true }).waitFor();
    await another.close();
  },

  async "a page says when it is not live, and is live again by itself where it can"({ page, work: folder, look }) {
    const acme = `[org.acme]\nauth.none = true\nhandler = "in_process"\n`;
    const first = await bridge(binary, folder, acme, { name: "mortal" });
    const another = await page.context().browser().newContext();
    const watching = await another.newPage();
    watching.setDefaultTimeout(PATIENCE);
    await signIn(watching, first.admin, "operator-token");
    await watching.locator("html[data-live=on]").waitFor();
    const lost = watching.locator("#lost");
    first.signal("SIGSTOP");
    await lost.getByText(/Not live since \d\d:\d\d:\d\d: the bridge does not answer/).waitFor();
    first.signal("SIGCONT");
    await watching.locator("html[data-live=on]").waitFor();
    await lost.waitFor({ state: "hidden" });
    await post(first.open, "acme", message({ application: "M-1" }));
    await watching.getByText(/Everything accepted before .* is delivered/).waitFor();
    first.signal("SIGKILL");
    await lost.getByText(/does not answer/).waitFor();
    await look("overview-not-live", watching);
    await first.ended;
    await bridge(binary, folder, acme, { name: "mortal", adminListen: new URL(first.admin).host });
    await lost.getByText(/you are signed out/).waitFor();
    await lost.getByRole("link", { name: "Sign in" }).click();
    await watching.getByLabel("Admin token").waitFor();
    await another.close();
  },

  async "what somebody is at is left alone, and what waits is said"({ page, admin, server }) {
    await page.goto(`${admin}/`);
    await page.locator("html[data-live=on]").waitFor();
    const card = page.getByRole("article", { name: "inside" });
    const accepted = async () => Number(await card.getByText("Accepted").locator("xpath=following-sibling::dd").textContent());
    const grown = (before) => page.waitForFunction((most) => Number(document.querySelector("#org-inside").closest("article").querySelector("dd").textContent) > most, before);
    await card.getByText("Pause deliveries of inside").click();
    const before = await accepted();
    await post(server.open, "inside", message({ application: "N-1" }));
    await page.getByText("Newer content waits").waitFor();
    assert.equal(await accepted(), before, "nothing moved under the pointer");
    await page.getByRole("button", { name: "Show it now" }).click();
    await grown(before);
    await page.getByText("Newer content waits").waitFor({ state: "detached" });
    await card.getByText("Pause deliveries of inside").focus();
    await post(server.open, "inside", message({ application: "N-2" }));
    await page.getByText("Newer content waits").waitFor();
    await page.getByRole("link", { name: "Overview" }).focus();
    await grown(before + 1);
  },

  async "a viewer sees their own organisation and no buttons"({ page, admin, look }) {
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("Admin token").waitFor();
    await signIn(page, admin, "viewer-token");
    await page.getByRole("article", { name: "acme" }).waitFor();
    assert.equal(await page.getByText("lost").count(), 0);
    assert.deepEqual(await page.getByRole("button").allTextContents(), ["Sign out"]);
    await look("viewer");
    await page.goto(`${admin}/set-up/acme`);
    await page.getByRole("heading", { name: "Set up Workday for acme" }).waitFor();
    await page.goto(`${admin}/set-up/lost`);
    await page.getByText("There is no organisation lost").waitFor();
  },
};

async function main() {
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  const takes = await relay(binary, work, "200");
  const refuses = await relay(binary, work, "422");
  const locked = await relay(binary, work, "401,200");
  const server = await bridge(
    binary,
    work,
    `[org.acme]
auth.none = true
relay = { url = "${takes}/acme", api_key = "any" }
[org.lost]
auth.none = true
relay = { url = "${refuses}/lost", api_key = "any" }
[org.inside]
auth.none = true
handler = "in_process"
[org.locked]
auth.none = true
relay = { url = "${locked}/locked", api_key = "any" }
[org.blind]
auth.none = true
relay = { url = "${takes}/blind", api_key = "any" }
[org.known]
auth.none = true
handler = "in_process"
[org.known.workday]
soap_url = "${await workday(1)}"
username = "ISU_imper@known"
password = "any"
`,
  );
  browser = await open(work);
  const wrong = [];
  const page = browser.pages()[0] ?? (await browser.newPage());
  watch(page, server.admin, wrong);
  const look = (name, at = page) => check(at, name, folder, wrong);
  for (const [name, step] of Object.entries(steps)) {
    try {
      await step({ page, admin: server.admin, server, browser, look, wrong, work });
    } catch (error) {
      // What went wrong is told even where the browser is gone.
      await page.screenshot({ path: `${folder}/failed.png`, fullPage: true }).catch(() => {});
      throw new Error(`${name}: ${error.stack}\nat ${page.url()}\n${server.log()}`);
    }
    console.log(`  ${name}`);
  }
  assert.deepEqual(wrong, [], `\n${wrong.join("\n")}`);
  console.log(`console: ${Object.keys(steps).length} journeys, ${fs.readdirSync(folder).length} screenshots in ${folder}`);
}

main()
  .catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  })
  .finally(async () => {
    stopAll();
    await browser?.close();
  });
