// What the server says and takes: the shapes of console/contract.go and api/types.go.

export interface StageTime { stage: string; ms: number }
export interface Part { name: string; state: string; since: string; code?: string }
export interface Fault { code: string; part: string; severity: string; since: string }
export interface GateView {
  site: string;
  gate: string;
  status: { state: string; session: string; epoch: number; at: string };
  state: {
    mode: string; reception: string; passage: string; entry: string; exit: string; occupancy: string;
    current?: string; next?: string; reason?: string; stage_ms: number; stages?: StageTime[] | null; lease: boolean; owner?: string; at: string;
  };
  health: { overall: string; parts: Part[] | null; faults: Fault[] | null; demo_model?: boolean; versions?: Record<string, string> };
  referral?: Referral;
  alerts: Alert[] | null;
  acked_upto: number;
  second?: { id: string; payload?: string; name: string; officer: string; passage?: string; until: string };
}
export interface Referral { gate: string; passage: string; reason: string; since: string; state: string; owner?: string; dossier: boolean; overturn?: string; questions?: string[] | null }
export interface Alert { id: string; gate: string; passage?: string; reason: string; severity: string; since: string; count: number; active: boolean }
export interface Recent {
  gate: string; at: string;
  passage: { passage: string; outcome: string; reason: string; completed: boolean; total_ms: number; stages: StageTime[] | null; reference?: string };
}
export interface Line { seq: number; gates: GateView[] | null; recent: Recent[] | null; on_duty: string[] | null; simulated: boolean; at: string }
export interface Check { id: string; result: string; reason: string; score?: number; threshold?: number; deviations?: string[] }
export interface Facts {
  dossier_hash: string; gate: string; passage: string; reason: string; checks: Check[] | null; verified: boolean; portrait: boolean; live: boolean;
  name: string; document: string; nationality: string; sex: string; age: number; match_score: number; threshold: number;
}
export interface Me { pseudonym: string; demo: boolean; since: string; site: string; idle_close_s: number; simulated: boolean; credential: string; may: string[]; fresh: string[]; stops: string[] }
export interface Assertion { credential: string; auth_data: string; client_data: string; signature: string }
export interface Proof { order_key: string; assertion: Assertion; signature: string; fresh?: { at: string; assertion: Assertion } }
export interface Challenge { nonce: string; site: string; rp_id: string; gates: string[]; at: string }
export interface Hello { site: string; simulated: boolean; demo?: { name: string; credential: string; seed: string; public: string }; languages: { tag: string; name: string; dir: "ltr" | "rtl" }[] }
export interface Answer { id: string; result: string; reason?: string; owner?: string }
export interface Event { id: string; type: string; time: string; epoch: number; seq: number; data: Record<string, unknown> }

/** Refused carries the code of an answer that was not given. */
export class Refused extends Error {
  constructor(readonly code: string, readonly status: number) { super(code); }
}

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = { "X-Egate": "1" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let r: Response;
  try {
    r = await fetch(path, { method, headers, body: body === undefined ? null : JSON.stringify(body), cache: "no-store", credentials: "same-origin" });
  } catch {
    throw new Refused("no_answer", 0);
  }
  if (!r.ok) {
    const code = await r.json().then((j: { error?: string }) => j.error ?? "failed", () => "failed");
    throw new Refused(code, r.status);
  }
  return (r.status === 204 ? undefined : await r.json()) as T;
}

const at = (gate: string, passage: string) => `/api/referrals/${encodeURIComponent(gate)}/${encodeURIComponent(passage)}`;

export const hello = () => call<Hello>("GET", "/api/hello");
export const whoami = () => call<Me>("GET", "/api/me");
export const challenge = () => call<Challenge>("POST", "/api/challenge");
export const signIn = (by: { order_key: string; assertion: Assertion }) => call<Me>("POST", "/api/sign-in", by);
export const signOut = () => call<void>("POST", "/api/sign-out");
export const input = () => call<void>("POST", "/api/input");
/** send passes an order on that officer.ts has signed. */
export const send = (payload: string, proof: Proof, second = false) => call<Answer>("POST", "/api/orders", { payload, proof, ...(second && { second }) });
export const openReferral = (gate: string, passage: string) => call<Facts>("POST", at(gate, passage) + "/open");
export const closeReferral = (gate: string, passage: string) => call<void>("DELETE", at(gate, passage));
export const photo = (gate: string, passage: string, which: "portrait" | "live") => at(gate, passage) + "/photo/" + which;
export const history = (gate: string, epoch: number, after: number) => call<Event[]>("GET", `/api/history?gate=${encodeURIComponent(gate)}&epoch=${epoch}&after=${after}&limit=200`);
