// The live line: a snapshot, then one message per change. The page knows when it is looking at the past.
import type { GateView, Line, Recent } from "./api.js";

const SILENT_MS = 12_000; // the server speaks at least every 5 s

export class LineStore extends EventTarget {
  gates: GateView[] = [];
  recent: Recent[] = [];
  onDuty: string[] = [];
  simulated = false;
  live = false;
  offset = 0; // server clock minus ours
  private source: EventSource | null = null;
  private heard = 0;
  private timer = 0;

  start(): void {
    this.stop();
    const src = new EventSource("/api/events");
    this.source = src;
    const on = (event: string, take: (data: string) => void) => src.addEventListener(event, (e) => {
      this.heard = performance.now();
      this.live = true;
      take((e as MessageEvent<string>).data);
      this.dispatchEvent(new Event("change"));
    });
    on("line", (d) => {
      const l = JSON.parse(d) as Line;
      this.gates = l.gates ?? [];
      this.recent = l.recent ?? [];
      this.onDuty = l.on_duty ?? [];
      this.simulated = l.simulated;
      const at = Date.parse(l.at);
      if (at > 0) this.offset = at - Date.now();
    });
    on("gate", (d) => {
      const g = JSON.parse(d) as GateView;
      this.gates = this.gates.map((old) => (old.gate === g.gate ? g : old));
    });
    on("recent", (d) => { this.recent = (JSON.parse(d) as Recent[] | null) ?? []; });
    on("beat", () => {});
    for (const name of ["dossier_closed", "signed_out"]) {
      src.addEventListener(name, (e) => this.dispatchEvent(new CustomEvent(name, { detail: JSON.parse((e as MessageEvent<string>).data) as unknown })));
    }
    src.onerror = () => {
      this.live = false;
      this.dispatchEvent(new Event("change"));
      if (src.readyState === EventSource.CLOSED) this.dispatchEvent(new Event("refused"));
    };
    this.heard = performance.now();
    this.timer = window.setInterval(() => {
      if (performance.now() - this.heard > SILENT_MS) {
        this.live = false;
        this.dispatchEvent(new Event("change"));
        this.start();
      }
    }, 1000);
  }

  stop(): void {
    clearInterval(this.timer);
    this.source?.close();
    this.source = null;
    this.live = false;
  }

  now(): number { return Date.now() + this.offset; }
}

/** Referral reasons that go before all others: forgery, attack, a hit, a person in need. */
const grave = new Set(["clone_suspected", "dg_hash_mismatch", "sod_signature_failed", "pad_failed", "centre_hit", "document_reported_lost", "person_trapped", "chip_limit_exceeded", "tamper", "emergency", "officer_held"]);

export interface Item { kind: "referral" | "alert" | "second"; key: string; gate: string; passage: string; reason: string; severity: string; since: number; count: number; owner: string; dossier: boolean }

const rank: Record<string, number> = { danger: 0, warning: 1, notice: 2 };

/** queue lists referrals and active alerts by danger, then by how long they wait. */
export function queue(gates: GateView[]): Item[] {
  const items: Item[] = [];
  for (const g of gates) {
    const r = g.referral;
    if (r) items.push({ kind: "referral", key: "r" + g.gate + r.passage, gate: g.gate, passage: r.passage, reason: r.reason, severity: grave.has(r.reason) ? "danger" : "warning", since: Date.parse(r.since), count: 1, owner: r.owner ?? "", dossier: r.dossier });
    const s = g.second; // its reason is the name of the order, its owner who gave it first
    if (s) items.push({ kind: "second", key: "s" + g.gate + s.name + s.until, gate: g.gate, passage: s.passage ?? "", reason: s.name, severity: "warning", since: Date.parse(s.until) - 60_000, count: 1, owner: s.officer, dossier: false });
    for (const a of g.alerts ?? []) {
      if (a.active) items.push({ kind: "alert", key: "a" + a.id, gate: g.gate, passage: a.passage ?? "", reason: a.reason, severity: a.severity, since: Date.parse(a.since), count: a.count, owner: "", dossier: false });
    }
  }
  return items.sort((a, b) => (rank[a.severity] ?? 1) - (rank[b.severity] ?? 1) || a.since - b.since || (a.key < b.key ? -1 : 1));
}
