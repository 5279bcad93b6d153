import { LitElement, css, html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { hello, input, Refused, signOut, whoami, type Hello, type Me } from "./api.js";
import { answer, clock, language, reason, seconds, t, trouble, use, waiting, word } from "./i18n.js";
import { LineStore, queue, type Item } from "./line.js";
import { forget, confirm, give, signed } from "./officer.js";
import { base } from "./style.js";
import { chime } from "./sound.js";
import "./page.css";
import "./signin.js";
import "./tile.js";
import "./details.js";
import "./referral.js";

type Open = { kind: "referral"; gate: string; passage: string } | { kind: "details"; gate: string } | null;

class App extends LitElement {
  static override properties = {
    hi: { state: true }, me: { state: true }, open: { state: true }, note: { state: true }, said: { state: true }, now: { state: true }, ready: { state: true }, sound: { state: true }, to: { state: true },
  };
  declare hi: Hello | null;
  declare me: Me | null;
  declare open: Open;
  declare note: string;
  declare said: string;
  declare now: number;
  declare ready: boolean;
  declare sound: boolean;
  declare to: string; // who is to have the line
  private line = new LineStore();
  private lastInput = Date.now();
  private lastSent = 0;
  private known = new Set<string>();
  private saidTimer = 0;

  constructor() {
    super();
    this.hi = this.me = this.open = null;
    this.note = this.said = this.to = "";
    this.ready = false;
    this.sound = true;
    this.now = Date.now();
  }

  static override styles = [base, css`
    :host { display: block; min-height: 100vh; background: var(--ground); }
    .page { display: grid; grid-template-rows: auto 1fr; min-height: 100vh; }
    .bar { display: flex; align-items: center; gap: 14px; padding: 9px 20px; border-bottom: 1px solid var(--line); background: #161a20; position: sticky; top: 0; z-index: 2; flex-wrap: wrap; }
    .bar h1 { font-size: 16px; font-weight: 650; }
    .bar .site { color: var(--soft); }
    .bar .gap { flex: 1; }
    .bar .clock { font-size: 16px; font-weight: 600; }
    .bar select { min-height: 32px; font-size: 13px; }
    .who { display: flex; gap: 8px; align-items: center; }
    .who b { font-weight: 600; }
    .body { display: grid; grid-template-columns: minmax(0, 1fr) 372px; align-items: start; }
    main { padding: 18px 20px 28px; display: grid; gap: 18px; min-width: 0; }
    .tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(330px, 1fr)); gap: 14px; }
    aside { border-inline-start: 1px solid var(--line); background: #161a20; position: sticky; top: 51px; height: calc(100vh - 51px); overflow: auto; padding: 18px 16px; }
    aside h2, main h2 { margin-bottom: 10px; display: flex; gap: 8px; align-items: center; font-size: 14px; }
    .queue { list-style: none; margin: 0; padding: 0; display: grid; gap: 10px; }
    .queue li { background: var(--panel); border: 1px solid var(--line); border-inline-start: 4px solid var(--warn); border-radius: 10px; padding: 10px 12px; display: grid; gap: 4px; }
    .queue li.danger { border-inline-start-color: var(--bad); }
    .queue li.notice { border-inline-start-color: var(--info); }
    .queue li.here { border-color: var(--edge); background: #1e242d; }
    .queue .top { display: flex; gap: 8px; align-items: center; font-size: 13px; color: var(--soft); }
    .queue .top b { color: var(--ink); font-size: 14px; }
    .queue .top .wait { margin-inline-start: auto; font-size: 14px; color: var(--ink); }
    .queue .what { font-weight: 600; font-size: 15px; }
    .queue .do { color: var(--soft); }
    .queue .row { display: flex; align-items: center; gap: 10px; margin-top: 4px; }
    .queue .row button { flex: 1; }
    .none { color: var(--soft); border: 1px dashed var(--line); border-radius: 10px; padding: 22px 12px; text-align: center; }
    .recent { background: var(--panel); border: 1px solid var(--line); border-radius: 12px; padding: 14px 16px; overflow-x: auto; }
    table { border-collapse: collapse; width: 100%; }
    th { text-align: start; font-weight: 500; color: var(--faint); font-size: 12.5px; padding: 2px 10px 6px; }
    td { padding: 5px 10px; border-top: 1px solid var(--line); }
    th:last-child, td:last-child { text-align: end; }
    .toast { position: fixed; inset-block-end: 20px; inset-inline-end: 20px; background: #2a323e; border: 1px solid var(--edge); border-radius: 9px; padding: 10px 16px; z-index: 5; box-shadow: 0 10px 30px #0008; }
    .lost { background: var(--bad-deep); color: #ffd9d5; text-align: center; padding: 6px; font-weight: 600; }
    @media (max-width: 1000px) { .body { grid-template-columns: 1fr; } aside { position: static; height: auto; border: 0; order: -1; } }
  `];

  override connectedCallback(): void {
    super.connectedCallback();
    void this.begin();
    for (const kind of ["keydown", "pointerdown", "wheel", "touchstart"]) addEventListener(kind, () => this.acted(), { passive: true });
    addEventListener("keydown", (e) => { if (e.key === "Escape" && this.open) this.renderRoot.querySelector("egate-referral, egate-details")?.shadowRoot?.querySelector<HTMLButtonElement>("#close")?.click(); });
    setInterval(() => this.tick(), 1000);
    this.line.addEventListener("change", () => { this.ring(); this.now = this.line.now(); this.requestUpdate(); });
    this.line.addEventListener("signed_out", (e) => this.leave((e as CustomEvent<{ why: string }>).detail.why === "idle" ? t("signin.out_idle") : (e as CustomEvent<{ why: string }>).detail.why === "removed" ? t("signin.removed") : ""));
    this.line.addEventListener("refused", () => void whoami().catch((e: unknown) => { if (e instanceof Refused && e.status === 401) this.leave(""); }));
    this.line.addEventListener("dossier_closed", (e) => {
      const d = (e as CustomEvent<{ gate: string; passage: string; why: string }>).detail;
      if (this.open?.kind === "referral" && this.open.gate === d.gate && this.open.passage === d.passage) {
        this.open = null;
        if (d.why === "idle") this.say(t("ref.idle"));
        else if (d.why !== "decided" && d.why !== "officer") this.say(t("ref.gone"));
      }
    });
  }

  private async begin(): Promise<void> {
    let lang = "";
    try { lang = localStorage.getItem("lang") ?? ""; } catch { /* not kept */ }
    await use(lang || "en");
    try { this.hi = await hello(); } catch { setTimeout(() => void this.begin(), 1500); }
    try { this.enter(await whoami()); } catch { /* not signed in */ }
    this.ready = true;
    document.title = `egate · ${this.hi?.site ?? ""}`;
  }

  private enter(me: Me): void {
    this.me = me;
    signed(me, this.hi);
    this.note = "";
    this.lastInput = Date.now();
    this.line.start();
  }

  private leave(note: string): void {
    this.line.stop();
    this.open = null;
    this.me = null;
    forget();
    this.note = note;
    this.known.clear();
  }

  /** acted notes a person's input and tells the server, at most every five seconds. */
  private acted(): void {
    this.lastInput = Date.now();
    if (this.me && this.lastInput - this.lastSent > 5000) {
      this.lastSent = this.lastInput;
      void input().catch((e: unknown) => { if (e instanceof Refused && e.status === 401) this.leave(""); });
    }
  }

  private get left(): number { return Math.ceil((this.me?.idle_close_s ?? 60) - (Date.now() - this.lastInput) / 1000); }

  private tick(): void {
    this.now = this.line.now();
    // The server closes the dossier; should it be unreachable, the pictures go all the same.
    if (this.open?.kind === "referral" && this.left <= 0) {
      this.open = null;
      this.say(t("ref.idle"));
    }
  }

  /** ring sounds once for each new item, by severity. */
  private ring(): void {
    const items = queue(this.line.gates);
    const fresh = items.filter((i) => !this.known.has(i.key));
    this.known = new Set(items.map((i) => i.key));
    const worst = fresh[0];
    if (worst && this.sound) chime(worst.severity);
  }

  private say(text: string): void {
    this.said = text;
    clearTimeout(this.saidTimer);
    this.saidTimer = window.setTimeout(() => { this.said = ""; }, 6000);
  }

  private async give(e: CustomEvent<{ gate: string; name: string; reason?: string; second?: boolean }>): Promise<void> {
    const { gate, name, reason: why, second } = e.detail;
    const view = this.line.gates.find((g) => g.gate === gate);
    if (!this.me || !view) return;
    const what = `${gate}: ${t("act." + name)}`;
    this.say(`${what} – ${t(this.me.fresh.includes(name) && !this.me.demo ? "order.touch" : "order.sent")}`);
    try {
      const r = second ? await confirm(this.me, view) : await give(this.me, view, name, "", "", why ?? "");
      this.say(`${what} – ${answer(r)}`);
    } catch (err) {
      this.say(`${what} – ${trouble(err)}`);
    }
  }

  /** handOver gives the gates that are connected to another officer; with all of them handed over the session ends. */
  private async handOver(): Promise<void> {
    const me = this.me, to = this.to;
    if (!me || !to) return;
    const gates = this.line.gates.filter((g) => g.status.session && g.status.state !== "offline");
    const left: string[] = [];
    for (const g of gates) {
      try {
        const r = await give(me, g, "desk_hand_over", "", "", "", to);
        if (r.result !== "accepted") left.push(`${g.gate}: ${answer(r)}`);
      } catch (err) {
        left.push(`${g.gate}: ${trouble(err)}`);
      }
    }
    this.to = "";
    if (left.length || !gates.length) return this.say(left.join(" · ") || t("order.no_answer"));
    await signOut().catch(() => undefined);
    this.leave(`${t("hand.done")} ${to}`);
  }

  private async choose(tag: string): Promise<void> {
    await use(tag);
    try { localStorage.setItem("lang", tag); } catch { /* not kept */ }
    this.requestUpdate();
  }

  private async out(): Promise<void> {
    await signOut().catch(() => undefined);
    this.leave("");
  }

  override render() {
    if (!this.ready) return nothing;
    const lang = language();
    if (!this.me) return html`<egate-sign-in lang=${lang} .hello=${this.hi} .note=${this.note} @signed-in=${(e: CustomEvent<Me>) => this.enter(e.detail)}></egate-sign-in>`;
    const items = queue(this.line.gates);
    return html`<div class="page" @order=${(e: Event) => this.give(e as CustomEvent<{ gate: string; name: string }>)} @said=${(e: Event) => this.say((e as CustomEvent<string>).detail)}
        @details=${(e: Event) => { this.open = { kind: "details", gate: (e as CustomEvent<string>).detail }; }} @leave=${() => { this.open = null; }}>
      <div>
        <header class="bar">
          <h1>${t("app.title")}</h1><span class="site">${this.me.site}</span>
          ${this.me.simulated || this.line.simulated ? html`<span class="sim" title=${t("sim.note")}>${t("sim.mark")}</span>` : nothing}
          <span class="gap"></span>
          <span class="pill ${this.line.live ? "ok" : "bad"}">${t(this.line.live ? "conn.live" : "conn.lost")}</span>
          <span class="clock num">${clock(this.now)}</span>
          <label><select aria-label=${t("ui.language")} @change=${(e: Event) => this.choose((e.target as HTMLSelectElement).value)}>
            ${(this.hi?.languages ?? []).map((l) => html`<option value=${l.tag} ?selected=${l.tag === lang}>${l.name}</option>`)}</select></label>
          <button class="quiet" aria-pressed=${this.sound} @click=${() => { this.sound = !this.sound; }}>${t("ui.sound")} ${this.sound ? "●" : "○"}</button>
          <span class="who"><b>${this.me.pseudonym}</b>${this.me.demo ? html`<span class="pill warn">${t("me.demo")}</span>` : nothing}</span>
          ${this.receivers()}
          <button id="sign-out" @click=${() => this.out()}>${t("me.sign_out")}</button>
        </header>
        ${this.line.live ? nothing : html`<div class="lost" role="alert">${t("conn.lost")}</div>`}
      </div>
      <div class="body">
        <main>
          ${this.desk(lang)}
          <section class="tiles" aria-label=${t("line.gates")}>
            ${repeat(this.line.gates, (g) => g.gate, (g) => html`<egate-tile lang=${lang} .may=${this.me!.may} .view=${g} .now=${this.now} ?selected=${this.open?.gate === g.gate}></egate-tile>`)}
          </section>
          ${this.recent()}
        </main>
        <aside aria-label=${t("queue.title")}>
          <h2>${t("queue.title")} ${items.length ? html`<span class="pill ${items[0]!.severity === "danger" ? "bad" : "warn"} num">${items.length}</span>` : nothing}</h2>
          ${items.length ? html`<ul class="queue">${repeat(items, (i) => i.key, (i) => this.item(i))}</ul>` : html`<p class="none">${t("queue.empty")}</p>`}
        </aside>
      </div>
      <div role="status">${this.said ? html`<div class="toast">${this.said}</div>` : nothing}</div>
    </div>`;
  }

  /** receivers are the officers whom the line can be handed over to: those who are signed in. */
  private receivers() {
    const others = this.line.onDuty.filter((o) => o !== this.me!.pseudonym);
    if (!others.length || !this.me!.may.includes("desk_hand_over")) return nothing;
    return html`<select id="hand-to" aria-label=${t("hand.to")} .value=${this.to} @change=${(e: Event) => { this.to = (e.target as HTMLSelectElement).value; }}>
        <option value="">${t("hand.to")}</option>${others.map((o) => html`<option value=${o} ?selected=${o === this.to}>${o}</option>`)}</select>
      ${others.includes(this.to) ? html`<egate-act id="hand-over" .text=${t("act.desk_hand_over")} sure kind="main" @act=${() => void this.handOver()}></egate-act>` : nothing}`;
  }

  private desk(lang: string) {
    const open = this.open;
    const view = open && this.line.gates.find((g) => g.gate === open.gate);
    if (!open || !view) return nothing;
    // Keyed by what is open: another referral is another element, nothing of the last one is reused.
    return repeat([open], (o) => o.kind + o.gate + (o.kind === "referral" ? o.passage : ""), (o) => o.kind === "referral"
      ? html`<egate-referral lang=${lang} .view=${view} .passage=${o.passage} .now=${this.now} .left=${this.left} .me=${this.me!}></egate-referral>`
      : html`<egate-details lang=${lang} .view=${view} .now=${this.now} .may=${this.me!.may} .stops=${this.me!.stops}></egate-details>`);
  }

  private item(i: Item) {
    if (i.kind === "second") return this.asked(i);
    const why = reason(i.reason);
    const here = this.open?.kind === "referral" && i.kind === "referral" && this.open.passage === i.passage;
    const other = i.owner && i.owner !== this.me!.pseudonym;
    return html`<li class="${i.severity} ${here ? "here" : ""}">
      <div class="top"><span class="pill ${i.severity === "danger" ? "bad" : i.severity === "notice" ? "info" : "warn"}">${i.kind === "referral" ? t("queue.referral") : word("severity", i.severity)}</span><b>${i.gate}</b>
        ${i.count > 1 ? html`<span class="num">×${i.count}</span>` : nothing}<span class="wait num" title=${t("queue.waiting")}>${waiting(this.now - i.since)}</span></div>
      <div class="what">${why.what}</div>
      <div class="do">${why.why}. ${why.do}.</div>
      <div class="row">${i.kind === "referral"
        ? html`${i.owner ? html`<span class="do">${other ? `${t("queue.owner")} ${i.owner}` : t("queue.mine")}</span>` : nothing}<button class="main" ?disabled=${here || Boolean(other)} @click=${() => { this.open = { kind: "referral", gate: i.gate, passage: i.passage }; }}>${t("queue.open")}</button>`
        : html`<button @click=${() => { this.open = { kind: "details", gate: i.gate }; }}>${t("gate.details")}</button>`}</div>
    </li>`;
  }

  /** asked is an order that waits for a second officer. */
  private asked(i: Item) {
    const mine = i.owner === this.me!.pseudonym;
    return html`<li class="warning">
      <div class="top"><span class="pill warn">${t("second.mark")}</span><b>${i.gate}</b></div>
      <div class="what">${t("act." + i.reason)}</div>
      <div class="do">${mine ? t("second.mine") : `${i.owner} – ${t("second.do")}`}</div>
      <div class="row">${mine ? nothing : html`<egate-act .text=${t("second.give")} sure ?disabled=${!this.me!.may.includes(i.reason)} @act=${() => void this.give(new CustomEvent("order", { detail: { gate: i.gate, name: i.reason, second: true } }))}></egate-act>`}</div>
    </li>`;
  }

  private recent() {
    const rows = this.line.recent.slice(0, 12);
    return html`<section class="recent"><h2>${t("recent.title")}</h2>
      ${rows.length === 0 ? html`<p class="do">${t("recent.none")}</p>` : html`<table>
        <thead><tr><th>${t("recent.time")}</th><th>${t("recent.gate")}</th><th>${t("recent.outcome")}</th><th>${t("recent.reason")}</th><th>${t("recent.total")}</th></tr></thead>
        <tbody>${rows.map((r) => html`<tr>
          <td class="num">${clock(r.at)}</td><td>${r.gate}</td>
          <td><span class="pill ${r.passage.completed ? "ok" : r.passage.outcome === "refuse_and_hold" ? "bad" : r.passage.outcome === "refer" ? "warn" : ""}">${word("outcome", r.passage.outcome)}</span> ${t(r.passage.completed ? "recent.crossed" : "recent.not_crossed")}</td>
          <td>${reason(r.passage.reason).what}</td><td class="num">${seconds(r.passage.total_ms)}</td></tr>`)}</tbody></table>`}
    </section>`;
  }
}
customElements.define("egate-app", App);
