#!/usr/bin/python3
"""Makes the pictures of the documents, docs/images/*.svg, from what is checked in beside them.

    scripts/pictures.py              writes
    scripts/pictures.py --check      writes nothing; fails when a picture is not what its source says
    scripts/pictures.py --record FILE    takes what `make demo >FILE` printed as the new recording, then writes

| Picture | Made from |
|---|---|
| upgrade | tests/demo/recorded.txt, what `make demo` printed |
| timeline, timeline.zh-CN | the table of phases in docs/what-happens.md, itself generated from the steps |
| data, data.zh-CN | the words below |
| accounts, waits, in both languages | scripts/decision_trees.py |

May touch: docs/images, tests/demo/recorded.txt.
"""

import os
import re
import sys
from html import escape

from decision_trees import SANS, TREES, draw_tree

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDER = os.path.join("docs", "images")
RECORDED = os.path.join("tests", "demo", "recorded.txt")
PHASES = os.path.join("docs", "what-happens.md")
# A terminal of this many columns; longer lines end in an ellipsis.
COLUMNS = 112
CELL, LINE = 7.6, 19
MONO = "font-family='ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace'"
# The phases in which OMS does not run, or not as one works with it.
DOWN = ("BackingUp", "VerifyingBackup", "Starting", "Initializing", "Restarting")
WORDS = {
    "": {"runs": "the old version runs", "down": "OMS is down", "new": "the new version runs", "line": "point of no return",
         "before": "on failure: everything as before", "after": "on failure: rolled back",
         "waits": "waits for you"},
    ".zh-CN": {"runs": "旧版本运行", "down": "OMS 停机", "new": "新版本运行", "line": "不可逆点",
               "before": "失败时：一切恢复原状", "after": "失败时：回滚",
               "waits": "等待人工处理"},
}
DATA = {
    "": [("MetaDB", ["databases of OMS: dumped whole, restored whole", "oms_operator_lock: lock and record", "…__omsprobe_ …__omsverify_ …__omsrestore_",
                     "…__omsnew_: what a rollback replaced"]),
         ("Claim for the backup", ["<upgrade>/attempt-<n>/*.sql.zst", "manifest.json, written last", "holds passwords of your data sources"]),
         ("Namespace of OMS", ["OmsUpgrade: no secrets", "Deployments: the original, in an annotation", "Secret oms-<id>-originals: once more", "Jobs"]),
         ("Nodes of OMS", ["/home/admin/logs  /home/ds/store", "/home/ds/run", "neither saved nor rolled back"])],
    ".zh-CN": [("元信息库（MetaDB）", ["OMS 的库：整体备份，整体恢复", "oms_operator_lock：锁与记录", "…__omsprobe_ …__omsverify_ …__omsrestore_",
                                "…__omsnew_：回滚时被替换的内容"]),
               ("备份用 PVC", ["<升级名>/attempt-<n>/*.sql.zst", "manifest.json，最后写入", "含有数据源的密码"]),
               ("OMS 所在命名空间", ["OmsUpgrade：不含密码", "Deployment：原状记录在注解里", "Secret oms-<id>-originals：再存一份", "Job"]),
               ("OMS 节点", ["/home/admin/logs  /home/ds/store", "/home/ds/run", "既不备份，也不回滚"])],
}


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def text(x, y, words, colour="#24292f", size=13, more=""):
    return f"<text x='{x:g}' y='{y:g}' fill='{colour}' font-size='{size}' {more}>{escape(words)}</text>"


def frame(width, height, parts, title, background="#ffffff"):
    """A whole picture; its title is what a screen reader says."""
    return (f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:g} {height:g}' width='{width:g}' height='{height:g}' role='img'>"
            f"<title>{escape(title)}</title><rect width='100%' height='100%' rx='8' fill='{background}'/>\n" + "\n".join(parts) + "\n</svg>\n")


def colour_of(line):
    """What a line of the demo's view says, by its head."""
    if line.startswith("$"):
        return "#ffffff"
    head = line[10:]
    if head.startswith("  waits"):
        return "#d29922"
    if "=True" in head[:45]:
        return "#3fb950"
    if head.startswith("  "):
        return "#8b949e"
    return "#3fb950" if head.startswith("Succeeded") else "#58a6ff"


def draw_upgrade():
    lines = [line[:COLUMNS - 1] + "…" if len(line) > COLUMNS else line for line in read(RECORDED).partition("\n\n")[0].splitlines()]
    parts = [f"<circle cx='{x}' cy='16' r='5' fill='{dot}'/>" for x, dot in ((18, "#ff5f56"), (36, "#ffbd2e"), (54, "#27c93f"))]
    for number, line in enumerate(lines):
        y, kept = 50 + number * LINE, "xml:space='preserve' "
        colour = colour_of(line)
        # The time, the head in the colour of what it says, the words.
        for begin, end, shade in ((0, 10, "#8b949e"), (10, 53, colour), (53, COLUMNS, "#c9d1d9")) if line[:1] == " " else ((0, COLUMNS, colour),):
            piece = line[begin:end].rstrip()
            lead = len(piece) - len(piece.lstrip())
            if piece.strip():
                width = (len(piece) - lead) * CELL
                parts.append(text(16 + (begin + lead) * CELL, y, piece.strip(), shade, 13,
                                  kept + MONO + f" textLength='{width:g}' lengthAdjust='spacingAndGlyphs'"))
    return frame(32 + COLUMNS * CELL, 50 + len(lines) * LINE, parts, "an upgrade in the demo", "#0d1117")


def read_phases():
    """Phases that are passed on the way forward, and how many of them come before the point of no return."""
    table = read(PHASES).partition("<!-- table of phases")[2].partition("<!-- end of table")[0]
    rows = re.findall(r"^\| (\w+|) *\| (.*?) \|", table, re.M)
    names = [name for name, _ in rows if name not in ("Phase", "Planned")]
    return [name for name in names if name], names.index("")


def draw_timeline(language):
    words, (phases, line) = WORDS[language], read_phases()
    step, left, parts = 90, 14, []
    x_of = lambda number: left + number * step  # noqa: E731
    down = [number for number, phase in enumerate(phases) if phase in DOWN]
    stopped = down[0] - 0.5
    bands = ((0, stopped, "#2da44e", words["runs"]), (stopped, down[-1] + 1, "#cf222e", words["down"]),
             (down[-1] + 1, len(phases), "#2da44e", words["new"]))
    for begin, end, colour, said in bands:
        parts.append(f"<rect x='{x_of(begin):g}' y='20' width='{(end - begin) * step - 3:g}' height='30' rx='4' fill='{colour}'/>")
        parts.append(text(x_of((begin + end) / 2), 40, said, "#ffffff", 13, SANS + " text-anchor='middle' font-weight='600'"))
    for number, phase in enumerate(phases):
        # Long names in two lines, between words.
        pieces = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", phase).split() if len(phase) > 12 else [phase]
        for row, piece in enumerate(pieces):
            parts.append(text(x_of(number + 0.5), 76 + 15 * row, piece, "#24292f", 12, MONO + " text-anchor='middle'"))
        parts.append(f"<circle cx='{x_of(number + 0.5):g}' cy='58' r='3' fill='#57606a'/>")
    enabling = phases.index("EnablingHa")
    x = x_of(line)
    parts.append(f"<path d='M{x:g} 8V150' stroke='#bc4c00' stroke-width='3' stroke-dasharray='6 4'/>")
    parts.append(text(x, 168, words["line"], "#bc4c00", 14, SANS + " text-anchor='middle' font-weight='700'"))
    for begin, end, said in ((0, line, words["before"]), (line, enabling, words["after"]), (enabling, len(phases) - 1, words["waits"])):
        parts.append(f"<path d='M{x_of(begin) + 6:g} 116H{x_of(end) - 6:g}' stroke='#57606a' stroke-width='2'/>")
        parts.append(text(x_of((begin + end) / 2), 136, said, "#57606a", 12, SANS + " text-anchor='middle'"))
    return frame(2 * left + len(phases) * step, 184, parts, words["line"])


def draw_data(language):
    parts, width, height = [], 370, 150
    for number, (place, rows) in enumerate(DATA[language]):
        x, y = 14 + (number % 2) * (width + 14), 14 + (number // 2) * (height + 14)
        parts.append(f"<rect x='{x}' y='{y}' width='{width}' height='{height}' rx='6' fill='#f6f8fa' stroke='#8c959f'/>")
        parts.append(text(x + 14, y + 27, place, "#0969da", 15, SANS + " font-weight='700'"))
        parts += [text(x + 14, y + 55 + 22 * row, said, "#24292f", 13, SANS) for row, said in enumerate(rows)]
    return frame(3 * 14 + 2 * width, 3 * 14 + 2 * height, parts, DATA[language][0][0])


def draw_all():
    """Path → picture."""
    pictures = {"upgrade.svg": draw_upgrade()}
    for language in WORDS:
        pictures[f"timeline{language}.svg"] = draw_timeline(language)
        pictures[f"data{language}.svg"] = draw_data(language)
        for name, trees in TREES.items():
            width, height, parts = draw_tree(trees[language])
            pictures[f"{name}{language}.svg"] = frame(width, height, parts, trees[language][0].replace("\n", " "))
    return {os.path.join(FOLDER, name): picture for name, picture in pictures.items()}


def record(path):
    """Keeps what a demo printed from the upgrade on; what comes before and after is the machine's own."""
    with open(path, encoding="utf-8") as file:
        printed = file.read()
    begin, end = printed.find("$ kubectl apply"), printed.find("The cluster stays up.")
    if begin < 0 or end < begin or "\nSucceeded after " not in printed:
        sys.exit(f"pictures: {path} is not the output of a demo that succeeded")
    with open(os.path.join(ROOT, RECORDED), "w", encoding="utf-8") as file:
        file.write(printed[begin:end].rstrip() + "\n")


def main():
    stale = False
    if sys.argv[1:2] == ["--record"]:
        record(sys.argv[2])
    for path, picture in draw_all().items():
        full = os.path.join(ROOT, path)
        if os.path.exists(full) and read(path) == picture:
            continue
        if sys.argv[1:] == ["--check"]:
            print(f"pictures: {path} is not up to date; run scripts/pictures.py", file=sys.stderr)
            stale = True
        else:
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as file:
                file.write(picture)
            print(f"wrote {path}")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
