"""What the table of claims looks like: four columns of one line each, stacked on a narrow screen."""

STYLE = """
<style>
.claims { display: grid; grid-template-columns: minmax(11rem, 1.1fr) minmax(12rem, 1.2fr) minmax(14rem, 1.5fr) minmax(15rem, 1.8fr); }
.claims > * { display: contents; }
.claims > * > * { padding: .65rem 1.4rem .75rem 0; border-top: 1px solid color-mix(in srgb, currentColor 18%, transparent); line-height: 1.42; }
.claims > .head > * { border: 0; padding-bottom: .2rem; font-weight: 400; opacity: .8; text-align: left; }
.claims .name { font-weight: 650; }
.claims .mark { display: block; font-weight: 400; white-space: nowrap; margin-top: .15rem; }
.claims .ours, .claims .paper, .claims .control { font-variant-numeric: tabular-nums; }
.claims a { color: inherit !important; text-decoration: underline; text-underline-offset: 3px; white-space: nowrap; }
.claims .none { opacity: .8; }
@media (max-width: 900px) {
  .claims { grid-template-columns: minmax(0, 1fr); }
  .claims > .head { display: none; }
  .claims > * > * { border: 0; padding: .1rem 0; }
  .claims > * > .name { border-top: 1px solid currentColor; padding-top: .7rem; }
  .claims .paper::before { content: "Paper: "; } .claims .ours::before { content: "Here: "; } .claims .control::before { content: "Control: "; }
}
</style>
"""
