#!/usr/bin/python3
"""Writes what values.yaml says of each value into the chart's README.md (a table) and values.schema.json (descriptions).

    scripts/chart_values.py              writes
    scripts/chart_values.py --check      writes nothing; fails when one of them is not what values.yaml says

A comment belongs to the value right below it. May touch: charts/oms-operator/README.md and values.schema.json.
"""

import json
import os
import re
import sys

import yaml

CHART = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "charts", "oms-operator")
BEGIN, END = "<!-- table of values: generated from values.yaml -->\n\n", "\n<!-- end of table of values -->"
# Longer defaults are looked up in values.yaml.
SHOWN = 40


def read(name):
    with open(os.path.join(CHART, name), encoding="utf-8") as file:
        return file.read()


def read_comments(text):
    """Path of a value → its comment, in the order of the file."""
    comments, path, comment = {}, [], []
    for line in text.splitlines():
        bare = line.strip()
        found = re.match(r"( *)([A-Za-z_]+):", line)
        if bare.startswith("#"):
            comment.append(bare.lstrip("# "))
        elif found:
            path = [*path[:len(found.group(1)) // 2], found.group(2)]
            if comment:
                comments[tuple(path)] = " ".join(comment)
            comment = []
        else:
            comment = []
    return comments


def find(values, path):
    for name in path:
        values = values[name]
    return values


def list_leaves(values, comments, path=()):
    """Values that are described as one: those with a comment, and those that hold no further ones."""
    for name, value in values.items():
        here = (*path, name)
        if here in comments or not isinstance(value, dict) or not value:
            yield here
        else:
            yield from list_leaves(value, comments, here)


def describe_default(value):
    text = json.dumps(value, ensure_ascii=False)
    if value == "":
        return ""
    return f"`{value if isinstance(value, str) else text}`" if len(text) <= SHOWN else "see [values.yaml](values.yaml)"


def write_readme(values, comments, page):
    rows = ["| Value | Default | Meaning |", "|---|---|---|"]
    for path in list_leaves(values, comments):
        rows.append(f"| `{'.'.join(path)}` | {describe_default(find(values, path))} | {comments[path]} |")
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return head + BEGIN + "\n".join(rows) + "\n" + END + tail


def write_schema(comments, text):
    schema = json.loads(text)
    for path, comment in comments.items():
        place = schema
        for name in path:
            place = place["properties"][name]
        # First, where a reader looks for it.
        rest = {key: value for key, value in place.items() if key != "description"}
        place.clear()
        place.update({"description": comment, **rest})
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main():
    text = read("values.yaml")
    values, comments = yaml.safe_load(text), read_comments(text)
    silent = [".".join(path) for path in list_leaves(values, comments) if path not in comments]
    if silent:
        sys.exit(f"chart_values: values.yaml says nothing about {', '.join(silent)}")
    fresh = {"README.md": write_readme(values, comments, read("README.md")),
             "values.schema.json": write_schema(comments, read("values.schema.json"))}
    stale = [name for name, content in fresh.items() if content != read(name)]
    if sys.argv[1:] == ["--check"]:
        for name in stale:
            print(f"chart_values: charts/oms-operator/{name} is not up to date; run scripts/chart_values.py", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        with open(os.path.join(CHART, name), "w", encoding="utf-8") as file:
            file.write(fresh[name])
        print(f"wrote charts/oms-operator/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
