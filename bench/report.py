# SPDX-License-Identifier: BSD-3-Clause
"""The table of ratios as text, and everything as one HTML page that needs no other file."""
import base64
import html
import json
from pathlib import Path

import plots
from scenario import verdict

FOLDER = Path(__file__).resolve().parent


def lines(results, kind):
    """The ratios or figures of all scenarios; with fewer cores than it takes none is judged."""
    return [{**line, "judged": "few_cores" not in s and line.get("judged", True)}
            for s in results["scenarios"].values() for line in s.get(kind, [])]


def remarks(results):
    """[(scenario, what is to be known of it before its lines are read)]"""
    found = []
    for name, s in results["scenarios"].items():
        for key, text in (("left_out", "left out"), ("failed", "FAILED"), ("few_cores", "not judged")):
            if key in s:
                found.append((name, f"{text}: {s[key].strip().splitlines()[-1]}"))
    return found


def number(value):
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def between(line):
    """Quartiles over the trials, or their pairs."""
    return f"{line['low']:.2f} to {line['high']:.2f}" if line.get("low") is not None else ""


def ratio_cells(line):
    return [line["what"], number(line["ours"]), number(line["theirs"]), line["unit"],
            f"{line['ratio']:.2f}", between(line), line["goal"],
            verdict(line["ratio"], line["goal"], line["judged"])]


def figure_cells(line):
    return [line["what"], number(line["value"]), line["unit"], between(line), line["goal"],
            verdict(line["value"], line["goal"], line["judged"])]


RATIO_HEADS = ["ratio", "ours", "theirs", "unit", "ours / theirs", "half of the pairs", "goal", ""]
FIGURE_HEADS = ["figure", "value", "unit", "half of the trials", "goal", ""]


def aligned(rows, left):
    """Rows of cells as text; the columns in `left` are words."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(c.ljust(w) if i in left else c.rjust(w)
                               for i, (c, w) in enumerate(zip(row, widths))).rstrip()
                     for row in rows)


def table(results):
    ratios = [RATIO_HEADS] + [ratio_cells(line) for line in lines(results, "ratios")]
    figures = [FIGURE_HEADS] + [figure_cells(line) for line in lines(results, "figures")]
    parts = [aligned(ratios, (0, 3, 6, 7))] if len(ratios) > 1 else []
    parts += [aligned(figures, (0, 2, 4, 5))] if len(figures) > 1 else []
    said = "\n".join(f"{name}: {text}" for name, text in remarks(results))
    return "\n\n".join(parts + [said] * bool(said) + [summary(results)])


def html_table(heads, rows, numbers, texts=(0,)):
    """The columns in `texts` may be broken into lines, the others not."""
    def cell(tag, i, text):
        kind = "number" if i in numbers else "" if i in texts else "short"
        kind = text if text in ("holds", "missed") else kind
        return f'<{tag} class="{kind}">{html.escape(text)}</{tag}>'

    def row(tag, cells):
        return "<tr>" + "".join(cell(tag, i, c) for i, c in enumerate(cells)) + "</tr>"

    made = [row("th", heads)] if heads else []
    made += [row("td", cells) for cells in rows]
    return '<div class="wide"><table>' + "\n".join(made) + "</table></div>"


def summary(results):
    """How many goals hold, in a sentence."""
    verdicts = [ratio_cells(line)[-1] for line in lines(results, "ratios")]
    verdicts += [figure_cells(line)[-1] for line in lines(results, "figures")]
    unjudged, silent = verdicts.count("not judged"), [n for n, s in results["scenarios"].items()
                                                      if "left_out" in s or "failed" in s]
    text = f"{verdicts.count('holds')} of {len(list(filter(None, verdicts))) - unjudged} goals hold."
    text += f" {unjudged} could not be judged." * bool(unjudged)
    return text + f" Nothing was measured by {', '.join(silent)}." * bool(silent)


def html_plots(results):
    made = []
    for plot in plots.draw(results):
        data = base64.b64encode(plot.png).decode("ascii")
        made.append(f'<figure><img src="data:image/png;base64,{data}" alt="{html.escape(plot.title)}">'
                    f"<figcaption>{html.escape(plot.caption)}</figcaption></figure>")
    return "\n".join(made)


def html_scenarios(results):
    said = dict(remarks(results))
    rows = [[name, s["about"], f"{s['seconds']:.0f} s" if "seconds" in s else "", said.get(name, "")]
            for name, s in results["scenarios"].items()]
    return html_table(["scenario", "what it compares", "time", ""], rows, (2,), (1, 3))


def write(folder, results):
    """Writes results.json and index.html; returns the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1), encoding="ascii")
    ratios = [ratio_cells(line) for line in lines(results, "ratios")]
    figures = [figure_cells(line) for line in lines(results, "figures")]
    page = (FOLDER / "report.html").read_text(encoding="utf-8")
    for key, text in (
            ("machine", html_table([], [list(i) for i in results["machine"].items()], ())),
            ("summary", summary(results)),
            ("ratios", html_table(RATIO_HEADS, ratios, (1, 2, 4, 5)) if ratios else ""),
            ("figures", html_table(FIGURE_HEADS, figures, (1, 3)) if figures else ""),
            ("plots", html_plots(results)), ("scenarios", html_scenarios(results))):
        page = page.replace("{{" + key + "}}", text)
    target = folder / "index.html"
    target.write_text(page, encoding="utf-8")
    return target
