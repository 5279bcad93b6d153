// A short tone for each new item of the queue: three severities, three figures (O-04).
let ctx: AudioContext | null = null;

const figures: Record<string, [at: number, freq: number, len: number][]> = {
  danger: [[0, 880, 0.18], [0.24, 660, 0.18], [0.48, 880, 0.3]],
  warning: [[0, 660, 0.2], [0.24, 660, 0.2]],
  notice: [[0, 520, 0.2]],
};

export function chime(severity: string): void {
  try {
    ctx ??= new AudioContext();
    if (ctx.state === "suspended") return void ctx.resume();
    for (const [at, freq, len] of figures[severity] ?? figures["notice"]!) {
      const osc = ctx.createOscillator(), vol = ctx.createGain(), t0 = ctx.currentTime + at;
      osc.frequency.value = freq;
      vol.gain.setValueAtTime(0, t0);
      vol.gain.linearRampToValueAtTime(0.1, t0 + 0.02);
      vol.gain.exponentialRampToValueAtTime(0.0001, t0 + len);
      osc.connect(vol).connect(ctx.destination);
      osc.start(t0);
      osc.stop(t0 + len + 0.05);
    }
  } catch { /* a desk without a loudspeaker is still a desk */ }
}
