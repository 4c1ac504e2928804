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

  async "a viewer sees their own organisation and no buttons"({ page, admin, look }) {
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("Admin token").waitFor();
    await signIn(page, admin, "viewer-token");
    await page.getByRole("article", { name: "acme" }).waitFor();
    assert.equal(await page.getByText("lost").count(), 0);
    assert.deepEqual(await page.getByRole("button").allTextContents(), ["Sign out"]);
    await look("viewer");
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
