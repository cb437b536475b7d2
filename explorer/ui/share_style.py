"""Where the quiet buttons of a figure and of a page stand, and text that can be read on the primary colour."""

STYLE = """
<style>
[class*="st-key-figure-"] { position: relative; padding-bottom: .9rem; }
.st-key-stage [class*="st-key-figure-"] { padding-bottom: 0; }
[class*="st-key-figure-"] > :has([data-testid="stDownloadButton"]) { position: absolute; right: 0; bottom: -.4rem; z-index: 4; width: auto; }
[class*="st-key-csv-"] button { border: 0; min-height: 0; padding: .1rem .45rem; background: transparent; opacity: .85; }
[class*="st-key-csv-"] button:hover, [class*="st-key-csv-"] button:focus-visible { opacity: 1; text-decoration: underline; }
[class*="st-key-csv-"] button p { font-size: .85rem; }
.st-key-stage [class*="st-key-csv-"] { display: none; }
.st-key-foot { margin-top: 1.2rem; padding-top: .8rem; border-top: 1px solid color-mix(in srgb, currentColor 16%, transparent); }
[data-testid="stBaseButton-primary"], [data-testid="stMultiSelectTagsContainer"] [data-tag] { color: ON_PRIMARY !important; }
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
</style>
"""
