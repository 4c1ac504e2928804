// A real Chromium, and what must hold on every page that it shows.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { chromium } = require("playwright-core");

const AXE = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const SIZES = [390, 1280];
const SCHEMES = ["light", "dark"];

// Long enough that only a hang exceeds it.
const PATIENCE = 60_000;

async function open(work) {
  return chromium.launchPersistentContext(path.join(work, "profile"), {
    executablePath: "/usr/bin/chromium",
    headless: true,
    viewport: { width: 1280, height: 900 },
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

// Notes all that must not happen: requests to elsewhere, errors, refusals by the policy.
function watch(page, admin, wrong) {
  page.setDefaultTimeout(PATIENCE);
  page.on("request", (request) => {
    if (!request.url().startsWith(admin) && !/^(data|about|blob):/.test(request.url())) wrong.push(`a request to ${request.url()}`);
  });
  page.on("pageerror", (error) => wrong.push(`a script fails on ${page.url()}: ${error}`));
  page.on("console", (entry) => {
    const text = entry.text();
    // The refusals that are tried on purpose are shown as pages, of which the browser says the status.
    const meant = /Failed to load resource.*\b(403|404|409|422|429)\b/.test(text);
    if (["error", "warning"].includes(entry.type()) && !meant) wrong.push(`the browser says on ${page.url()}: ${text}`);
  });
}

// Looks at a page in each size and scheme: nothing for axe-core, nothing wider than the window.
async function check(page, name, folder, wrong) {
  for (const width of SIZES) {
    for (const colorScheme of SCHEMES) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
      const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (excess > 0) wrong.push(`${name} is ${excess} px wider than ${width} px`);
      await page.screenshot({ path: path.join(folder, `${name}-${width}-${colorScheme}.png`), fullPage: true });
      await page.evaluate(AXE);
      const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
      for (const { id, impact, nodes, help } of violations) {
        const places = nodes.map((node) => node.html).join("\n    ");
        wrong.push(`${name} at ${width} px, ${colorScheme}: ${id} (${impact}: ${help})\n    ${places}`);
      }
    }
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
}

module.exports = { open, watch, check, PATIENCE };
