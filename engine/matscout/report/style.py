"""The page's one style sheet: light and dark, screen, phone and paper.

Categories are Okabe and Ito's colours; values run along ColorBrewer's YlGnBu, the better the further
from the background. Both can be told apart with any kind of colour blindness.
"""

_RAMP = ("d3eecb", "a8ddc4", "7fcdbb", "41b6c4", "1d91c0", "2268ad", "253494", "081d58")

LEVELS = len(_RAMP)
"""Steps of the colour scale: classes v0 (worst) to v7 (best)."""


def _ramp(colours: tuple[str, ...]) -> str:
    return "".join(f"--v{i}:#{c};" for i, c in enumerate(colours))


STYLE = (
    ":root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--soft:#57606a;--rule:#d0d7de;"
    "--tile:#f6f8fa;--blue:#0072b2;--orange:#b86e00;--red:#c44500;--green:#007a5a;--band:#9aa4ae;"
    + _ramp(_RAMP)
    + "}@media (prefers-color-scheme:dark){:root{--paper:#14181d;--ink:#e6edf3;--soft:#9da7b3;"
    "--rule:#363d46;--tile:#1d232a;--blue:#56b4e9;--orange:#e69f00;--red:#ff7b42;--green:#2fc39a;"
    "--band:#77828e;"
    + _ramp(("24324a", "26467e", "2268ad", "1d91c0", "41b6c4", "7fcdbb", "c7e9b4", "f4fac8"))
    + "}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--paper);color:var(--ink);"
    "font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif}"
    "main,header,footer{max-width:66rem;margin:0 auto;padding:0 1rem}"
    "h1{font-size:1.6rem;line-height:1.25;margin:1.5rem 0 .25rem;overflow-wrap:anywhere}"
    "h2{font-size:1.2rem;margin:2.25rem 0 .5rem;border-bottom:1px solid var(--rule);"
    "padding-bottom:.25rem}"
    "h3{font-size:1rem;margin:1.25rem 0 .25rem}"
    "p{margin:.4rem 0;max-width:48rem;overflow-wrap:anywhere}"
    ".soft,figcaption,caption{color:var(--soft)}.small,figcaption,caption{font-size:.875rem}"
    ".bad{color:var(--red);font-weight:600}.good{color:var(--green);font-weight:600}"
    "nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1rem;list-style:none;margin:.75rem 0;padding:0;"
    "font-size:.875rem}a{color:var(--blue)}"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;"
    "margin:1rem 0;padding:0;list-style:none}"
    ".tiles li{background:var(--tile);border:1px solid var(--rule);border-radius:.5rem;"
    "padding:.6rem .8rem;overflow-wrap:anywhere}"
    ".tiles b{display:block;font-size:1.25rem;line-height:1.3}"
    ".tiles span{color:var(--soft);font-size:.8125rem}"
    ".pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:1.25rem}"
    ".many{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,17rem),1fr));gap:1rem}"
    "figure{margin:.75rem 0}figure>svg{width:100%;height:auto;display:block;max-width:36rem}"
    "@media (min-width:58rem){.beside{display:grid;grid-template-columns:36rem 1fr;gap:1.5rem}}"
    "figcaption{margin-top:.25rem;overflow-wrap:anywhere}"
    ".scroll{overflow-x:auto;margin:.75rem 0}"
    "table{border-collapse:collapse;font-size:.875rem;min-width:100%}"
    "caption{text-align:left;padding:.25rem 0;caption-side:top}"
    "th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--rule);vertical-align:top}"
    "th{font-weight:600;white-space:nowrap}td{overflow-wrap:break-word;max-width:26rem}"
    "td.long{min-width:14rem}"
    ".num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
    "code{font-size:.85em;overflow-wrap:anywhere}"
    ".legend{display:flex;flex-wrap:wrap;gap:.1rem 1rem;list-style:none;margin:.4rem 0 0;padding:0;"
    "font-size:.8125rem;color:var(--soft)}.legend svg{vertical-align:-2px}"
    ".ramp{display:inline-flex;vertical-align:-1px;margin:0 .4rem}"
    ".ramp i{width:.9rem;height:.7rem;display:inline-block}"
    + "".join(
        f".v{i}{{fill:var(--v{i})}}.ramp .v{i}{{background:var(--v{i})}}" for i in range(LEVELS)
    )
    + "svg text{fill:var(--ink);font:12px system-ui,'Segoe UI',Roboto,'Noto Sans',sans-serif}"
    "svg .tick{fill:var(--soft);font-size:11.5px}"
    ".grid{stroke:var(--rule);stroke-width:.6}.axis{stroke:var(--soft);fill:none}"
    ".line{fill:none;stroke-width:1.8;stroke-linejoin:round}"
    ".c-blue{stroke:var(--blue)}.c-orange{stroke:var(--orange)}.c-red{stroke:var(--red)}"
    ".c-band{stroke:var(--band);stroke-width:.8;opacity:.5}.thin{stroke-width:1.1;opacity:.75}"
    ".halo{paint-order:stroke;stroke:var(--paper);stroke-width:3px}svg .on-bar{fill:var(--paper)}"
    ".c-ink{stroke:var(--ink)}.c-soft{stroke:var(--soft);stroke-width:1.2;stroke-dasharray:5 4}"
    ".f-blue{fill:var(--blue)}.f-orange{fill:var(--orange)}.f-soft{fill:var(--soft)}"
    ".f-red{fill:var(--red)}.faint{opacity:.5}"
    ".f-band{fill:var(--band);opacity:.28}"
    ".measured{stroke:var(--ink);stroke-width:.9}"
    ".next{fill:none;stroke:var(--red);stroke-width:2}"
    ".unsure{fill:none;stroke:var(--orange);stroke-width:1.6}"
    "footer{margin-top:3rem;padding-bottom:2rem;color:var(--soft);font-size:.8125rem}"
    "@media print{:root{--paper:#fff;--ink:#000;--soft:#444;--rule:#bbb;--tile:#fff;--blue:#0072b2;"
    "--orange:#b86e00;--red:#c44500;--green:#007a5a;--band:#9aa4ae;"
    + _ramp(_RAMP)
    + "}body{font-size:10.5pt}nav{display:none}figure,tr,.tiles li{break-inside:avoid}"
    "h2,h3,caption,thead{break-after:avoid}.scroll{overflow:visible}}"
)
