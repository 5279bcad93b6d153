// What both scripts share: the browser, its errors, and checks that need no library.
import { chromium } from "playwright-core";
import { readFileSync } from "node:fs";

export const param = JSON.parse(readFileSync(0, "utf8"));
export const problems = [];
export const fail = (msg) => { problems.push(msg); console.log("FAIL " + msg); };
export const check = (ok, msg) => { if (!ok) fail(msg); };

export async function start(size = { width: 1280, height: 800 }) {
  const browser = await chromium.launch({
    executablePath: param.chromium,
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
  });
  const context = await browser.newContext({ viewport: size, locale: "en-GB" });
  return { browser, context };
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

export async function end(browser) {
  await browser.close();
  console.log(problems.length ? `${problems.length} problems` : "all checks passed");
  process.exit(problems.length ? 1 : 0);
}
