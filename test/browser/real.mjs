// Both pages of a running gate: a passage watched, a referral decided. The simulator plays the traveller.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { param, problems, start, watch, check, fail } from "./common.mjs";

const post = async (what, body) => {
  const r = await fetch(param.control + "/" + what, { method: "POST", body });
  if (!r.ok) throw new Error(`${what}: ${r.status} ${await r.text()}`);
  const text = await r.text();
  return text ? JSON.parse(text) : null;
};
const { context, profile } = await start();
const screen = await context.newPage();
const desk = await context.newPage();
await desk.setViewportSize({ width: 1600, height: 1000 });
watch(screen, "screen", /ERR_INCOMPLETE|ERR_CONNECTION/);
watch(desk, "console", /401|404|409|ERR_INCOMPLETE|ERR_CONNECTION/);

await desk.goto(param.console);
// A passkey of this browser is enrolled and put on the roster of the running site, which is signed anew; then it signs in.
const cdp = await desk.context().newCDPSession(desk);
await cdp.send("WebAuthn.enable");
await cdp.send("WebAuthn.addVirtualAuthenticator", { options: { protocol: "ctap2", ctap2Version: "ctap2_1", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true } });
await desk.getByRole("button", { name: "New passkey" }).click();
await desk.getByLabel("Your pseudonym").fill("officer-07");
await desk.getByRole("button", { name: "Make passkey" }).click();
await desk.locator("#registration").waitFor();
await post("roster", await desk.locator("#registration").inputValue());
await desk.getByRole("button", { name: "Sign in to the gate line" }).click();
for (const end = Date.now() + 20000; !(await desk.locator("egate-tile").count()); ) { // the console reads the new roster within seconds
  if (Date.now() > end) { fail("the passkey signs nobody in"); break; }
  const enter = desk.getByRole("button", { name: "Sign in with passkey" });
  if (await enter.isEnabled().catch(() => false)) await enter.click().catch(() => {});
  await desk.waitForTimeout(500);
}
await desk.locator("egate-tile").first().waitFor();

await screen.goto(param.screen);
await screen.waitForFunction(() => document.body.dataset.screen === "notice", null, { timeout: 120000 });
// What stands on the page, in order: every change of the screen, and how far the bar of the chip read came.
await screen.evaluate(() => {
  window.seen = [document.body.dataset.screen];
  window.progress = 0;
  new MutationObserver(() => {
    const now = document.body.dataset.screen;
    if (now !== window.seen.at(-1)) window.seen.push(now);
    const v = parseInt(document.querySelector("#picture svg text")?.textContent ?? "0", 10);
    if (now === "reading" && v > window.progress) window.progress = v;
  }).observe(document.body, { attributes: true, subtree: true, childList: true, characterData: true });
});
const until = (name, ms = 120000) => screen.waitForFunction((n) => window.seen.includes(n), name, { timeout: ms }).catch(() => fail(`${name} was not shown`));

// 1. A genuine traveller, from the notice to the open exit.
const first = post("play/01-genuine-bac");
const parts = ["notice", "place_document", "reading", "lift_document", "enter", "capture", "go"];
for (const name of parts) {
  await until(name);
  await screen.screenshot({ path: `${param.artefacts}/real-screen-${name}.png` });
  if (name === "capture") await desk.screenshot({ path: `${param.artefacts}/real-console-line.png` });
}
const one = await first;
check(one.outcome === "allow", `the passage ended ${one.outcome} (${one.reason})`);
check(one.events > 0 && one.events === one.acknowledged, `${one.acknowledged} of ${one.events} events were acknowledged`);
const seen = await screen.evaluate(() => window.seen);
let at = -1;
for (const name of parts) {
  const next = seen.indexOf(name, at + 1);
  check(next > at, `${name} did not follow: ${seen.join(" ")}`);
  at = next;
}
check(await screen.evaluate(() => window.progress) > 0, "the chip read showed no progress");
await desk.getByText("allowed").first().waitFor({ timeout: 60000 }).catch(() => fail("the console does not show the passage"));
console.log("on the screen: " + seen.join(" → "));

// 2. Another person's face: referred, looked at, sent back by hand.
const second = post("play/05-another-face");
const open = desk.getByRole("button", { name: "Open referral" });
await open.waitFor({ timeout: 60000 });
await open.click();
await desk.waitForFunction(() => {
  const r = document.querySelector("egate-app").shadowRoot.querySelector("egate-referral")?.shadowRoot;
  const img = r ? [...r.querySelectorAll("img")] : [];
  return img.length === 2 && img.every((i) => i.complete && i.naturalWidth > 60);
}, null, { timeout: 60000 });
await desk.getByText("Face does not match").first().waitFor();
await desk.screenshot({ path: `${param.artefacts}/real-console-referral.png` });
await screen.screenshot({ path: `${param.artefacts}/real-screen-see_officer.png` });
check(await screen.evaluate(() => document.body.dataset.screen) === "see_officer", "the traveller is not told to wait for an officer");
// The photos as the server gave them are what is looked for in the profile afterwards.
for (const src of await desk.locator("egate-referral img").evaluateAll((l) => l.map((i) => i.src))) await post("photo", await (await desk.request.get(src)).body());
const held = await (await desk.request.get(await desk.locator("egate-referral img").first().evaluate((i) => i.src))).body();
await desk.locator("egate-referral #send-back").click();
await desk.locator("egate-referral").waitFor({ state: "detached" });
const two = await second;
check(two.outcome === "refer" && two.reason === "face_mismatch", `the passage ended ${two.outcome} (${two.reason})`);
check((two.crossed ?? []).length === 0, "somebody crossed");
check(two.events > 0 && two.events === two.acknowledged, `${two.acknowledged} of ${two.events} events were acknowledged`);
check((await screen.evaluate(() => window.seen)).includes("leave_back"), "the traveller was not shown the way back");
// The exit of an empty gate is not opened for anybody: the order is the officer's, touched and genuine, and the gate
// says why it does not follow it.
await desk.locator("egate-tile").first().getByRole("button", { name: /^gate-1/ }).click();
await desk.locator("egate-details select:not(#stop)").selectOption("technical_cause");
await desk.locator("egate-details").getByRole("button", { name: "Open exit door" }).click();
await desk.locator("egate-details").getByRole("button", { name: "Press again to confirm" }).click();
const toast = desk.locator(".toast", { hasText: "refused by the gate" });
await toast.waitFor({ timeout: 60000 }).catch(() => fail("the gate does not answer a door order"));
const words = await toast.innerText().catch(() => "");
check(!/passkey|signature|roster|certified|role/.test(words), `the gate refused the officer, not the order: ${words}`);
await desk.locator("#sign-out").click();
await desk.getByRole("button", { name: "Sign in with passkey" }).waitFor();

// 3. What the browser wrote to its disk.
await context.close();
await post("profile", JSON.stringify({ Dir: profile }));
writeFileSync(join(profile, "planted"), Buffer.concat([Buffer.from("xyz"), held]));
await post("planted", JSON.stringify({ Dir: profile }));
rmSync(profile, { recursive: true, force: true });
console.log(problems.length ? `${problems.length} problems` : "all checks passed");
process.exit(problems.length ? 1 : 0);
