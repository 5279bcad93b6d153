// What both scripts share: the browser, its errors, and checks that need no library.
import { chromium } from "playwright-core";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const param = JSON.parse(readFileSync(0, "utf8"));
export const problems = [];
export const fail = (msg) => { problems.push(msg); console.log("FAIL " + msg); };
export const check = (ok, msg) => { if (!ok) fail(msg); };

/** start opens the browser on a profile of its own, which the caller may search afterwards. */
export async function start(size = { width: 1280, height: 800 }) {
  const profile = mkdtempSync(join(tmpdir(), "egate-profile-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: param.chromium, viewport: size, locale: "en-GB",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
  });
  return { context, profile };
}

/** search returns the files below dir that contain one of the markers. */
export function search(dir, markers) {
  const hits = [];
  let files = 0;
  for (const e of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    if (!e.isFile()) continue;
    const path = join(e.parentPath ?? e.path, e.name);
    files++;
    const data = readFileSync(path);
    for (const m of markers) if (data.includes(m) || data.includes(Buffer.from(m, "utf16le"))) hits.push(`${path}: ${m}`);
  }
  return { hits, files };
}

/** names finds controls and pictures that say nothing to who cannot see them (WCAG 4.1.2, 1.1.1). */
export const names = (page) => page.evaluate(() => {
  const out = [];
  const walk = (root) => {
    for (const n of root.querySelectorAll("*")) {
      if (n.shadowRoot) walk(n.shadowRoot);
      if (!n.checkVisibility()) continue;
      const said = (n.textContent.trim() || n.getAttribute("aria-label") || n.getAttribute("alt") || n.getAttribute("title") || "").trim();
      if (/^(BUTTON|A|IMG)$/.test(n.tagName) && !said) out.push(`${n.tagName} without a name`);
      if (/^(INPUT|SELECT)$/.test(n.tagName) && !n.labels?.length && !n.getAttribute("aria-label")) out.push(`${n.tagName} without a label`);
      if (n.tagName === "svg" && !n.closest("[aria-hidden=true]") && !n.getAttribute("aria-label") && n.getAttribute("aria-hidden") !== "true") out.push("svg neither named nor hidden");
    }
  };
  walk(document);
  return out;
});

/** tabs walks the page with the Tab key alone and returns what was reached; a stop without a visible ring is a failure. */
export async function tabs(page, most = 80) {
  const seen = [];
  for (let i = 0; i < most; i++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      let n = document.activeElement;
      while (n?.shadowRoot?.activeElement) n = n.shadowRoot.activeElement;
      if (!n || n === document.body) return null;
      const s = getComputedStyle(n);
      return { name: `${n.tagName} ${n.textContent.trim().slice(0, 24) || n.name || n.getAttribute("aria-label")}`, ring: s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2 };
    });
    if (!at) break;
    if (!at.ring) fail(`focus is not visible on ${at.name}`);
    seen.push(at.name);
  }
  return seen;
}

export function watch(page, name, ignore = /^$/) {
  page.on("pageerror", (e) => fail(`${name}: page error ${e.message}`));
  page.on("console", (m) => { if (m.type() === "error" && !ignore.test(m.text())) fail(`${name}: console: ${m.text()}`); });
}

/** contrast finds visible text whose contrast with its own ground is too low (WCAG 1.4.3). */
export const contrast = (page, least = 4.5) => page.evaluate((least) => {
  const lum = ([r, g, b]) => { const f = (c) => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; }; return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (c) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); const d = canvas.getImageData(0, 0, 1, 1).data; return [d[0], d[1], d[2], d[3] / 255]; };
  const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3]));
  const parent = (n) => n.parentElement ?? n.getRootNode().host ?? null;
  const out = [];
  const walk = (root) => {
    for (const n of root.querySelectorAll("*")) {
      if (n.shadowRoot) walk(n.shadowRoot);
      const own = [...n.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim());
      if (!own || !n.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || n instanceof SVGElement || n.closest("[disabled],[aria-disabled=true]")) continue;
      let ground = [0, 0, 0];
      const layers = [];
      for (let p = n; p; p = parent(p)) { const c = rgba(getComputedStyle(p).backgroundColor); if (c[3] > 0) layers.push(c); if (getComputedStyle(p).backgroundImage !== "none") layers.push([255, 213, 74, 1]); if (layers.at(-1)?.[3] === 1) break; }
      for (const l of layers.reverse()) ground = over(l, ground);
      const ink = over(rgba(getComputedStyle(n).color), ground);
      const [a, b] = [lum(ink), lum(ground)].sort((x, y) => y - x);
      const ratio = (a + 0.05) / (b + 0.05);
      if (ratio < least) out.push(`${n.tagName.toLowerCase()}.${n.className} "${n.textContent.trim().slice(0, 30)}" ${ratio.toFixed(2)}`);
    }
  };
  walk(document);
  return out;
}, least);

/** overflow finds text that leaves the page or its own box. */
export const overflow = (page) => page.evaluate(() => {
  const out = [];
  const walk = (root) => {
    for (const n of root.querySelectorAll("*")) {
      if (n.shadowRoot) walk(n.shadowRoot);
      if (n instanceof SVGElement || n.closest("#ribbon") || !n.checkVisibility()) continue;
      const own = [...n.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim());
      if (!own) continue;
      const r = n.getBoundingClientRect();
      if (r.left < -1 || r.top < -1 || r.right > innerWidth + 1 || (r.bottom > innerHeight + 1 && getComputedStyle(document.body).overflow === "hidden")) out.push(`${n.tagName} "${n.textContent.trim().slice(0, 40)}" leaves the page`);
      if (n.scrollWidth > n.clientWidth + 1 && n.clientWidth > 0 && getComputedStyle(n).overflowX !== "visible" && getComputedStyle(n).textOverflow !== "ellipsis") out.push(`${n.tagName} "${n.textContent.trim().slice(0, 40)}" is cut`);
    }
  };
  walk(document);
  return out;
});

export async function end(context, profile, after = () => {}) {
  await context.close();
  after();
  rmSync(profile, { recursive: true, force: true });
  console.log(problems.length ? `${problems.length} problems` : "all checks passed");
  process.exit(problems.length ? 1 : 0);
}
