// A passage watched on the traveller screen, in every language, upright and across.
import { param, start, watch, check, fail, contrast, overflow, names, tabs, end } from "./common.mjs";

const control = async (what, body = {}) => {
  const r = await fetch(param.control + "/" + what, { method: "POST", body: JSON.stringify(body) });
  if (!r.ok) throw new Error(`${what}: ${r.status} ${await r.text()}`);
  const text = await r.text();
  return text ? JSON.parse(text) : null;
};

const passage = [
  { screen: "notice", progress: -1, decline: true },
  { screen: "place_document", progress: -1, decline: true, deadline_ms: 30000, more_time: true },
  { screen: "place_document", progress: -1, decline: true, prompt: "mrz_wrong_page", deadline_ms: 8000, more_time: true, as: "place_prompt" },
  { screen: "reading", progress: 64, decline: true, deadline_ms: 20000 },
  { screen: "reading", progress: 31, decline: true, prompt: "chip_lost", deadline_ms: 20000, as: "reading_lost" },
  { screen: "waiting", progress: -1, decline: true },
  { screen: "lift_document", progress: -1, decline: true, deadline_ms: 15000, more_time: true },
  { screen: "enter", progress: -1, decline: true, deadline_ms: 12000, more_time: true },
  { screen: "securing", progress: -1, decline: true, prompt: "one_person" },
  { screen: "capture", progress: -1, decline: true, prompt: "follow_dot", dot_x: 0.6, deadline_ms: 15000, more_time: true },
  { screen: "capture", progress: -1, decline: true, prompt: "look_here", light: 0x66c2ff, as: "capture_light" },
  { screen: "deciding", progress: -1, decline: true },
  { screen: "go", progress: -1 },
  { screen: "see_officer", progress: -1, reference: "K7F4-29QX" },
  { screen: "see_officer", progress: -1, reference: "K7F4-29QX", decline: true, as: "see_officer_inside" },
  { screen: "leave_back", progress: -1, reference: "K7F4-29QX" },
  { screen: "take_luggage", progress: -1, deadline_ms: 20000 },
  { screen: "one_at_a_time", progress: -1 },
  { screen: "door_blocked", progress: -1 },
  { screen: "closed", progress: -1 },
  { screen: "recovering", progress: -1 },
  { screen: "emergency", progress: -1 },
];
const refusals = new Set(["see_officer", "leave_back", "closed"]);

const { context, profile } = await start();
const page = await context.newPage();
watch(page, "screen", /ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY|ERR_NETWORK/);
await page.goto(param.url);
await page.waitForFunction(() => document.body.dataset.screen === "recovering");
const setup = await (await fetch(param.url + "/setup.json")).json();

for (const lang of setup.languages) {
  const cat = await (await fetch(`${param.url}/locales/${lang.tag}.json`)).json();
  await control("show", { screen: "closed", progress: -1 });
  for (const size of [{ width: 1280, height: 800 }, { width: 1080, height: 1920 }]) {
    await page.setViewportSize(size);
    const shape = size.width > size.height ? "across" : "upright";
    for (const { as, ...sc } of passage) {
      const name = as ?? sc.screen;
      await control("show", { ...sc, lang: lang.tag });
      const prompt = sc.prompt && cat.text["prompt." + sc.prompt], sole = sc.screen === "capture" && prompt; // one instruction before the camera
      await page.waitForFunction(([s, text, lit, n]) => document.body.dataset.screen === s && document.getElementById("title").textContent === text && document.body.classList.contains("lit") === lit && document.getElementById("prompt").hidden === !n,
        [sc.screen, sole || cat.text[sc.screen + ".title"], Boolean(sc.light), Boolean(prompt && !sole && prompt !== cat.text[sc.screen + ".title"])], { timeout: 60000 })
        .catch(() => fail(`${lang.tag} ${name}: was not shown`));
      if (sc.light) await page.waitForTimeout(250); // let the light glide to its colour
      check(await page.evaluate(() => document.documentElement.dir) === lang.dir, `${lang.tag} ${name}: direction`);
      for (const o of await overflow(page)) fail(`${lang.tag} ${shape} ${name}: ${o}`);
      for (const c of await contrast(page)) fail(`${lang.tag} ${shape} ${name}: contrast ${c}`);
      const boxes = await page.evaluate(() => ["#words", "#foot", "#languages", "#picture svg"].map((q) => { const r = document.querySelector(q).getBoundingClientRect(); return { q, l: r.left, t: r.top, r: r.right, b: r.bottom }; }));
      boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => { if (a.l < b.r - 1 && b.l < a.r - 1 && a.t < b.b - 1 && b.t < a.b - 1) fail(`${lang.tag} ${shape} ${name}: ${a.q} and ${b.q} overlap`); }));
      const text = await page.evaluate(() => document.body.innerText);
      check(text.includes(cat.text.simulated), `${lang.tag} ${name}: simulation is not marked`);
      if (sc.reference) check(text.includes(sc.reference), `${lang.tag} ${name}: no reference (DP-09)`);
      if (refusals.has(sc.screen)) check(text.includes(cat.text["staffed.named"]), `${lang.tag} ${name}: the staffed lane is not named (A-01)`);
      for (const n of await names(page)) fail(`${lang.tag} ${shape} ${name}: ${n}`);
      const small = await page.evaluate(() => [...document.querySelectorAll("button")].filter((b) => b.checkVisibility({ visibilityProperty: true }) && b.getBoundingClientRect().height < 48).length);
      check(small === 0, `${lang.tag} ${name}: a touch target is lower than 48 px`);
      if (shape === "across" || name === "notice" || name === "capture") await page.screenshot({ path: `${param.artefacts}/screen-${lang.tag}-${name}-${shape}.png` });
    }
  }
}

// Touches, by finger and by keyboard alone (DP-05).
await page.setViewportSize({ width: 1280, height: 800 });
await control("show", { screen: "notice", progress: -1, decline: true });
await page.locator('[data-touch="accept"]').click();
check(await control("touched") === "accept", "the touch of accept did not arrive");
await page.locator('[data-touch="decline"]').focus();
await page.keyboard.press("Enter");
check(await control("touched") === "decline", "decline by keyboard did not arrive");
await control("show", { screen: "place_document", progress: -1, decline: true, deadline_ms: 9000, more_time: true });
await page.locator('[data-touch="more_time"]').click();
check(await control("touched") === "more_time", "more time did not arrive");
await control("show", { screen: "see_officer", progress: -1, decline: true });
await page.locator('[data-touch="exit_request"]').click();
check(await control("touched") === "exit_request", "the exit request did not arrive");

// Keyboard alone: the two lanes come first, then the languages; each stop is visible.
await control("show", { screen: "notice", progress: -1, decline: true });
await page.waitForFunction(() => document.body.dataset.screen === "notice");
await page.evaluate(() => document.activeElement?.blur());
const stops = await tabs(page, 12);
check(stops.length >= 2 + setup.languages.length && stops.slice(0, 2).every((s) => s.startsWith("BUTTON")), `keyboard: ${stops.join(" | ")}`);

// The traveller's own choice outlives the document's language, and ends with the traveller.
await control("show", { screen: "notice", progress: -1, decline: true });
await page.locator("#languages button", { hasText: (setup.languages[1] ?? setup.languages[0]).name }).click();
await control("show", { screen: "reading", progress: 10, lang: "en" });
await page.waitForFunction(() => document.body.dataset.screen === "reading");
check(await page.evaluate(() => document.documentElement.lang) === (setup.languages[1] ?? setup.languages[0]).tag, "the choice of language was lost");
await control("show", { screen: "notice", progress: -1, decline: true });
await page.waitForFunction(() => document.body.dataset.screen === "notice");
check(await page.evaluate(() => document.documentElement.lang) === setup.languages[0].tag, "the choice of language reached the next traveller");

// The page tells that it lives, and what it says when the gate is silent for 3 s.
await page.waitForResponse((r) => r.url().endsWith("/beat") && r.status() === 204, { timeout: 60000 });
check(await control("alive") === true, "the renderer is alive and nobody knows");
await control("silence");
await page.waitForFunction(() => document.body.dataset.screen === "fallback", null, { timeout: 60000 }).catch(() => fail("silent stream: no fallback"));
const en = await page.evaluate(() => document.getElementById("title").textContent);
check(en === "Please see an officer", `silent stream: the page says ${en}`);
check(await page.locator("#buttons button").count() === 0, "silent stream: there is still something to touch");
await page.screenshot({ path: `${param.artefacts}/screen-en-fallback-across.png` });
await end(context, profile);
