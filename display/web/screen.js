// The traveller screen renders what it is told and decides nothing. One EventSource brings whole
// screens; touches and heartbeats go up by POST. Texts come from the catalogues of the server.
import { picture, advance, face, lead, icon } from "./pictograms.js";
import { play } from "./sound.js";

const SILENCE_MS = 3000; // after this the page says "please see an officer"
const SHORT_S = 10;      // seconds left from which time is announced by sound and words

const $ = (id) => document.getElementById(id);
const tones = { go: "go", see_officer: "refer", leave_back: "refer", closed: "refer", recovering: "refer", fallback: "refer", take_luggage: "refer", one_at_a_time: "refer", door_blocked: "stop", emergency: "stop" };
const refusals = new Set(["see_officer", "leave_back", "closed", "recovering", "fallback"]);
const silentAboutLane = new Set(["notice", "go", "emergency"]);

let setup = { simulated: false, languages: [{ tag: "en", name: "English", dir: "ltr" }] };
const texts = {};      // tag → {dir, text}
let chosen = null;     // the traveller's own choice, until the next notice
let current = null;    // last screen received
let seq = "0";         // its number
let painted = "0";     // number of the screen that has been painted
let heard = performance.now();
let ends = 0;          // performance.now() at which the stage ends
let span = 0;
let shown = "";        // name of the screen on the page
let warned = false;
let parts = null;      // {svg, kind} of the picture on the page
let busy = false;

const language = () => {
  for (const tag of [chosen, current?.lang, setup.languages[0].tag, "en"]) if (tag && texts[tag]) return tag;
  return "en";
};
const t = (key) => texts[language()]?.text[key] ?? texts.en?.text[key] ?? "";

function put(node, text) {
  node.hidden = !text;
  if (node.textContent !== text) node.textContent = text;
}

function render() {
  const sc = current ?? { screen: "fallback", progress: -1 };
  const name = performance.now() - heard > SILENCE_MS ? "fallback" : sc.screen;
  const quiet = name === "fallback";
  const tag = language();
  document.documentElement.lang = tag;
  document.documentElement.dir = texts[tag]?.dir ?? "ltr";
  document.body.dataset.screen = name;
  document.body.dataset.tone = tones[name] ?? "";

  light(quiet ? 0 : sc.light ?? 0);
  drawPicture(name, sc);
  if (Object.keys(texts).length > 0) {
    const key = quiet ? "see_officer" : name;
    // Before the camera there is one instruction at a time, large; elsewhere the prompt says what to do better.
    const prompt = quiet || !sc.prompt ? "" : t("prompt." + sc.prompt);
    const sole = key === "capture" && prompt;
    put($("title"), sole || t(key + ".title") || t("waiting.title"));
    put($("prompt"), sole || prompt === $("title").textContent ? "" : prompt);
    put($("body"), $("prompt").hidden ? t(key + ".body") : ""); // one thing at a time
    points(name === "notice");
    const ref = quiet ? "" : sc.reference ?? "";
    $("reference").hidden = !ref;
    $("reference").children[0].textContent = t("reference.label");
    $("reference").children[1].textContent = ref;
    $("reference").children[2].textContent = t("reference.help");
    const offered = name === "notice" || (!quiet && sc.decline && !refusals.has(name));
    put($("staffed"), silentAboutLane.has(name) || offered ? "" : t("staffed.named"));
    buttons(name, quiet ? {} : sc);
  }
  const sim = setup.simulated || sc.simulated;
  $("ribbon").hidden = !sim;
  $("ribbon").firstElementChild.textContent = t("simulated") || "SIMULATION";
  languages(tag);
  clock();

  if (shown !== name) {
    if (shown) play({ go: "go", refer: "refer", stop: "stop" }[tones[name]] ?? "step");
    shown = name;
  }
  const now = seq;
  requestAnimationFrame(() => { painted = now; });
}

let dimming = 0;
function light(rgb) {
  // The dark plates behind the words stay until the ground has glided back.
  clearTimeout(dimming);
  if (rgb > 0) document.body.classList.add("lit");
  else dimming = setTimeout(() => document.body.classList.remove("lit"), 220);
  document.body.style.backgroundColor = rgb > 0 ? "#" + (rgb & 0xffffff).toString(16).padStart(6, "0") : "";
}

function drawPicture(name, sc) {
  const progress = name === "reading" && sc.progress >= 0 ? sc.progress : -1;
  const kind = name + (progress >= 0 ? "+" : "");
  if (parts?.kind !== kind) {
    parts = { kind, svg: name === "capture" ? face() : picture(name, progress) };
    $("picture").replaceChildren(parts.svg);
  }
  if (progress >= 0) advance(parts.svg, progress);
  if (name === "capture") lead(parts.svg, sc.dot_x ?? null);
}

function points(on) {
  const box = $("points");
  box.hidden = !on;
  if (!on) { box.replaceChildren(); return; }
  const rows = [["chip", "notice.what"], ["purpose", "notice.purpose"], ["kept", "notice.kept"], ["choice", "notice.choice"]];
  if (box.children.length === 0) {
    for (const [pic] of rows) {
      const li = document.createElement("li");
      li.append(icon(pic), document.createElement("span"));
      box.append(li);
    }
  }
  rows.forEach(([, key], i) => { box.children[i].lastElementChild.textContent = t(key); });
}

function buttons(name, sc) {
  const want = [];
  if (name === "notice") {
    want.push(["accept", "notice.accept", "gate", "first"], ["decline", "notice.decline", "officer", ""]);
  } else {
    if (sc.more_time) want.push(["more_time", "button.more_time", "time", "first"]);
    if (sc.decline) want.push(refusals.has(name) ? ["exit_request", "button.leave", "leave", ""] : ["decline", "button.staffed", "officer", ""]);
  }
  const box = $("buttons");
  const kind = want.map((w) => w[0]).join(" ");
  if (box.dataset.kind !== kind) {
    box.dataset.kind = kind;
    box.replaceChildren(...want.map(([touch, , pic, cls]) => {
      const b = document.createElement("button");
      b.type = "button";
      b.className = cls;
      b.dataset.touch = touch;
      b.append(icon(pic), document.createElement("span"));
      b.addEventListener("click", () => press(touch));
      return b;
    }));
  }
  want.forEach(([, key], i) => { box.children[i].lastElementChild.textContent = t(key); });
}

async function press(touch) {
  if (busy) return;
  busy = true;
  for (const b of $("buttons").children) b.setAttribute("aria-disabled", "true");
  try {
    await fetch("/touch", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ touch }) });
  } catch { /* the silent stream will say so */ }
  busy = false;
  for (const b of $("buttons").children) b.removeAttribute("aria-disabled");
}

function languages(tag) {
  const box = $("languages");
  if (box.children.length !== setup.languages.length) {
    box.replaceChildren(...setup.languages.map((l) => {
      const b = document.createElement("button");
      b.type = "button";
      b.lang = l.tag;
      b.dir = l.dir;
      b.textContent = l.name;
      b.addEventListener("click", () => { chosen = l.tag; render(); });
      return b;
    }));
  }
  box.setAttribute("aria-label", t("button.language") || "Language");
  setup.languages.forEach((l, i) => box.children[i].setAttribute("aria-pressed", String(l.tag === tag)));
}

function clock() {
  const left = ends - performance.now();
  const on = span > 0 && left > 0 && shown !== "fallback" && document.body.dataset.screen !== "fallback";
  $("time").hidden = !on;
  if (!on) return;
  const s = Math.ceil(left / 1000);
  const short = s <= SHORT_S;
  $("time").classList.toggle("short", short);
  $("time").querySelector(".hand").style.strokeDashoffset = String(100 - (100 * left) / span);
  $("time").querySelector("b").textContent = String(s);
  $("time").querySelector("span").textContent = short && current?.more_time ? t("time.short") : t("time.left");
  if (short && !warned && current?.more_time) { warned = true; play("time"); }
}

function receive(e) {
  heard = performance.now();
  let sc;
  try { sc = JSON.parse(e.data); } catch { return; }
  if (sc.screen === "notice" && current?.screen !== "notice") chosen = null; // the next traveller
  if (sc.screen !== current?.screen || !(sc.deadline_ms > 0)) span = 0;
  current = sc;
  seq = e.lastEventId || seq;
  if (sc.deadline_ms > 0) {
    ends = performance.now() + sc.deadline_ms;
    if (sc.deadline_ms > span) { span = sc.deadline_ms; warned = false; }
  }
  render();
}

let stream = null;
function listen() {
  stream?.close();
  stream = new EventSource("/events");
  stream.onmessage = receive;
  stream.addEventListener("beat", () => {
    const wasQuiet = performance.now() - heard > SILENCE_MS;
    heard = performance.now();
    if (wasQuiet) render();
  });
}

async function load() {
  try {
    setup = await (await fetch("/setup.json")).json();
    await Promise.all(setup.languages.map(async (l) => { texts[l.tag] = await (await fetch(`/locales/${l.tag}.json`)).json(); }));
  } catch {
    setTimeout(load, 1000); // the page says "see an officer" until the server answers
    return;
  }
  render();
}

// One clock for everything that must happen although nothing arrives.
setInterval(() => {
  if (performance.now() - heard > SILENCE_MS) {
    if (document.body.dataset.screen !== "fallback") render();
    if (stream?.readyState === EventSource.CLOSED) listen();
  }
  clock();
}, 250);

// The heartbeat goes out after a frame has been painted: a renderer that hangs falls silent.
setInterval(() => requestAnimationFrame(() => {
  fetch("/beat", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ seq: painted }) }).catch(() => {});
}), 1000);

document.addEventListener("contextmenu", (e) => e.preventDefault());
listen();
load();
