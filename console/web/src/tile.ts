import { LitElement, css, html, nothing, svg } from "lit";
import type { GateView, StageTime } from "./api.js";
import { reason, seconds, t, word } from "./i18n.js";
import { base } from "./style.js";

const calm = new Set(["idle", "ready", "closed", "", "empty"]);

/** bars draws stage times to scale; widths are attributes, for the page allows no inline style. */
function bars(stages: StageTime[], total: number) {
  let x = 0;
  return stages.map((st) => {
    const w = (1000 * st.ms) / Math.max(1, total);
    const r = svg`<rect x=${x} y="0" width=${Math.max(2, w - 3)} height="6"><title>${word("state", st.stage)} ${seconds(st.ms)} ${t("ui.seconds")}</title></rect>`;
    x += w;
    return r;
  });
}

/** One gate at a glance: doors, who is inside, what happens and for how long. */
export class GateTile extends LitElement {
  static override properties = { view: { attribute: false }, now: { attribute: false }, may: { attribute: false }, lang: {}, selected: { type: Boolean, reflect: true } };
  declare view: GateView;
  declare now: number;
  declare selected: boolean;
  declare may: string[]; // orders of the officer's roles

  constructor() { super(); this.may = []; }

  static override styles = [base, css`
    :host { display: block; }
    article { background: var(--panel); border: 1px solid var(--line); border-radius: 12px; padding: 12px 14px; display: grid; gap: 10px; height: 100%; align-content: start; border-inline-start: 4px solid var(--edge); }
    article.open { border-inline-start-color: #3d7d5e; }
    article.referral { border-inline-start-color: var(--warn); }
    article.bad { border-inline-start-color: var(--bad); }
    :host([selected]) article { background: #1e242d; border-color: var(--edge); }
    header { display: flex; align-items: center; gap: 8px; }
    h3 { font-size: 16px; font-weight: 650; margin-inline-end: auto; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
    h3 button { all: unset; cursor: pointer; border-radius: 4px; }
    h3 button:focus-visible { outline: 2px solid #ffd54a; outline-offset: 3px; }
    h3 button:hover { text-decoration: underline; text-underline-offset: 3px; }
    svg { width: 100%; height: 74px; display: block; }
    [dir="rtl"] svg, :host-context([dir="rtl"]) svg { transform: scaleX(-1); }
    [dir="rtl"] svg text, :host-context([dir="rtl"]) svg text { transform: scaleX(-1); transform-box: fill-box; transform-origin: center; }
    .floor { stroke: var(--line); stroke-width: 2; }
    .wall { stroke: var(--edge); stroke-width: 2; }
    .trap { fill: #20262f; }
    .door { stroke: var(--ink); stroke-width: 5; stroke-linecap: round; }
    .edge { stroke: var(--ink); stroke-width: 2; stroke-dasharray: 2 5; opacity: .6; }
    .door.open { stroke: var(--ok); }
    .door.moving { stroke: var(--info); stroke-dasharray: 4 7; }
    .door.bad { stroke: var(--bad); stroke-dasharray: 2 7; }
    .who { fill: var(--ink); }
    .who.odd { fill: var(--warn); }
    .who.next { fill: var(--info); }
    svg text { fill: var(--soft); font-size: 11px; text-anchor: middle; direction: ltr; } /* as drawn: right to left the drawing is turned, and each text turned back */
    svg text.left { text-anchor: end; }
    svg text.right { text-anchor: start; }
    dl { display: grid; grid-template-columns: auto 1fr auto; gap: 2px 10px; margin: 0; align-items: baseline; }
    dt { color: var(--faint); font-size: 12.5px; }
    dd { margin: 0; font-weight: 550; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
    dd.t { text-align: end; color: var(--soft); font-weight: 400; min-width: 5ch; }
    .calm { color: var(--soft); font-weight: 400; }
    svg.stages { height: 6px; border-radius: 3px; background: #20262f; }
    .stages rect { fill: #4a6d94; }
    .stages rect:nth-child(even) { fill: #6a97c8; }
    .ask { font-size: 26px; fill: var(--warn); }
    .way { fill: none; stroke: var(--edge); stroke-width: 2; }
    footer { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; }
    .acts { display: flex; gap: 6px; margin-inline-start: auto; }
    .why { color: #f6d68e; font-size: 13px; }
  `];

  private give(name: string): void {
    this.dispatchEvent(new CustomEvent("order", { detail: { gate: this.view.gate, name }, bubbles: true, composed: true }));
  }

  override render() {
    const g = this.view, s = g.state;
    const away = g.status.state === "offline" || g.status.state === "";
    const bad = away || s.mode === "emergency" || g.health.overall === "out_of_service" || (g.alerts ?? []).some((a) => a.active && a.severity === "danger");
    const cls = bad ? "bad" : g.referral ? "referral" : s.mode === "open" ? "open" : "";
    const inStage = s.stage_ms + Math.max(0, this.now - Date.parse(s.at));
    const busy = !calm.has(s.passage);
    const stages = busy ? s.stages ?? [] : [];
    const total = stages.reduce((n, x) => n + x.ms, 0) + (busy ? inStage : 0);
    const modeClass = s.mode === "open" ? "ok" : s.mode === "emergency" ? "bad" : s.mode === "closed" ? "" : "warn";
    const health = g.health.overall || "unknown";
    return html`
      <article class=${cls}>
        <header>
          <h3><button @click=${() => this.dispatchEvent(new CustomEvent("details", { detail: g.gate, bubbles: true, composed: true }))} aria-label="${g.gate}: ${t("gate.details")}">${g.gate}</button></h3>
          ${away ? html`<span class="pill bad">${t("gate.offline")}</span>` : html`<span class="pill ${modeClass}">${word("mode", s.mode)}</span>`}
        </header>
        ${this.lane(away)}
        <dl>
          <dt>${t("gate.reader")}</dt><dd class=${calm.has(s.reception) ? "calm" : ""}>${word("state", s.reception)}</dd><dd class="t"></dd>
          <dt>${t("gate.passage")}</dt><dd class=${busy ? "" : "calm"}>${word("state", s.passage)}</dd><dd class="t num">${busy && !away ? html`${seconds(inStage)} ${t("ui.seconds")}` : nothing}</dd>
        </dl>
        <svg class="stages" viewBox="0 0 1000 6" preserveAspectRatio="none" role="img" aria-label="${t("gate.stages")}: ${stages.map((x) => `${word("state", x.stage)} ${seconds(x.ms)} ${t("ui.seconds")}`).join(", ")}">
          ${bars(stages, total)}
        </svg>
        ${g.referral ? html`<p class="why">${reason(g.referral.reason).what}</p>` : nothing}
        <footer>
          <span class="pill ${s.lease ? "ok" : "warn"}">${t("gate.lease")}: ${t(s.lease ? "gate.lease_held" : "gate.lease_none")}</span>
          <span class="pill ${health === "ok" ? "ok" : health === "out_of_service" ? "bad" : "warn"}">${word("health", health)}</span>
          <span class="acts">
            ${s.mode === "open"
              ? html`<egate-act .text=${t("act.gate_close")} sure @act=${() => this.give("gate_close")} ?disabled=${away || !this.may.includes("gate_close")}></egate-act>`
              : html`<egate-act .text=${t("act.gate_open")} @act=${() => this.give("gate_open")} ?disabled=${away || !this.may.includes("gate_open")}></egate-act>`}
            <egate-act .text=${t("act.gate_reset")} sure @act=${() => this.give("gate_reset")} ?disabled=${away || !this.may.includes("gate_reset")}></egate-act>
          </span>
        </footer>
      </article>`;
  }

  private lane(away: boolean) {
    const s = this.view.state;
    const door = (x: number, pos: string) => {
      const bad = away || pos === "unknown" || pos === "blocked" || pos === "forced" || pos === "";
      const cls = bad ? "bad" : pos === "open" ? "open" : pos === "closed" ? "" : "moving";
      return pos === "open"
        ? svg`<path class="door ${cls}" d="M${x} 8v9M${x} 43v9"/>`
        : svg`<path class="door ${cls}" d="M${x} 10v40"/>`;
    };
    const man = (x: number, cls: string) => svg`<g class="who ${cls}" transform="translate(${x} 30)"><circle cy="-12" r="6"/><path d="M-9 16V4a9 9 0 0 1 18 0v12z"/></g>`;
    const inside = away ? [] : s.occupancy === "1" ? [man(150, "")] : s.occupancy === "many" ? [man(136, "odd"), man(164, "odd")] : s.occupancy === "0" ? [] : [svg`<text x="150" y="38" class="ask">?</text>`];
    const zone = s.entry === "none"; // one-step: the side of origin has no door
    const label = `${zone ? "" : `${t("gate.entry")} ${word("door", s.entry)}, `}${t("gate.inside")} ${word("occupancy", s.occupancy)}, ${t("gate.exit")} ${word("door", s.exit)}`;
    return html`<svg viewBox="0 0 300 74" preserveAspectRatio="xMidYMid meet" role="img" aria-label=${label}>
      <rect class="trap" x="96" y="4" width="108" height="52" rx="3"/>
      <path class="wall" d="M82 4h136M82 56h136"/>
      ${zone ? svg`<path class="edge" d="M96 8v44"/>` : door(96, s.entry)}${door(204, s.exit)}
      ${s.next && !away ? man(52, "next") : nothing}${inside}
      <path class="wall" d="M76 40v16M70 40h12"/>
      <text x="120" y="71" class="left">${zone ? nothing : word("door", s.entry)}</text><text x="150" y="71">${word("occupancy", s.occupancy)}</text><text x="180" y="71" class="right">${word("door", s.exit)}</text>
      <path class="way" d="M262 30h22M277 23l7 7-7 7"/>
    </svg>`;
  }
}
customElements.define("egate-tile", GateTile);

/** A button; with "sure" it asks to be pressed a second time within four seconds. */
export class Act extends LitElement {
  static override properties = { text: {}, sure: { type: Boolean }, disabled: { type: Boolean }, kind: {}, armed: { state: true } };
  declare text: string;
  declare sure: boolean;
  declare disabled: boolean;
  declare kind: string;
  declare armed: boolean;
  private timer = 0;
  static override styles = [base, css`:host { display: inline-block; }`];

  override disconnectedCallback(): void { super.disconnectedCallback(); clearTimeout(this.timer); }

  private press(): void {
    clearTimeout(this.timer);
    if (this.sure && !this.armed) {
      this.armed = true;
      this.timer = window.setTimeout(() => { this.armed = false; }, 4000);
      return;
    }
    this.armed = false;
    this.dispatchEvent(new CustomEvent("act"));
  }

  override render() {
    return html`<button class=${this.armed ? "sure" : this.kind ?? ""} ?disabled=${this.disabled} @click=${() => this.press()} aria-live="polite">${this.armed ? t("act.confirm") : this.text}</button>`;
  }
}
customElements.define("egate-act", Act);
