// Goes through the console as its people do, and through what they must not be able to do.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const { bridge, relay, post, message, stopAll } = require("./bridge.cjs");
const { open, watch, check } = require("./browser.cjs");

const [binary, work, folder] = process.argv.slice(2);

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
    await page.getByLabel("Application or candidate").fill("A-1");
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
`,
  );
  const browser = await open(work);
  const wrong = [];
  const page = browser.pages()[0] ?? (await browser.newPage());
  watch(page, server.admin, wrong);
  const look = (name) => check(page, name, folder, wrong);
  for (const [name, step] of Object.entries(steps)) {
    try {
      await step({ page, admin: server.admin, server, browser, look, wrong });
    } catch (error) {
      await page.screenshot({ path: `${folder}/failed.png`, fullPage: true });
      throw new Error(`${name}: ${error.stack}\nat ${page.url()}\n${server.log()}`);
    }
    console.log(`  ${name}`);
  }
  await browser.close();
  assert.deepEqual(wrong, [], `\n${wrong.join("\n")}`);
  console.log(`console: ${Object.keys(steps).length} journeys, ${fs.readdirSync(folder).length} screenshots in ${folder}`);
}

main()
  .catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  })
  .finally(stopAll);
