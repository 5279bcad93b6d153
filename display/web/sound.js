// Soft tones beside light and text. A kiosk browser may play without a touch; elsewhere
// the first touch unlocks them. Every referral sounds alike, whatever its reason.
let ctx = null;

function tone(at, freq, len, gain = 0.08) {
  const osc = ctx.createOscillator(), vol = ctx.createGain();
  osc.frequency.value = freq;
  osc.type = "sine";
  vol.gain.setValueAtTime(0, at);
  vol.gain.linearRampToValueAtTime(gain, at + 0.02);
  vol.gain.exponentialRampToValueAtTime(0.0001, at + len);
  osc.connect(vol).connect(ctx.destination);
  osc.start(at);
  osc.stop(at + len + 0.05);
}

const tunes = {
  step: [[0, 660, 0.16]],
  go: [[0, 660, 0.16], [0.15, 880, 0.3]],
  refer: [[0, 440, 0.25], [0.22, 440, 0.25]],
  stop: [[0, 330, 0.35], [0.4, 330, 0.35], [0.8, 330, 0.35]],
  time: [[0, 740, 0.1], [0.18, 740, 0.1]],
};

export function play(name) {
  try {
    ctx ??= new AudioContext();
    if (ctx.state === "suspended") { void ctx.resume().catch(() => {}); return; }
    for (const [t, f, l] of tunes[name] ?? []) tone(ctx.currentTime + t, f, l);
  } catch { /* a screen without a loudspeaker is still a screen */ }
}
