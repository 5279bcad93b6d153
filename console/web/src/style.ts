import { css } from "lit";

// One sober palette for a long shift: neutral ground, colour only for what differs from normal.
export const base = css`
  :host {
    --ground: #13161b; --panel: #1a1e25; --raise: #222832; --line: #2d3541; --edge: #465264;
    --ink: #e6e9ee; --soft: #a4aebb; --faint: #8a95a5;
    --ok: #62c893; --info: #84b9f5; --warn: #e6b450; --bad: #ff8a80;
    --ok-deep: #143526; --info-deep: #14304f; --warn-deep: #40310d; --bad-deep: #4d1b18;
    color: var(--ink);
    font: 400 14px/1.45 "Noto Sans", "DejaVu Sans", system-ui, sans-serif;
    font-variant-numeric: tabular-nums;
  }
  * { box-sizing: border-box; }
  [hidden] { display: none !important; }
  h1, h2, h3, p { margin: 0; }
  h2 { font-size: 13px; font-weight: 600; color: var(--soft); letter-spacing: .02em; }
  button, select, input { font: inherit; color: inherit; }
  button {
    min-height: var(--tall, 34px); padding: 0 12px; border: 1px solid var(--edge); border-radius: 7px;
    background: var(--raise); cursor: pointer; white-space: nowrap; transition: background-color 120ms, border-color 120ms;
  }
  button:hover:not(:disabled) { background: #2c3440; border-color: #5d6b80; }
  button:disabled { opacity: .45; cursor: default; }
  button.main { background: #2b5f9c; border-color: #3c77ba; color: #fff; font-weight: 600; }
  button.main:hover:not(:disabled) { background: #3470b5; }
  button.good { background: #1f6a47; border-color: #2f8a5f; color: #fff; font-weight: 600; }
  button.good:hover:not(:disabled) { background: #257a53; }
  button.risk { background: var(--bad-deep); border-color: #8a3a34; color: #ffd9d5; }
  button.risk:hover:not(:disabled) { background: #642520; }
  button.quiet { background: transparent; border-color: transparent; color: var(--soft); }
  button.quiet:hover:not(:disabled) { background: var(--raise); color: var(--ink); }
  button.sure { background: var(--warn); border-color: var(--warn); color: #221a00; font-weight: 700; }
  :focus-visible { outline: 2px solid #ffd54a; outline-offset: 2px; }
  select, input { min-height: 36px; padding: 0 10px; border: 1px solid var(--edge); border-radius: 7px; background: var(--ground); }
  .pill { display: inline-flex; align-items: center; gap: 6px; padding: 1px 9px; border-radius: 99px; font-size: 12px; line-height: 20px; border: 1px solid var(--line); color: var(--soft); white-space: nowrap; }
  .pill::before { content: ""; width: 7px; height: 7px; border-radius: 50%; background: var(--faint); }
  .pill.ok::before { background: var(--ok); }
  .pill.warn { color: #f6d68e; border-color: #6a5420; background: var(--warn-deep); }
  .pill.warn::before { background: var(--warn); border-radius: 1px; transform: rotate(45deg); }
  .pill.bad { color: #ffc4be; border-color: #8a3a34; background: var(--bad-deep); }
  .pill.bad::before { background: var(--bad); border-radius: 1px; }
  .pill.info { color: #bcd9fb; border-color: #2d5688; background: var(--info-deep); }
  .pill.info::before { background: var(--info); }
  .num { font-variant-numeric: tabular-nums; }
  .sim { background: repeating-linear-gradient(-45deg, #ffd54a 0 10px, #ffe07a 10px 20px); color: #221a00; font-weight: 800; font-size: 11px; letter-spacing: .12em; padding: 2px 10px; border-radius: 4px; }
  :lang(ar) .sim { letter-spacing: 0; }
`;
