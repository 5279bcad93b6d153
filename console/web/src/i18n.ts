// Texts come from the server's catalogues, one file per language; English stands in for what is missing.

interface Catalogue {
  tag: string;
  dir: "ltr" | "rtl";
  console: Record<string, string>;
  reason: Record<string, { what: string; why: string; do: string }>;
  check: Record<string, string>;
  words: Record<string, Record<string, string>>;
}

const loaded = new Map<string, Catalogue>();
let tag = "en";

export async function use(want: string): Promise<void> {
  for (const l of ["en", want]) {
    if (!loaded.has(l)) {
      const r = await fetch(`/locales/${l}.json`);
      if (r.ok) loaded.set(l, (await r.json()) as Catalogue);
    }
  }
  if (loaded.has(want)) tag = want;
  document.documentElement.lang = tag;
  document.documentElement.dir = loaded.get(tag)?.dir ?? "ltr";
}

export const language = () => tag;
const pick = <T>(get: (c: Catalogue) => T | undefined): T | undefined => {
  const own = loaded.get(tag), en = loaded.get("en");
  return (own && get(own)) ?? (en && get(en));
};

/** t is a text of the pages. */
export const t = (key: string): string => pick((c) => c.console[key]) ?? key;
/** word is a name out of a small vocabulary: a state, a stage, an outcome. */
export const word = (group: string, name: string): string => pick((c) => c.words[group]?.[name]) ?? name.replaceAll("_", " ");
export const check = (id: string): string => pick((c) => c.check[id]) ?? id.replaceAll("_", " ");
export const reason = (code: string): { what: string; why: string; do: string } => pick((c) => c.reason[code]) ?? { what: code.replaceAll("_", " "), why: "", do: "" };

/** seconds writes a duration as 4.2 or 1:05. */
export function seconds(ms: number): string {
  const s = Math.max(0, ms) / 1000;
  if (s < 100) return s.toFixed(1);
  return waiting(ms);
}
export function waiting(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
  const two = (n: number) => String(n).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
}
export const clock = (at: string | number): string => {
  const d = new Date(at);
  return Number.isNaN(d.getTime()) ? "" : d.toLocaleTimeString("en-GB", { hour12: false });
};

/** answer is what a gate said to an order. */
export function answer(r: { result: string; reason?: string; owner?: string }): string {
  if (r.reason === "second_officer") return t("order.second_officer");
  const own = "order.why." + (r.reason ?? "");
  return t("order." + r.result) + (r.reason ? `: ${t(own) === own ? reason(r.reason).what : t(own)}${r.owner ? ` ${r.owner}` : ""}` : "");
}

/** trouble is why an order did not reach its gate. */
export function trouble(e: unknown): string {
  const code = (e as { code?: string }).code ?? "";
  const own = ["cancelled", "insecure", "no_webauthn", "no_ed25519"].includes(code) ? "signin." + code : code === "gone" ? "ref.gone" : "order.no_answer";
  return t(own);
}
