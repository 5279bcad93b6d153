// Pictograms, drawn on a square of 120. Built node by node: the page allows no markup from text.
const NS = "http://www.w3.org/2000/svg";

export function el(tag, attrs = {}, ...children) {
  const n = document.createElementNS(NS, tag);
  for (const [k, v] of Object.entries(attrs)) n.setAttribute(k, v);
  n.append(...children);
  return n;
}

const rect = (x, y, width, height, rx, cls = "") => el("rect", { x, y, width, height, rx, class: cls });
const path = (d, cls = "") => el("path", { d, class: cls });
const circle = (cx, cy, r, cls = "") => el("circle", { cx, cy, r, class: cls });
const g = (cls, ...c) => el("g", { class: cls }, ...c);
const at = (x, y, ...c) => el("g", { transform: `translate(${x} ${y})` }, ...c);

// A passport, 40 by 54: cover, portrait of nobody, lines, the sign of a chip.
const passport = (x, y) => at(x, y,
  rect(0, 0, 40, 54, 5, "p"), circle(20, 19, 9), path("M11 19h18M20 10c-5 5-5 13 0 18M20 10c5 5 5 13 0 18"),
  rect(12, 37, 16, 8, 2), path("M4 41h8M28 41h8"));
// A data page seen flat.
const page = (x, y) => at(x, y, rect(0, 0, 52, 38, 4, "p"), circle(14, 13, 5, "f"), path("M6 26c1-10 15-10 16 0z", "f"), path("M29 11h16M29 20h16M7 32h38"));
const person = (x, y, cls = "f") => at(x, y, circle(0, -31, 8, cls), path("M-12 -2v-10a12 12 0 0 1 24 0V-2a3 3 0 0 1-6 0v30a4 4 0 0 1-5.6 0V8h-.8v20a4 4 0 0 1-5.6 0V-2a3 3 0 0 1-6 0z", cls));
const walker = (x, y, cls = "f") => at(x, y, circle(3, -32, 7.5, cls), g("", path("M2 -19 L-1 4 L10 14 L12 30 M-1 4 L-5 16 L-14 28 M2 -18 L13 -8 L20 -6 M1 -17 L-9 -9 L-10 2")));
const arrow = (d, head, cls) => g(cls, path(d, "t"), path(head, "t"));
const door = (x, y) => at(x, y, path("M0 76V0h40v76"), path("M-8 76h56"));

const drawings = {
  notice: () => [passport(8, 32), path("M57 59h8M61 55v8", "t"), path("M95 30c-15 0-21 11-20 24 1 14 9 26 20 26s19-12 20-26c1-13-5-24-20-24z", "p"), circle(88, 54, 2.6, "f"), circle(102, 54, 2.6, "f"), path("M89 67c4 3 8 3 12 0")],
  place_document: () => [page(34, 14), arrow("M60 58v22", "M51 72l9 9 9-9", "down"), path("M14 92h92l8 18H6z", "p"), path("M40 101h40", "t")],
  reading: () => [page(34, 40), path("M44 88a22 22 0 0 1 32 0", "t wave c"), path("M50 95a14 14 0 0 1 20 0", "t wave b"), circle(60, 101, 2.5, "ft wave")],
  waiting: () => [path("M38 18h44M38 102h44"), path("M43 18c0 24 17 26 17 42S43 78 43 102M77 18c0 24-17 26-17 42s17 18 17 42", "p"), path("M52 40h16l-8 9z", "ft"), path("M50 97c2-10 18-10 20 0z", "ft wave")],
  lift_document: () => [path("M14 92h92l8 18H6z", "p"), page(34, 46), arrow("M60 38V14", "M51 23l9-9 9 9", "up")],
  enter: () => [door(70, 22), walker(32, 70), arrow("M54 60h24", "M70 52l8 8-8 8", "fwd")],
  securing: () => [rect(16, 16, 88, 88, 10), foot(42, 62), foot(78, 62, -1), path("M16 36V26a10 10 0 0 1 10-10h10M84 16h10a10 10 0 0 1 10 10v10M104 84v10a10 10 0 0 1-10 10H84M36 104H26a10 10 0 0 1-10-10V84", "t")],
  deciding: () => [circle(60, 60, 40, "rail"), g("turn", path("M60 20a40 40 0 0 1 40 40", "t")), circle(44, 60, 4.5, "f wave"), circle(60, 60, 4.5, "f wave b"), circle(76, 60, 4.5, "f wave c")],
  go: () => [circle(60, 60, 48, "t"), path("M36 62l16 17 34-36")],
  see_officer: () => [officer(60, 62)],
  leave_back: () => [door(10, 22), walkerBack(82, 70), arrow("M62 60H38", "M46 52l-8 8 8 8", "")],
  take_luggage: () => [rect(38, 48, 44, 50, 6, "p"), path("M50 48V34a5 5 0 0 1 5-5h10a5 5 0 0 1 5 5v14M50 60v26M70 60v26M46 98v6M74 98v6"), arrow("M96 92V56", "M88 64l8-8 8 8", "up"), arrow("M24 92V56", "M16 64l8-8 8 8", "up")],
  one_at_a_time: () => [person(60, 62), path("M28 96a38 13 0 1 0 64 0", "t"), path("M16 40l8 8M24 40l-8 8M96 40l8 8M104 40l-8 8", "t")],
  closed: () => [door(40, 22), path("M50 60h20", "t"), circle(60, 60, 26, "t")],
  emergency: () => [door(70, 22), walker(30, 70), arrow("M52 60h30", "M74 52l8 8-8 8", "fwd"), path("M4 50h10M2 62h8M4 74h10", "t")],
  door_blocked: () => [door(40, 22), path("M60 40v22", "t"), circle(60, 74, 3.4, "ft"), path("M26 60H8M15 53l-7 7 7 7M94 60h18M105 53l7 7-7 7")],
};
drawings.recovering = drawings.waiting;
drawings.fallback = drawings.see_officer;

function foot(x, y, flip = 1) {
  return el("g", { transform: `translate(${x} ${y}) scale(${flip} 1)` },
    path("M-2 -24c9 0 11 9 10 18-1 8-3 10-3 16-8 2-11 1-14 0 1-8-3-12-4-20-1-9 3-14 11-14z", "f"), path("M-8 15c4 1 9 1 13 0 1 9-1 14-6 14s-8-5-7-14z", "f"));
}
function officer(x, y) {
  return at(x, y, path("M-19 -33c0-9 38-9 38 0l-3 6h-32z", "ft"), path("M-14 -26c0 26 28 26 28 0z", "f"), path("M-40 40c0-26 16-33 40-33s40 7 40 33z", "p"), path("M-12 9l12 13 12-13"), path("M17 25l4 2 4-2v5c0 4-2 6-4 7-2-1-4-3-4-7z", "ft"), path("M-52 40H52", "t"));
}
function walkerBack(x, y) {
  return el("g", { transform: `translate(${2 * x} 0) scale(-1 1)` }, walker(x, y));
}

// Pictures that lead somewhere are mirrored where reading runs from right to left.
const directed = new Set(["notice", "enter", "leave_back", "emergency"]);

/** picture returns the pictogram of a screen; with a progress of 0 … 100 a ring around it. */
export function picture(name, progress = -1) {
  const draw = drawings[name] ?? drawings.waiting;
  const svg = el("svg", { class: "pic" + (directed.has(name) ? " way" : ""), viewBox: "0 0 120 120" });
  if (progress >= 0) {
    const ring = el("g", { transform: "rotate(-90 60 60)" }, circle(60, 60, 57, "rail"), el("circle", { cx: 60, cy: 60, r: 57, class: "ring", pathLength: 100 }));
    const inner = el("g", { transform: "translate(60 56) scale(.72) translate(-60 -60)" }, ...draw());
    const text = el("text", { x: 60, y: 110 });
    svg.append(ring, inner, text);
    advance(svg, progress);
  } else {
    svg.append(...draw());
  }
  return svg;
}

/** advance moves the ring of a picture that has one. */
export function advance(svg, progress) {
  svg.querySelector(".ring").style.strokeDashoffset = String(100 - Math.min(100, Math.max(0, progress)));
  svg.querySelector("text").textContent = `${progress} %`;
}

/** face returns the oval with a silhouette; its dot is moved by lead(). */
export function face() {
  return el("svg", { id: "face", viewBox: "-100 -62 200 124" },
    el("clipPath", { id: "inside" }, el("ellipse", { cx: 0, cy: 0, rx: 43, ry: 56 })),
    el("ellipse", { class: "oval", cx: 0, cy: 0, rx: 43, ry: 56 }),
    el("path", { class: "sil", "clip-path": "url(#inside)", d: "M0 -36c-17 0-24 13-23 29 1 17 11 31 23 31s22-14 23-31c1-16-6-29-23-29zM-50 60c2-22 20-27 32-29 10 8 26 8 36 0 12 2 30 7 32 29z" }),
    el("ellipse", { class: "rim", cx: 0, cy: 0, rx: 43, ry: 56 }),
    el("path", { class: "track", d: "M-86 0H86" }),
    el("circle", { class: "dot", cx: 0, cy: 0, r: 9 }));
}

/** lead moves the dot of a face to x in -1 … 1 of the width, or hides it for null. */
export function lead(svg, x) {
  const dot = svg.querySelector(".dot"), track = svg.querySelector(".track");
  const shown = typeof x === "number" && Number.isFinite(x);
  dot.style.display = track.style.display = shown ? "" : "none";
  if (shown) dot.style.transform = `translateX(${Math.max(-1, Math.min(1, x)) * 86}px)`;
}

const small = {
  chip: () => [rect(20, 34, 80, 52, 8, "p"), rect(34, 46, 22, 28, 3), path("M68 52h22M68 66h22"), ],
  purpose: () => [path("M60 12l42 14v30c0 28-18 44-42 54C36 100 18 84 18 56V26z", "p"), path("M40 60l14 15 26-30", "t")],
  kept: () => [path("M30 40h60l-6 66H36z", "p"), path("M20 40h80M48 40V26h24v14M50 58l2 32M70 58l-2 32")],
  choice: () => [path("M60 108V70M60 70C60 46 26 52 26 20M60 70c0-24 34-18 34-50"), path("M14 32l12-13 12 13M82 32l12-13 12 13", "t")],
  gate: () => [door(40, 22), walker(60, 72)],
  officer: () => [officer(60, 66)],
  time: () => [circle(60, 62, 42, "p"), path("M60 36v28l18 10", "t"), path("M48 10h24")],
  leave: () => [door(10, 22), path("M100 60H40M56 42L38 60l18 18", "t")],
};

/** icon returns a small drawing for points and buttons. */
export function icon(name) {
  return el("svg", { class: "pic", viewBox: "0 0 120 120", "aria-hidden": "true" }, ...small[name]());
}
