"""Reads the pages: headings, anchors, links, blocks of code, commands."""

import glob
import os
import re
from dataclasses import dataclass

import helm

FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.S | re.M)


def read(path):
    """A file of the project, by its path from the root."""
    with open(os.path.join(helm.ROOT, path), encoding="utf-8") as file:
        return file.read()


def pages():
    """Everything that is written for people, by its path from the root."""
    found = ["README.md", "README.zh-CN.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
    for pattern in ("docs/*.md", "docs/zh-CN/*.md", "charts/*/README.md", "tests/*/README.md"):
        found += sorted(os.path.relpath(path, helm.ROOT) for path in glob.glob(os.path.join(helm.ROOT, pattern)))
    return [page for page in found if os.path.exists(os.path.join(helm.ROOT, page))]


@dataclass(frozen=True)
class Block:
    """A block of code; commands have no language."""

    page: str
    language: str
    text: str


def blocks(page):
    """The blocks of a page, without their indentation."""
    found = []
    for indent, language, body in FENCE.findall(read(page)):
        lines = [line[len(indent):] if line.startswith(indent) else line for line in body.splitlines()]
        found.append(Block(page, language, "\n".join(lines)))
    return found


def prose(page):
    """A page without its blocks."""
    return FENCE.sub("", read(page))


def commands(text):
    """The commands of a block: continued lines joined, comments left out."""
    found, open_quote, command = [], "", ""
    for line in text.splitlines():
        kept = ""
        for number, letter in enumerate(line):
            if open_quote:
                open_quote = "" if letter == open_quote else open_quote
            elif letter in "'\"":
                open_quote = letter
            elif letter == "#" and (number == 0 or line[number - 1] == " "):
                break
            kept += letter
        continued = not open_quote and kept.endswith("\\")
        command += kept[:-1].rstrip() if continued else kept + ("\n" if open_quote else "")
        if continued:
            command += " "
        # A pipe at the end goes on in the next line, too.
        elif not open_quote and not command.rstrip().endswith("|"):
            found.append(" ".join(command.split(" ")).strip())
            command = ""
    return [re.sub(r"  +", " ", one) for one in found if one]


def find_command(page, beginning):
    """The command of a page that begins so, pipes and all. The same one may stand there twice, two different ones may not."""
    found = {command for block in blocks(page) if not block.language for command in commands(block.text) if command.startswith(beginning)}
    if len(found) != 1:
        raise AssertionError(f"{page} has {len(found)} commands that begin with {beginning!r}, not one: {sorted(found)}")
    return found.pop()


def find_block(page, word, language="yaml"):
    """The one block of a page with a word in it."""
    found = [block.text for block in blocks(page) if block.language == language and word in block.text]
    if len(found) != 1:
        raise AssertionError(f"{page} has {len(found)} blocks of {language} with {word!r}, not one")
    return found[0]


def headings(page):
    """(level, text) of each heading."""
    return [(len(marks), text.strip()) for marks, text in re.findall(r"^(#+) (.+)$", prose(page), re.M)]


def slug(text):
    """The anchor of a heading, as GitHub and mdBook make it."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).replace("`", "")
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def anchors(page):
    """Everything on a page that a link can lead to."""
    return {slug(text) for _, text in headings(page)} | set(re.findall(r'<a id="([^"]+)"></a>', read(page)))


def links(page):
    """(target without its anchor, anchor) of each link and picture."""
    return [(target, anchor) for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", prose(page))]
