"""What the stage looks like: full bleed, dark unless it is switched to light, and the keys that Streamlit lacks."""

from __future__ import annotations

from explorer.palette import Palette

_CSS = """
<style>
.st-key-frame, [data-testid="stSidebar"], [data-testid="stExpandSidebarButton"] { display: none !important; }
.stApp, [data-testid="stMain"] { background: PAPER; color: INK; }
[data-testid="stMain"] { overflow: hidden; }
[data-testid="stMainBlockContainer"] { padding: 0 3vw !important; max-width: none !important; }
[data-testid="stAppToolbar"], [data-testid="stToolbar"] { opacity: .35; }
.st-key-stage { gap: 0; }
.st-key-stage > :has(> .st-key-picture) { height: calc(100dvh - 68px - SENTENCE); }
.st-key-stage:has(.st-key-reveal) > :has(> .st-key-picture) { height: calc(100dvh - 122px - SENTENCE); }
.st-key-picture { gap: 0; }
.st-key-picture.st-key-picture > *, .st-key-picture [data-testid="stFullScreenFrame"], .st-key-picture [data-testid="stPlotlyChart"] {
  height: 100% !important; }
.sentence { font-size: clamp(26px, 2.6vw, 44px) !important; line-height: 1.22 !important; font-weight: 600 !important;
  color: INK; text-wrap: balance; text-align: center; padding: .9rem 3rem 0 3rem !important; margin: 0 !important;
  height: SENTENCE; display: flex; align-items: center; justify-content: center;
  font-variant-numeric: tabular-nums; letter-spacing: -.005em; }
.st-key-stage_bar { position: fixed; bottom: 0; left: 0; right: 0; height: 64px; padding: 0 3vw; z-index: 95; background: PAPER;
  justify-content: center; }
.st-key-stage_bar button, .st-key-stage button { background: transparent; border: 1px solid NULL; color: INK; }
.st-key-stage_bar button:hover, .st-key-stage button:hover { border-color: SOURCE; color: INK; }
.st-key-stage_bar button p, .st-key-stage button p { font-size: 18px; }
.st-key-stage .updatemenu-button { cursor: pointer; }
.st-key-reveal { align-self: center; padding-bottom: .3rem; }
.st-key-scene { flex: 1 1 auto !important; width: auto !important; }
.st-key-scene [role="radiogroup"] { justify-content: center; gap: .35rem; }
.st-key-scene button { border: 0 !important; background: transparent !important; color: INK !important; border-radius: 1rem !important; min-width: 26px; min-height: 26px; padding: 0 4px; }
.st-key-scene button p { font-size: 0; }
.st-key-scene button::before { content: ""; flex: 0 0 auto; width: 13px; height: 13px; border-radius: 50%; border: 2px solid INK; }
.st-key-scene button[aria-checked="true"]::before { background: SOURCE; border-color: SOURCE; }
.st-key-scene button[aria-checked="true"] p, .st-key-scene button:hover p, .st-key-scene button:focus-visible p {
  font-size: 18px; padding-left: .4rem; }
.stage-lanes { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 0 1.6vw; height: calc(100dvh - 142px - SENTENCE); overflow: hidden; }
.stage-lanes section { border-top: 6px solid var(--lane); padding-top: .4rem; }
.stage-lanes h2 { font-size: 24px !important; font-weight: 600 !important; padding: 0 !important; margin: 0 0 .4rem 0 !important; color: INK; }
.stage-lanes .text { font-size: clamp(20px, 1.65vw, 30px); line-height: 1.42; white-space: pre-wrap; overflow-wrap: anywhere; color: INK; }
.stage-lanes .prompt { opacity: .72; }
.stage-lanes u { text-decoration: underline; text-decoration-thickness: 3px; text-underline-offset: 4px;
  text-decoration-color: var(--lane); }
.stage-status { font-size: 20px; color: INK; margin: 0; }
.notes { position: fixed; left: 3vw; right: 3vw; bottom: 70px; z-index: 96; padding: .8rem 1.2rem; font-size: 19px;
  line-height: 1.45; background: PAPER; color: INK; border: 2px solid SOURCE; border-radius: .5rem; }
@media (max-width: 900px) {
  .st-key-stage_bar { height: auto; flex-wrap: wrap; gap: .3rem; padding-bottom: .4rem; }
  .st-key-stage > :has(> .st-key-picture) { height: calc(100dvh - 130px - SENTENCE); }
  .sentence { font-size: 21px !important; padding: 1rem .2rem .3rem .2rem !important; }
}
</style>
"""

KEYS = """
<script>
if (!window.stageKeys) {
  window.stageKeys = true;
  const press = (selector) => document.querySelector(selector)?.click();
  document.addEventListener("keydown", (event) => {
    if (!document.querySelector(".st-key-stage") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("input, textarea, [contenteditable=true]")) return;
    if (event.key === "PageDown") { event.preventDefault(); press(".st-key-stage_next button"); }
    if (event.key === "PageUp") { event.preventDefault(); press(".st-key-stage_back button"); }
    const idle = !event.target.closest?.("button, a, summary, [role=radio], [role=button]");
    if (event.key === "t" || (event.key === " " && idle)) {
      const turn = document.querySelector(".st-key-stage .updatemenu-button");
      if (turn) { event.preventDefault(); turn.dispatchEvent(new MouseEvent("click", { bubbles: true })); }
      else press(".st-key-reveal button, .st-key-stage_live button");
    }
  });
}
</script>
"""
"""A presenter's remote sends Page Down and Page Up; Space (or T) turns the dial in the browser, without the server."""


def style(palette: Palette) -> str:
    """The stage's CSS in the colours of a palette."""
    css = _CSS.replace("PAPER", palette.paper).replace("INK", palette.ink).replace("SENTENCE", "7.2rem")
    return css.replace("NULL", palette.null).replace("SOURCE", palette.source)
