// The officer's own end of an order: a passkey, and a key that this page makes, cannot give away and forgets with
// itself. The passkey certifies the key for the gates of the line and an hour at most; the gate checks all of it
// against the roster, and believes neither this page's server nor the broker.
import { challenge, Refused, send, type Answer, type Assertion, type GateView, type Hello, type Me, type Proof } from "./api.js";

const HOUR = 3_600_000, SPARE = 30_000, LIFE = 8_000;

interface Key { pair: CryptoKeyPair; text: Uint8Array<ArrayBuffer>; assertion: Assertion; expires: number }
type Demo = NonNullable<Hello["demo"]>;

let key: Key | null = null;
let making: Promise<Key> | null = null;
let demo: Demo | null = null; // the simulation's officer: this page plays his authenticator
let rp = "";
let credential = ""; // of who is signed in
let offset = 0; // server's clock minus ours

const utf8 = (s: string) => new TextEncoder().encode(s);
const base64 = (b: ArrayBuffer | Uint8Array) => btoa(String.fromCharCode(...new Uint8Array(b)));
const bytes = (s: string) => Uint8Array.from(atob(s), (c) => c.charCodeAt(0));
const base64url = (b: ArrayBuffer | Uint8Array) => base64(b).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

function join(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) { out.set(p, at); at += p.length; }
  return out;
}
const sha256 = async (b: Uint8Array<ArrayBuffer>) => new Uint8Array(await crypto.subtle.digest("SHA-256", b));

/** lacks names what this browser lacks, "" for nothing. */
export function lacks(): string {
  if (!isSecureContext || !globalThis.crypto?.subtle) return "insecure";
  if (!("PublicKeyCredential" in globalThis)) return "no_webauthn";
  return "";
}

/** played is the demo officer's authenticator: the formats of a real one, under a key of the throw-away site. */
async function played(d: Demo, question: Uint8Array<ArrayBuffer>): Promise<Assertion> {
  const client = utf8(JSON.stringify({ type: "webauthn.get", challenge: base64url(question), origin: location.origin, crossOrigin: false }));
  const auth = join(await sha256(utf8(rp)), new Uint8Array([5, 0, 0, 0, 0]));
  let k: CryptoKey;
  try {
    k = await crypto.subtle.importKey("jwk", { kty: "OKP", crv: "Ed25519", d: base64url(bytes(d.seed)), x: base64url(bytes(d.public)) }, "Ed25519", false, ["sign"]);
  } catch {
    throw new Refused("no_ed25519", 0);
  }
  const signature = await crypto.subtle.sign("Ed25519", k, join(auth, await sha256(client)));
  return { credential: d.credential, auth_data: base64(auth), client_data: base64(client), signature: base64(signature) };
}

/** touch asks the passkey; the officer is present and verified. */
async function touch(question: Uint8Array<ArrayBuffer>): Promise<Assertion> {
  if (demo) return played(demo, question);
  if (lacks()) throw new Refused(lacks(), 0);
  let got: Credential | null;
  try {
    got = await navigator.credentials.get({ publicKey: {
      challenge: question, rpId: rp, userVerification: "required", timeout: 60_000,
      allowCredentials: credential ? [{ type: "public-key", id: bytes(credential) }] : [],
    } });
  } catch {
    throw new Refused("cancelled", 0);
  }
  if (!(got instanceof PublicKeyCredential)) throw new Refused("cancelled", 0);
  const r = got.response as AuthenticatorAssertionResponse;
  return { credential: base64(got.rawId), auth_data: base64(r.authenticatorData), client_data: base64(r.clientDataJSON), signature: base64(r.signature) };
}

/** certify makes the order key and has the passkey certify it. */
async function certify(): Promise<Key> {
  if (!globalThis.crypto?.subtle) throw new Refused("insecure", 0);
  const ch = await challenge();
  rp = ch.rp_id;
  offset = Date.parse(ch.at) - Date.now();
  const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
  const now = Date.now() + offset, expires = now + HOUR;
  const text = utf8(JSON.stringify({
    site: ch.site, gates: ch.gates, key: base64(await crypto.subtle.exportKey("raw", pair.publicKey)), nonce: ch.nonce,
    issued_at: new Date(now).toISOString(), expires_at: new Date(expires).toISOString(),
  }));
  const assertion = await touch(await sha256(join(utf8("egate/v1/order-key\0"), text)));
  return { pair, text, assertion, expires };
}

/** begin makes the key of a sign-in. With a demo officer this page plays his authenticator. */
export async function begin(as: Demo | null): Promise<{ order_key: string; assertion: Assertion }> {
  demo = as;
  key = null;
  credential = "";
  key = await certify();
  return { order_key: base64(key.text), assertion: key.assertion };
}

/** signed notes who is signed in: other ceremonies ask for that passkey. */
export function signed(me: Me, hi: Hello | null): void {
  credential = me.credential;
  demo = me.demo && hi?.demo ? hi.demo : null;
}

/** forget drops the key: after this no order can be signed. */
export function forget(): void {
  key = null;
  credential = "";
  demo = null;
}

/** held is the order key, made anew when this page has none or it ends soon. */
async function held(): Promise<Key> {
  if (key && key.expires - (Date.now() + offset) > SPARE) return key;
  making ??= certify().finally(() => { making = null; });
  return (key = await making);
}

interface Text { id: string; session: string; gate: string; name: string; passage?: string; reason?: string }

/** touched has the passkey touched for an order that needs it: before the order's short life begins. */
async function touched(me: Me, o: Text): Promise<Proof["fresh"]> {
  if (!me.fresh.includes(o.name)) return undefined;
  const at = Date.now() + offset;
  const text = ["egate/v1/fresh", o.id, o.gate, o.session, o.name, o.passage ?? "", o.reason ?? "", String(at)].join("\0");
  return { at: new Date(at).toISOString(), assertion: await touch(await sha256(utf8(text))) };
}

/** prove signs the exact bytes of an order. */
async function prove(payload: Uint8Array<ArrayBuffer>, fresh: Proof["fresh"]): Promise<Proof> {
  const k = await held();
  const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, k.pair.privateKey, join(utf8("egate/v1/cmd\0"), payload));
  return { order_key: base64(k.text), assertion: k.assertion, signature: base64(signature), ...(fresh && { fresh }) };
}

/** give signs an order and sends it. */
export async function give(me: Me, g: GateView, name: string, passage = "", dossier = "", why = "", to = ""): Promise<Answer> {
  await held();
  const id = base64url(crypto.getRandomValues(new Uint8Array(18)));
  const o: Text = { id, session: g.status.session, gate: g.gate, name, ...(passage && { passage }), ...(why && { reason: why }) };
  const fresh = await touched(me, o);
  const now = Date.now() + offset;
  const payload = utf8(JSON.stringify({
    id, gate: g.gate, session: g.status.session, epoch: g.status.epoch, name, principal: "console", officer: me.pseudonym,
    ...(passage && { passage }), ...(dossier && { dossier }), ...(why && { reason: why }), ...(to && { to }),
    issued_at: new Date(now).toISOString(), expires_at: new Date(now + LIFE).toISOString(),
  }));
  return send(base64(payload), await prove(payload, fresh));
}

/** confirm signs, as the second officer, the very bytes that the first one signed. */
export async function confirm(me: Me, g: GateView): Promise<Answer> {
  if (!g.second?.payload) throw new Refused("gone", 0);
  const payload = bytes(g.second.payload);
  const o = JSON.parse(new TextDecoder().decode(payload)) as Text;
  if (o.gate !== g.gate || o.name !== g.second.name) throw new Refused("gone", 0); // not what this page shows
  await held();
  return send(base64(payload), await prove(payload, await touched(me, o)), true);
}

/** enrol makes a passkey and returns its registration, for whoever signs the roster. */
export async function enrol(pseudonym: string): Promise<string> {
  if (lacks()) throw new Refused(lacks(), 0);
  const ch = await challenge();
  let made: Credential | null;
  try {
    made = await navigator.credentials.create({ publicKey: {
      challenge: bytes(ch.nonce), rp: { id: ch.rp_id, name: "egate " + ch.site },
      user: { id: crypto.getRandomValues(new Uint8Array(16)), name: pseudonym, displayName: pseudonym },
      pubKeyCredParams: [{ type: "public-key", alg: -7 }, { type: "public-key", alg: -8 }],
      authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" }, attestation: "none", timeout: 60_000,
    } });
  } catch {
    throw new Refused("cancelled", 0);
  }
  if (!(made instanceof PublicKeyCredential)) throw new Refused("cancelled", 0);
  const r = made.response as AuthenticatorAttestationResponse;
  return JSON.stringify({
    id: made.id, rawId: base64url(made.rawId), type: made.type,
    response: { clientDataJSON: base64url(r.clientDataJSON), attestationObject: base64url(r.attestationObject) },
  });
}
