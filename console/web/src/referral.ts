import { LitElement, css, html, nothing, type PropertyValues } from "lit";
import { closeReferral, openReferral, photo, Refused, type Check, type Facts, type GateView, type Me } from "./api.js";
import { answer, check as checkName, reason, t, trouble, waiting, word } from "./i18n.js";
import { give } from "./officer.js";
import { base } from "./style.js";

const overrides = ["person_compared", "document_examined", "lookup_done", "technical_cause", "companion_seen"];

/** The referral desk: both photos side by side, the checks, one decision. Nothing of it outlives the view. */
export class ReferralDesk extends LitElement {
  static override properties = {
    view: { attribute: false }, passage: {}, now: { attribute: false }, left: { attribute: false }, me: { attribute: false }, lang: {},
    facts: { state: true }, fault: { state: true }, why: { state: true }, busy: { state: true }, answer: { state: true }, missing: { state: true },
  };
  declare view: GateView;
  declare passage: string;
  declare now: number;
  declare left: number; // seconds until it closes without input
  declare me: Me;
  declare facts: Facts | null;
  declare fault: string;
  declare why: string;
  declare busy: boolean;
  declare answer: string;
  declare missing: Set<string>;
  private alive = true;
  private taken = false;
  private asked = false;

  constructor() {
    super();
    this.facts = null;
    this.fault = this.why = this.answer = "";
    this.busy = false;
    this.left = Infinity;
    this.missing = new Set();
  }

  static override styles = [base, css`
    :host { display: block; background: var(--panel); border: 1px solid var(--edge); border-radius: 12px; padding: 16px 20px 18px; }
    header { display: flex; gap: 14px; align-items: baseline; flex-wrap: wrap; margin-bottom: 12px; }
    h1 { font-size: 20px; font-weight: 650; }
    h1:focus-visible { outline: none; }
    header .sub { color: var(--soft); margin-inline-end: auto; }
    .cause { background: var(--warn-deep); border: 1px solid #6a5420; border-radius: 9px; padding: 9px 14px; margin-bottom: 14px; }
    .cause b { font-size: 16px; }
    .cause.danger { background: var(--bad-deep); border-color: #8a3a34; }
    .cause p { color: var(--ink); }
    .cols { display: grid; grid-template-columns: minmax(380px, 1.15fr) minmax(330px, 1fr); gap: 20px; align-items: start; }
    .photos { display: grid; grid-template-columns: 1fr 1fr; gap: 12px; max-width: min(540px, 78vh); }
    figure { margin: 0; }
    .frame { aspect-ratio: 3 / 4; background: #0c0e12; border: 1px solid var(--line); border-radius: 9px; overflow: hidden; display: grid; place-items: center; color: var(--faint); text-align: center; padding: 0; }
    .frame img { width: 100%; height: 100%; object-fit: contain; display: block; -webkit-user-drag: none; user-select: none; }
    .frame.unverified { border: 2px dashed var(--warn); }
    figcaption { margin-top: 6px; font-size: 13px; color: var(--soft); display: flex; gap: 8px; flex-wrap: wrap; align-items: center; }
    figcaption b { color: var(--ink); font-weight: 600; }
    .person { margin: 14px 0 0; display: grid; grid-template-columns: auto 1fr auto 1fr; gap: 5px 14px; padding: 12px 14px; border: 1px solid var(--line); border-radius: 9px; }
    .person dt { color: var(--faint); font-size: 12.5px; align-self: center; }
    .person dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
    .person .wide { grid-column: 2 / -1; }
    .person .ask { grid-column: 1 / -1; color: var(--info); font-size: 13px; }
    table { width: 100%; border-collapse: collapse; font-size: 13px; }
    caption { text-align: start; color: var(--soft); font-weight: 600; padding-bottom: 6px; }
    th { text-align: start; font-weight: 500; color: var(--faint); font-size: 12px; padding: 2px 6px 5px; }
    td { border-top: 1px solid var(--line); padding: 3.5px 6px; vertical-align: top; }
    td.n, th.n { text-align: end; }
    tr.fail td { background: #2f1b1b; }
    tr.dim td { color: var(--soft); }
    .res { white-space: nowrap; }
    .res::before { display: inline-block; width: 1.4em; font-weight: 700; content: "–"; color: var(--faint); }
    .res.pass::before { content: "✓"; color: var(--ok); }
    .res.fail::before { content: "✕"; color: var(--bad); }
    .res.not_possible::before { content: "?"; color: var(--warn); }
    td small { display: block; color: #f0b9b4; }
    .decide { margin-top: 16px; border-top: 1px solid var(--line); padding-top: 14px; display: grid; gap: 12px; }
    fieldset { border: 0; padding: 0; margin: 0; display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
    legend { padding: 0; color: var(--soft); font-size: 13px; margin-bottom: 6px; }
    fieldset label { display: inline-flex; gap: 8px; align-items: center; min-height: 34px; padding: 0 12px 0 10px; border: 1px solid var(--line); border-radius: 7px; cursor: pointer; }
    fieldset label:has(:checked) { border-color: #2f8a5f; background: var(--ok-deep); }
    fieldset input { min-height: 0; width: 16px; height: 16px; accent-color: #62c893; margin: 0; }
    .lane { border-inline-start: 3px solid var(--warn); padding: 4px 12px; color: var(--ink); }
    .row { display: flex; gap: 10px; align-items: center; flex-wrap: wrap; position: sticky; inset-block-end: 0; background: var(--panel); padding-block: 8px; margin-block-end: -8px; }
    .row .grow { flex: 1; color: var(--soft); }
    .row egate-act { --tall: 42px; }
    .row button { min-height: 42px; padding: 0 22px; font-size: 15px; }
    .empty { padding: 26px; text-align: center; color: var(--soft); border: 1px dashed var(--edge); border-radius: 9px; }
    .closing { color: #f6d68e; font-weight: 600; }
    @media (max-width: 1150px) { .cols { grid-template-columns: 1fr; } }
  `];

  override firstUpdated(): void {
    this.renderRoot.querySelector("h1")?.focus();
    void this.take();
  }

  override updated(changed: PropertyValues): void {
    if (changed.has("view") && this.fault === "no_dossier" && this.view.referral?.dossier && !this.asked) void this.open();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.alive = false;
    this.wipe();
  }

  /** wipe drops pictures and texts; the server ends the process that holds them. */
  private wipe(): void {
    for (const img of this.renderRoot.querySelectorAll("img")) img.removeAttribute("src");
    this.facts = null;
  }

  private async take(): Promise<void> {
    if (this.view.referral?.owner !== this.me.pseudonym) {
      try {
        const r = await give(this.me, this.view, "referral_take", this.passage);
        if (r.result === "rejected" || r.result === "failed" || r.result === "expired") this.answer = answer(r);
      } catch (e) {
        this.answer = trouble(e);
      }
    }
    this.taken = true;
    if (this.alive) await this.open();
  }

  private async open(): Promise<void> {
    this.asked = true;
    this.fault = "";
    try {
      const f = await openReferral(this.view.gate, this.passage);
      if (!this.alive) return void closeReferral(this.view.gate, this.passage).catch(() => {});
      this.facts = f;
    } catch (e) {
      this.fault = e instanceof Refused ? e.code : "failed";
    }
    this.asked = false;
  }

  private leave(): void { this.dispatchEvent(new CustomEvent("leave", { bubbles: true, composed: true })); }

  private async decide(name: string, why = ""): Promise<void> {
    this.busy = true;
    this.answer = "";
    try {
      const r = await give(this.me, this.view, name, this.passage, this.facts?.dossier_hash ?? "", why);
      const good = r.result === "done" || r.result === "accepted";
      this.dispatchEvent(new CustomEvent("said", { detail: `${this.view.gate}: ${t("act." + name) === "act." + name ? t("ref." + name.replace("referral_", "")) : t("act." + name)} – ${t("order." + r.result)}`, bubbles: true, composed: true }));
      if (good) { this.wipe(); this.leave(); return; }
      this.answer = answer(r);
    } catch (e) {
      this.answer = trouble(e);
    }
    this.busy = false;
  }

  private async back(): Promise<void> {
    if (this.view.referral?.owner === this.me.pseudonym) await give(this.me, this.view, "referral_return", this.passage).catch(() => undefined);
    await closeReferral(this.view.gate, this.passage).catch(() => undefined);
    this.wipe();
    this.leave();
  }

  private picture(which: "portrait" | "live", title: string) {
    const f = this.facts!;
    const there = f[which] && !this.missing.has(which);
    const odd = which === "portrait" && !f.verified;
    return html`<figure>
      <div class="frame ${odd && there ? "unverified" : ""}">
        ${there ? html`<img src=${photo(f.gate, f.passage, which)} alt=${title} draggable="false" @contextmenu=${(e: Event) => e.preventDefault()} @error=${() => { this.missing = new Set([...this.missing, which]); }}>` : html`<span>${t("ref.none")}</span>`}
      </div>
      <figcaption><b>${title}</b>${which === "portrait" && there ? html`<span class="pill ${odd ? "warn" : "ok"}">${t(odd ? "ref.unverified" : "ref.verified")}</span>` : nothing}</figcaption>
    </figure>`;
  }

  private row(c: Check) {
    const f = this.facts!;
    const matched = c.id === "face_match" && c.result !== "not_evaluated";
    const score = c.score ?? (matched ? f.match_score : undefined);
    const least = c.threshold ?? (matched ? f.threshold : undefined);
    const num = (n: number | undefined) => (n === undefined ? "" : n.toFixed(3));
    const dim = c.result === "not_evaluated" || c.result === "not_applicable";
    return html`<tr class=${c.result === "fail" ? "fail" : dim ? "dim" : ""}>
      <td>${checkName(c.id)}${c.result === "fail" || c.result === "not_possible" ? html`<small>${reason(c.reason).what}</small>` : nothing}</td>
      <td class="res ${c.result}">${word("result", c.result)}</td>
      <td class="n num">${num(score)}</td><td class="n num">${num(least)}</td>
    </tr>`;
  }

  private decision() {
    const f = this.facts;
    const r = this.view.referral;
    // What a desk cannot settle is settled at the staffed lane; so is whoever stands at the reader still.
    const remote = r?.overturn !== "staffed_lane" && this.view.state.passage === "referred";
    const asked = r?.questions?.length ? overrides.filter((o) => r.questions!.includes(o)) : overrides;
    return html`<div class="decide">
        ${!remote ? html`<p class="lane">${t("ref.staffed_lane")}</p>` : html`${r?.overturn === "two_officers" ? html`<p class="lane">${t("ref.two_officers")}</p>` : nothing}
        <fieldset @change=${(e: Event) => { this.why = (e.target as HTMLInputElement).value; }}>
          <legend>${t("ref.why_accept")}</legend>
          ${asked.map((o) => html`<label><input type="radio" name="why" value=${o} .checked=${this.why === o}>${word("override", o)}</label>`)}
        </fieldset>`}
        <div class="row">
          <span class="grow" role="status">${this.answer || (this.why || !remote ? "" : t("ref.choose"))}</span>
          <egate-act .text=${t("ref.hold")} sure kind="risk" ?disabled=${this.busy || !this.taken} @act=${() => this.decide("referral_hold")}></egate-act>
          <button id="send-back" ?disabled=${this.busy || !this.taken} @click=${() => this.decide("referral_send_back")}>${t("ref.send_back")}</button>
          ${!remote ? nothing : html`<button id="accept" class="good" ?disabled=${this.busy || !this.why || !this.taken || (!f && this.view.referral?.dossier)} @click=${() => this.decide("referral_accept", this.why)}>${t("ref.accept")}</button>`}
        </div>
      </div>`;
  }

  override render() {
    const r = this.view.referral;
    const gone = !r || r.passage !== this.passage;
    const f = this.facts;
    const code = f?.reason ?? r?.reason ?? "none";
    const why = reason(code);
    // What did not pass stands first; the order within is that of the inspection.
    const checks = [...(f?.checks ?? [])].sort((a, b) => Number(b.result === "fail" || b.result === "not_possible") - Number(a.result === "fail" || a.result === "not_possible"));
    const passed = checks.filter((c) => c.result === "pass").length;
    return html`
      <header>
        <h1 tabindex="-1">${t("ref.title")} · ${this.view.gate}</h1>
        <span class="sub num">${r ? html`${t("queue.waiting")} ${waiting(this.now - Date.parse(r.since))}` : nothing}</span>
        ${this.left <= 20 && f ? html`<span class="closing num" role="status">${t("ref.closing")} ${Math.max(0, this.left)} ${t("ui.seconds")}</span>` : nothing}
        <button class="quiet" id="close" @click=${() => this.back()}>${t("ref.close")}</button>
      </header>
      <div class="cause"><b>${why.what}.</b> ${why.why}.<p>${why.do}.</p></div>
      ${gone ? html`<p class="empty">${t("ref.gone")}</p>` : !f
        ? html`<p class="empty" role="status">${this.fault === "no_dossier" ? t("ref.no_dossier") : this.fault ? t("ref.failed") : t("ref.opening") + " …"}</p>${this.fault ? this.decision() : nothing}`
        : html`<div class="cols">
        <div>
          <div class="photos">${this.picture("portrait", t("ref.portrait"))}${this.picture("live", t("ref.live"))}</div>
          <dl class="person">
            <dt>${t("ref.name")}</dt><dd class="wide"><bdi>${f.name}</bdi></dd>
            <dt>${t("ref.document")}</dt><dd><bdi dir="ltr">${f.document}</bdi></dd><dt>${t("ref.nationality")}</dt><dd><bdi dir="ltr">${f.nationality}</bdi></dd>
            <dt>${t("ref.sex")}</dt><dd>${word("sex", f.sex || "X")}</dd><dt>${t("ref.age")}</dt><dd>${f.age}</dd>
            <dd class="ask">${t("ref.plausible")}</dd>
          </dl>
          ${this.decision()}
        </div>
        <table>
          <caption>${t("ref.checks")} · ${t("ref.all_pass")} <span class="num">${passed}/${checks.length}</span></caption>
          <thead><tr><th>${t("ref.check")}</th><th>${t("ref.result")}</th><th class="n">${t("ref.score")}</th><th class="n">${t("ref.threshold")}</th></tr></thead>
          <tbody>${checks.map((c) => this.row(c))}</tbody>
        </table>
      </div>`}
`;
  }
}
customElements.define("egate-referral", ReferralDesk);
