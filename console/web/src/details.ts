import { LitElement, css, html, nothing, type PropertyValues } from "lit";
import { history, type Event as GateEvent, type GateView } from "./api.js";
import { clock, reason, seconds, t, waiting, word } from "./i18n.js";
import { base } from "./style.js";

const KEEP = 100, PAGES = 40;
const overrides = ["person_compared", "document_examined", "lookup_done", "technical_cause", "companion_seen"];

/** One gate in full: orders, stage times, parts and faults, history. No person in it. */
export class GateDetails extends LitElement {
  static override properties = { view: { attribute: false }, now: { attribute: false }, may: { attribute: false }, lang: {}, events: { state: true }, why: { state: true }, stop: { state: true }, stops: { attribute: false } };
  declare view: GateView;
  declare now: number;
  declare may: string[]; // orders of the officer's roles
  declare stops: string[]; // reasons of a safeguarding stop
  declare stop: string;
  declare events: GateEvent[] | null;
  declare why: string;
  private epoch = 0;
  private seq = 0;
  private loading = false;

  constructor() { super(); this.events = null; this.why = ""; this.may = []; }

  static override styles = [base, css`
    :host { display: block; background: var(--panel); border: 1px solid var(--edge); border-radius: 12px; padding: 16px 20px; }
    header { display: flex; align-items: baseline; gap: 14px; margin-bottom: 14px; }
    h1 { font-size: 20px; font-weight: 650; margin-inline-end: auto; }
    h1:focus-visible { outline: none; }
    .acts { display: flex; flex-wrap: wrap; gap: 8px; padding-bottom: 16px; border-bottom: 1px solid var(--line); margin-bottom: 16px; align-items: center; }
    .cols { display: grid; grid-template-columns: repeat(auto-fit, minmax(250px, 1fr)); gap: 22px; }
    h2 { margin-bottom: 8px; }
    ul { list-style: none; margin: 0; padding: 0; display: grid; gap: 5px; }
    li { display: flex; gap: 10px; align-items: baseline; }
    li > :first-child { flex: 1; }
    .soft { color: var(--soft); }
    .events { max-height: 380px; overflow: auto; border: 1px solid var(--line); border-radius: 8px; padding: 6px 10px; }
    .events li { border-top: 1px solid var(--line); padding: 4px 0; }
    .events li:first-child { border: 0; }
    .events .when { flex: none; color: var(--faint); font-size: 12.5px; }
    .events .what { flex: none; width: 11ch; color: var(--soft); }
    .events .text { flex: 1; }
  `];

  override firstUpdated(): void { this.renderRoot.querySelector("h1")?.focus(); }
  override updated(changed: PropertyValues): void {
    if (changed.has("view") && (changed.get("view") as GateView | undefined)?.acked_upto !== this.view.acked_upto) void this.load();
  }

  /** load reads on from the last event that is known; only the newest are kept. */
  private async load(): Promise<void> {
    if (this.loading) return;
    this.loading = true;
    try {
      let all = this.events ?? [];
      for (let i = 0; i < PAGES; i++) {
        const page = await history(this.view.gate, this.epoch, this.seq);
        const last = page.at(-1);
        if (!last) break;
        this.epoch = last.epoch;
        this.seq = last.seq;
        all = [...all, ...page].slice(-KEEP);
        if (page.length < 200) break;
      }
      this.events = all;
    } catch { this.events ??= []; }
    this.loading = false;
  }

  private give(name: string, why = ""): void {
    this.dispatchEvent(new CustomEvent("order", { detail: { gate: this.view.gate, name, reason: why }, bubbles: true, composed: true }));
  }

  private line(e: GateEvent) {
    const d = e.data as Record<string, string | number | boolean | undefined>;
    const type = e.type.replace(/^egate\./, "").replace(/\.v1$/, "");
    const why = typeof d["reason"] === "string" && d["reason"] ? reason(d["reason"]).what : "";
    const text = type === "passage" ? `${word("outcome", String(d["outcome"]))} · ${why} · ${seconds(Number(d["total_ms"]))} ${t("ui.seconds")}`
      : type === "order" ? `${this.orderName(String(d["name"]))}${d["name"] === "safeguarding_stop" && d["override"] ? ` · ${word("safeguarding", String(d["override"]))}` : ""} · ${t("order." + String(d["result"]))} · ${String(d["officer"] ?? d["principal"] ?? "")}`
      : type === "mode" ? `${word("mode", String(d["from"]))} → ${word("mode", String(d["to"]))}`
      : type === "door" ? `${t("gate." + String(d["door"]))} · ${word("door", String(d["what"]))}`
      : type === "referral" ? [word("state", String(d["state"])), why, d["officer"]].filter(Boolean).join(" · ")
      : type === "fault" ? `${String(d["part"])} · ${String(d["code"])}`
      : [why, d["choice"], d["why"], d["recovered"]].filter(Boolean).join(" · ");
    return html`<li><span class="when num">${clock(e.time)}</span><span class="what">${word("event", type)}</span><span class="text">${text}</span></li>`;
  }

  private orderName(name: string): string {
    const key = "act." + name;
    return t(key) !== key ? t(key) : name.startsWith("referral_") ? t("ref." + name.slice(9)) : name;
  }

  override render() {
    const g = this.view;
    const act = (name: string, kind = "", sure = true) => html`<egate-act .text=${t("act." + name)} ?sure=${sure} kind=${kind} ?disabled=${!this.may.includes(name)} @act=${() => this.give(name)}></egate-act>`;
    return html`
      <header><h1 tabindex="-1">${g.gate}</h1><span class="soft num">${t("gate.acked")}: ${g.acked_upto}</span>
        <button class="quiet" id="close" @click=${() => this.dispatchEvent(new CustomEvent("leave", { bubbles: true, composed: true }))}>${t("ui.close")}</button></header>
      <div class="acts">
        ${act("gate_open", "", false)}${act("gate_close")}${act("gate_reset")}${act("gate_standby")}${act("gate_manual")}${act("gate_service")}
        ${g.state.mode === "service" && g.state.entry !== "none" ? html`${act("self_test", "", false)}${act("specimen_inspect", "", false)}${act("gate_out_of_service")}` : nothing}${g.state.mode === "service" && g.state.entry === "none" ? act("specimen_inspect", "", false) : nothing}${g.state.entry !== "none" ? html`${act("door_open_entry")}${act("door_hold_entry")}` : nothing}${g.state.passage === "holding" ? act("door_let_go", "", false) : nothing}
        <select aria-label=${t("ref.why_accept")} @change=${(e: Event) => { this.why = (e.target as HTMLSelectElement).value; }}>
          <option value="">${t("ref.choose")}</option>${overrides.map((o) => html`<option value=${o}>${word("override", o)}</option>`)}
        </select>
        <egate-act .text=${t("act.door_open_exit")} sure kind="risk" ?disabled=${!this.why || !this.may.includes("door_open_exit")} @act=${() => this.give("door_open_exit", this.why)}></egate-act>
        <select id="stop" aria-label=${t("stop.why")} .value=${this.stop} @change=${(e: Event) => { this.stop = (e.target as HTMLSelectElement).value; }}>
          <option value="">${t("stop.why")}</option>${this.stops.map((o) => html`<option value=${o}>${word("safeguarding", o)}</option>`)}
        </select>
        <egate-act .text=${t("act.safeguarding_stop")} sure ?disabled=${!this.stop || !this.may.includes("safeguarding_stop")} @act=${() => { this.give("safeguarding_stop", this.stop); this.stop = ""; }}></egate-act>
        ${g.state.mode === "emergency" ? act("emergency_end", "risk") : act("emergency_release", "risk")}
      </div>
      <div class="cols">
        <section><h2>${t("gate.stages")}</h2><ul>
          ${(g.state.stages ?? []).map((s) => html`<li><span>${word("state", s.stage)}</span><span class="num">${seconds(s.ms)} ${t("ui.seconds")}</span></li>`)}
          <li><span class="soft">${word("state", g.state.passage)}</span><span class="num soft">${seconds(g.state.stage_ms + Math.max(0, this.now - Date.parse(g.state.at)))} ${t("ui.seconds")}</span></li></ul></section>
        <section><h2>${t("gate.parts")}</h2><ul>
          ${(g.health.parts ?? []).map((p) => html`<li><span>${p.name.replaceAll("_", " ")}</span><span class="pill ${p.state === "ok" ? "ok" : p.state === "failed" ? "bad" : "warn"}">${word("health", p.state)}</span></li>`)}</ul>
          ${(g.health.faults ?? []).length ? html`<h2>${t("gate.faults")}</h2><ul>${(g.health.faults ?? []).map((f) => html`<li class="fault"><span>${word("fault", f.code)}<br><span class="soft">${f.part.replaceAll("_", " ")} · ${f.code}</span></span><span class="num soft">${waiting(this.now - Date.parse(f.since))}</span></li>`)}</ul>` : nothing}
          ${g.health.demo_model ? html`<p><span class="pill warn">${t("gate.demo_model")}</span></p>` : nothing}</section>
        <section><h2>${t("history.title")}</h2><ul class="events" tabindex="0" aria-label=${t("history.title")}>
          ${this.events === null ? nothing : this.events.length ? [...this.events].reverse().map((e) => this.line(e)) : html`<li class="soft">${t("history.none")}</li>`}</ul></section>
      </div>`;
  }
}
customElements.define("egate-details", GateDetails);
