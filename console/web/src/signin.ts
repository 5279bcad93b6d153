import { LitElement, css, html, nothing } from "lit";
import { Refused, signIn, type Hello } from "./api.js";
import { t } from "./i18n.js";
import { base } from "./style.js";

export class SignIn extends LitElement {
  static override properties = { hello: { attribute: false }, note: {}, lang: {}, busy: { state: true }, error: { state: true } };
  declare hello: Hello | null;
  declare note: string;
  declare busy: boolean;
  declare error: string;

  constructor() {
    super();
    this.hello = null;
    this.note = "";
    this.busy = false;
    this.error = "";
  }

  static override styles = [base, css`
    :host { display: grid; place-items: center; min-height: 100vh; background: radial-gradient(120% 90% at 50% 0, #1d232c, var(--ground) 60%); padding: 24px; }
    form { width: min(400px, 100%); background: var(--panel); border: 1px solid var(--line); border-radius: 14px; padding: 30px 32px 26px; display: grid; gap: 16px; box-shadow: 0 24px 60px #0007; }
    header { display: flex; align-items: center; gap: 14px; margin-bottom: 4px; }
    header svg { width: 42px; height: 42px; }
    h1 { font-size: 20px; font-weight: 650; line-height: 1.25; }
    header p { color: var(--soft); }
    label { display: grid; gap: 6px; color: var(--soft); font-size: 13px; }
    input { color: var(--ink); font-size: 15px; min-height: 42px; }
    button.main { min-height: 44px; font-size: 15px; }
    .small { font-size: 12.5px; color: var(--faint); }
    .error { color: #ffc4be; background: var(--bad-deep); border: 1px solid #8a3a34; border-radius: 8px; padding: 8px 12px; }
    .note { color: #f6d68e; background: var(--warn-deep); border-radius: 8px; padding: 8px 12px; }
    .demo { border: 1px dashed #6a5420; border-radius: 10px; padding: 12px 14px; display: grid; gap: 8px; justify-items: start; }
    .demo p { color: var(--soft); font-size: 13px; }
    .demo b { color: var(--ink); }
  `];

  override firstUpdated(): void { this.renderRoot.querySelector("input")?.focus(); }

  private async submit(e: Event): Promise<void> {
    e.preventDefault();
    const f = new FormData(this.renderRoot.querySelector("form")!);
    await this.go(String(f.get("name")), String(f.get("secret")));
  }

  private async go(name: string, secret: string): Promise<void> {
    this.busy = true;
    this.error = "";
    try {
      const me = await signIn(name, secret);
      this.dispatchEvent(new CustomEvent("signed-in", { detail: me, bubbles: true, composed: true }));
    } catch (err) {
      const code = err instanceof Refused ? err.code : "failed";
      this.error = t("signin." + (["wrong", "locked"].includes(code) ? code : "failed"));
    }
    this.busy = false;
  }

  override render() {
    const demo = this.hello?.demo;
    return html`
      <form @submit=${(e: Event) => this.submit(e)}>
        <header>
          <svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="7" fill="#101d33"/><path d="M9 26V6h14v20M5 26h22M16 12v8" fill="none" stroke="#84b9f5" stroke-width="2.4" stroke-linecap="round" stroke-linejoin="round"/></svg>
          <div><h1>${t("signin.title")}</h1><p>${this.hello?.site ?? ""}</p></div>
        </header>
        ${this.note ? html`<p class="note" role="status">${this.note}</p>` : nothing}
        <label>${t("signin.name")}<input name="name" autocomplete="off" spellcheck="false" required maxlength="64"></label>
        <label>${t("signin.secret")}<input name="secret" type="password" autocomplete="off" required maxlength="256"></label>
        ${this.error ? html`<p class="error" role="alert">${this.error}</p>` : nothing}
        <button class="main" ?disabled=${this.busy}>${t("signin.submit")}</button>
        ${demo ? html`<div class="demo"><span class="sim">${t("sim.mark")}</span><p>${t("me.demo")}: <b>${demo.name}</b></p>
          <button type="button" id="demo" ?disabled=${this.busy} @click=${() => this.go(demo.name, demo.secret)}>${t("signin.demo")}</button></div>` : nothing}
        <p class="small">${t("signin.note")}</p>
      </form>`;
  }
}
customElements.define("egate-sign-in", SignIn);
