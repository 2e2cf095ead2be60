"""Decision trees of the documents, drawn from left to right. What they say stands here, once in each language."""

from html import escape

SANS = "font-family='-apple-system,Segoe UI,Noto Sans,Noto Sans CJK SC,Microsoft YaHei,sans-serif'"
BOX, HEIGHT, GAP, ROW = 200, 52, 92, 66

# A question with its answers, each of which leads to a further one or to what is to be done.
TREES = {
    "accounts": {
        "": ("Is config.yaml mounted\nfrom a Secret or ConfigMap?", {
            "yes": ("May its account create,\nrename, drop databases?", {"yes": "write nothing", "no": "metadb.\ncredentialsSecretRef"}),
            "no": ("May its account do all that,\nand can the file be read?", {
                "yes": "metadb:\n{source: Container}", "no": "credentialsSecretRef,\naddress and databases"})}),
        ".zh-CN": ("config.yaml 是从 Secret 或\nConfigMap 挂载的吗？", {
            "是": ("其中的账号可以创建、\n重命名和删除库吗？", {"是": "不用写", "否": "metadb.\ncredentialsSecretRef"}),
            "否": ("其中的账号可以做到，\n并且文件可以读取吗？", {
                "是": "metadb:\n{source: Container}", "否": "credentialsSecretRef、\naddress 和 databases"})}),
    },
    "waits": {
        "": ("Finished?", {
            "True": ("Which phase?", {"Succeeded": "keep the object", "another": "fix the cause,\nthen a new object"}),
            "False": ("Planned?", {
                "True": ("Stalled?", {"True": "fix the findings,\nthen planRequest", "False": "action: Run; else a gate\nor a window keeps it"}),
                "False": ("Stalled?", {"True": "do what Ready says,\nthen retryRequest", "False": "it goes on by itself:\nsee status.waiting"})})}),
        ".zh-CN": ("Finished？", {
            "True": ("哪个阶段？", {"Succeeded": "保留该对象", "其他": "处理原因，\n然后创建新的对象"}),
            "False": ("Planned？", {
                "True": ("Stalled？", {"True": "处理问题，\n然后写 planRequest", "False": "action: Run；已设置时在\n等待关口或窗口"}),
                "False": ("Stalled？", {"True": "按 Ready 所说处理，\n然后写 retryRequest", "False": "会自动继续：\n见 status.waiting"})})}),
    },
}


def count_leaves(node):
    return sum(count_leaves(child) for child in node[1].values()) if isinstance(node, tuple) else 1


def measure_depth(node):
    return 1 + max(measure_depth(child) for child in node[1].values()) if isinstance(node, tuple) else 1


def draw_node(node, depth, top, parts):
    """Draws a node and what it leads to, from its first row on; gives the height at which it stands."""
    x, y = 14 + depth * (BOX + GAP), 14 + (top + count_leaves(node) / 2) * ROW - HEIGHT / 2
    is_question = isinstance(node, tuple)
    said = (node[0] if is_question else node).split("\n")
    row = top
    for answer, child in node[1].items() if is_question else ():
        to = draw_node(child, depth + 1, row, parts)
        row += count_leaves(child)
        parts.append(f"<path d='M{x + BOX} {y + HEIGHT / 2:g}h14V{to:g}h{GAP - 14}' fill='none' stroke='#57606a' stroke-width='1.5'/>")
        parts.append(f"<text x='{x + BOX + 20}' y='{to - 5:g}' fill='#57606a' font-size='12' {SANS}>{escape(answer)}</text>")
    fill, stroke, corner = ("#ddf4ff", "#0969da", 22) if is_question else ("#dafbe1", "#1a7f37", 4)
    parts.append(f"<rect x='{x}' y='{y:g}' width='{BOX}' height='{HEIGHT}' rx='{corner}' fill='{fill}' stroke='{stroke}'/>")
    for number, line in enumerate(said):
        at = y + HEIGHT / 2 + 5 + (number - (len(said) - 1) / 2) * 17
        parts.append(f"<text x='{x + BOX / 2:g}' y='{at:g}' fill='#24292f' font-size='13' text-anchor='middle' {SANS}>{escape(line)}</text>")
    return y + HEIGHT / 2


def draw_tree(tree):
    """(width, height, parts) of a whole tree."""
    parts = []
    draw_node(tree, 0, 0, parts)
    depth = measure_depth(tree)
    return 28 + depth * BOX + (depth - 1) * GAP, 28 + count_leaves(tree) * ROW, parts
