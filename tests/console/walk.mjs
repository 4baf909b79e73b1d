// Walks every page of a console that serves, in both languages, at both widths, light and dark, and prints what is wrong with
// it, a line each: an error in the console, a request elsewhere, a page wider than its window, what axe-core calls serious,
// a character without a glyph. It begins at the first page and follows links. Screenshots go to a folder, to be looked at.
//
// node walk.mjs ORIGIN CERTIFICATE KEY PLAYWRIGHT AXE SCREENSHOTS

import { readFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";

const [origin, certPath, keyPath, playwright, axe, screenshots] = process.argv.slice(2);
const { chromium } = createRequire(import.meta.url)(playwright);
const axeSource = readFileSync(`${axe}/axe.min.js`, "utf8");
/** Pages of one kind that are looked at; they differ in their figures alone. */
const PAGES_OF_A_KIND_MAX = 4;
const LOOKS = [
  { lang: "zh", locale: "zh-CN", colorScheme: "light", width: 1280 },
  { lang: "en", locale: "en-US", colorScheme: "dark", width: 1280 },
  { lang: "zh", locale: "zh-CN", colorScheme: "dark", width: 390 },
  { lang: "en", locale: "en-US", colorScheme: "light", width: 390 },
];

let wrong = 0;
const tell = (...words) => { wrong += 1; console.log(...words); };

/** Pages of this console that a page links to. */
const links = (page) => page.$$eval("a[href]:not([download])", (all) => all.map((a) => new URL(a.getAttribute?.("href") ?? a.href.baseVal, location.href).href));

/** Characters of the page that are drawn like one that no font has. */
const withoutGlyph = (page) => page.evaluate(() => {
  const pen = Object.assign(document.createElement("canvas"), { width: 24, height: 24 }).getContext("2d", { willReadFrequently: true });
  pen.font = `16px ${getComputedStyle(document.body).fontFamily}`;
  const drawn = (character) => {
    pen.clearRect(0, 0, 24, 24);
    pen.fillText(character, 2, 18);
    return pen.getImageData(0, 0, 24, 24).data.join();
  };
  const missing = drawn("\u{10FFFD}");
  return [...new Set(document.body.innerText)].filter((character) => character.trim() && drawn(character) === missing);
});

const violations = async (page) => {
  await page.evaluate(axeSource);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return found.violations.filter((violation) => ["serious", "critical"].includes(violation.impact));
};

/** Chooses a canonical value, which must light up its source. */
async function chooseValue(page, at) {
  const value = page.locator("td a[data-lights]").first();
  if (!(await value.count())) return;
  const source = await value.getAttribute("href");
  await value.click();
  if (!(await page.locator(`${source}.lit`).isVisible())) tell(at, "a value does not light up its source", source);
}

async function look(page, path, { lang, width, colorScheme }) {
  const at = `${path} (${lang}, ${colorScheme}, ${width}):`;
  const response = await page.goto(origin + path, { waitUntil: "load" });
  if (response.status() !== 200) tell(at, "status", response.status());
  // One tick later the live parts have been swapped, and what a swap breaks can be seen.
  await page.waitForTimeout(2500);
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (beyond > 0) tell(at, "is wider than its window by", beyond);
  if ((await page.getAttribute("html", "lang"))?.slice(0, 2) !== lang) tell(at, "is in another language");
  for (const violation of await violations(page)) {
    tell(at, violation.id, violation.help, violation.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | "));
  }
  await chooseValue(page, at);
  const glyphs = await withoutGlyph(page);
  if (glyphs.length) tell(at, "no glyph for", glyphs.join(" "));
  const name = path.replace(/[^a-z0-9]+/gi, "-").replace(/^-|-$/g, "") || "now";
  await page.screenshot({ path: `${screenshots}/${name}-${lang}-${colorScheme}-${width}.png`, fullPage: true });
}

/** A page of a browser of an operator's, in which whatever goes wrong is told. */
async function open(browser, how) {
  const context = await browser.newContext({
    viewport: { width: how.width, height: how.width < 720 ? 844 : 860 },
    colorScheme: how.colorScheme,
    locale: how.locale,
    ignoreHTTPSErrors: true,
    clientCertificates: [{ origin, certPath, keyPath }],
  });
  const page = await context.newPage();
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) tell(page.url(), "console:", message.text()); });
  page.on("pageerror", (error) => tell(page.url(), "script:", error.message));
  page.on("request", (request) => { if (new URL(request.url()).origin !== origin) tell(page.url(), "asks elsewhere:", request.url()); });
  return [context, page];
}

/** The first page, left open, comes to show an alarm by itself; somebody says what was done about it, and hands over. */
async function stand(browser) {
  const [context, page] = await open(browser, LOOKS[0]);
  await page.goto(origin);
  await page.waitForSelector('#now a[href^="/alarms/"]', { timeout: 30_000 });
  const say = async (path, action, words) => {
    await page.goto(origin + path);
    const form = page.locator(`form[action="${action}"]`).first();
    await form.locator('input[name="reason"]').fill(words);
    await Promise.all([page.waitForURL(/said=done-/), form.locator("button").click()]);
  };
  const alarm = new URL(await page.locator('#now a[href^="/alarms/"]').first().getAttribute("href"), origin).pathname;
  await say(alarm, `/v1${alarm}/note`, "已向证书管理员申请新证书");
  await say("/handover", "/v1/handover", "操作员证书五天后到期，新证书已申请；白班请跟进");
  await context.close();
}

async function walk(browser, how) {
  const [context, page] = await open(browser, how);
  const [paths, kinds] = [["/"], new Map()];
  for (let n = 0; n < paths.length; n += 1) {
    await look(page, paths[n], how);
    for (const link of await links(page)) {
      const { origin: of, pathname, searchParams } = new URL(link);
      if (of !== origin) tell(page.url(), "links elsewhere:", link);
      // The names between the ids.
      const kind = pathname.split("/").filter((_, n) => n % 2).join("/");
      const known = kinds.get(kind) ?? 0;
      if (paths.includes(pathname) || searchParams.has("lang") || known >= PAGES_OF_A_KIND_MAX) continue;
      kinds.set(kind, known + 1);
      paths.push(pathname);
    }
  }
  await context.close();
  return paths;
}

mkdirSync(screenshots, { recursive: true });
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
await stand(browser);
const [walked] = await Promise.all(LOOKS.map((how) => walk(browser, how)));
await browser.close();
console.error(`walked ${walked.join(" ")}`);
process.exitCode = wrong ? 1 : 0;
