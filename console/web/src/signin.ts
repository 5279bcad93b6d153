import { LitElement, css, html, nothing } from "lit";
import { Refused, signIn, type Hello } from "./api.js";
import { t } from "./i18n.js";
import { begin, enrol, lacks } from "./officer.js";
import { base } from "./style.js";

export class SignIn extends LitElement {
  static override properties = { hello: { attribute: false }, note: {}, lang: {}, busy: { state: true }, error: { state: true }, enrolling: { state: true }, made: { state: true } };
  declare hello: Hello | null;
  declare note: string;
  declare busy: boolean;
  declare error: string;
  declare enrolling: boolean;
  declare made: string; // registration of a new passkey

  constructor() {
    super();
    this.hello = null;
    this.note = "";
    this.busy = false;
    this.error = this.made = "";
    this.enrolling = false;
  }

  static override styles = [base, css`
    :host { display: grid; place-items: center; min-height: 100vh; background: radial-gradient(120% 90% at 50% 0, #1d232c, var(--ground) 60%); padding: 24px; }
    form { width: min(400px, 100%); background: var(--panel); border: 1px solid var(--line); border-radius: 14px; padding: 30px 32px 26px; display: grid; gap: 16px; box-shadow: 0 24px 60px #0007; }
    header { display: flex; align-items: center; gap: 14px; margin-bottom: 4px; }
    header svg { width: 42px; height: 42px; }
    h1 { font-size: 20px; font-weight: 650; line-height: 1.25; }
    header p { color: var(--soft); }
    label { display: grid; gap: 6px; color: var(--soft); font-size: 13px; }
    textarea { font: 12px/1.4 monospace; color: var(--ink); background: var(--ground); border: 1px solid var(--edge); border-radius: 7px; padding: 8px; resize: vertical; overflow-wrap: anywhere; }
    input { color: var(--ink); font-size: 15px; min-height: 42px; }
    button.main { min-height: 44px; font-size: 15px; }
    .small { font-size: 12.5px; color: var(--faint); }
    .error { color: #ffc4be; background: var(--bad-deep); border: 1px solid #8a3a34; border-radius: 8px; padding: 8px 12px; }
    .note { color: #f6d68e; background: var(--warn-deep); border-radius: 8px; padding: 8px 12px; }
    .demo { border: 1px dashed #6a5420; border-radius: 10px; padding: 12px 14px; display: grid; gap: 8px; justify-items: start; }
    .demo p { color: var(--soft); font-size: 13px; }
    .demo b { color: var(--ink); }
  `];

  override firstUpdated(): void { this.renderRoot.querySelector<HTMLButtonElement>("button.main")?.focus(); }

  private async go(as: NonNullable<Hello["demo"]> | null): Promise<void> {
    await this.doing(async () => {
      const me = await signIn(await begin(as));
      this.dispatchEvent(new CustomEvent("signed-in", { detail: me, bubbles: true, composed: true }));
    });
  }

  private async enrol(e: Event): Promise<void> {
    e.preventDefault();
    const name = String(new FormData(this.renderRoot.querySelector("form")!).get("pseudonym"));
    await this.doing(async () => { this.made = await enrol(name); });
  }

  private async doing(what: () => Promise<void>): Promise<void> {
    this.busy = true;
    this.error = "";
    try {
      await what();
    } catch (err) {
      const code = err instanceof Refused ? err.code : "failed";
      this.error = t("signin." + (["wrong", "locked", "cancelled", "insecure", "no_webauthn", "no_ed25519"].includes(code) ? code : "failed"));
    }
    this.busy = false;
  }

  private enrolment() {
    return html`<p class="small">${t("enrol.what")}</p>
      <label>${t("enrol.pseudonym")}<input name="pseudonym" autocomplete="off" spellcheck="false" required maxlength="64" pattern="[A-Za-z0-9._\\-]{1,64}"></label>
      <button class="main" ?disabled=${this.busy || Boolean(lacks())}>${t("enrol.make")}</button>
      ${this.made ? html`<label>${t("enrol.hand_over")}<textarea id="registration" readonly rows="6" .value=${this.made} @focus=${(e: Event) => (e.target as HTMLTextAreaElement).select()}></textarea></label>` : nothing}`;
  }

  override render() {
    const demo = this.hello?.demo, missing = lacks();
    return html`
      <form @submit=${(e: Event) => (this.enrolling ? this.enrol(e) : (e.preventDefault(), this.go(null)))}>
        <header>
          <svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="7" fill="#101d33"/><path d="M9 26V6h14v20M5 26h22M16 12v8" fill="none" stroke="#84b9f5" stroke-width="2.4" stroke-linecap="round" stroke-linejoin="round"/></svg>
          <div><h1>${t("signin.title")}</h1><p>${this.hello?.site ?? ""}</p></div>
        </header>
        ${this.note ? html`<p class="note" role="status">${this.note}</p>` : nothing}
        ${missing ? html`<p class="error" role="alert">${t("signin." + missing)}</p>` : nothing}
        ${this.error ? html`<p class="error" role="alert">${this.error}</p>` : nothing}
        ${this.enrolling ? this.enrolment() : html`<button class="main" ?disabled=${this.busy || Boolean(missing)}>${t("signin.submit")}</button>`}
        ${demo ? html`<div class="demo"><span class="sim">${t("sim.mark")}</span><p>${t("me.demo")}: <b>${demo.name}</b></p>
          <button type="button" id="demo" ?disabled=${this.busy} @click=${() => this.go(demo)}>${t("signin.demo")}</button></div>` : nothing}
        <p class="small">${t("signin.note")}</p>
        <button type="button" class="quiet" id="enrol" @click=${() => { this.enrolling = !this.enrolling; this.made = this.error = ""; }}>${t(this.enrolling ? "signin.title" : "enrol.title")}</button>
      </form>`;
  }
}
customElements.define("egate-sign-in", SignIn);
