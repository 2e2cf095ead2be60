#!/usr/bin/python3
"""Makes the site of the documents in .cache/site/html, and looks whether every link in it leads somewhere.

    scripts/site.py

The pages are copied as they lie in the project, with what they link to, so that a link works here and there. Needs mdBook in .cache/mdbook
(scripts/setup.sh). May touch: .cache/site.
"""

import html.parser
import os
import re
import shutil
import subprocess
import sys
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MDBOOK = os.path.join(ROOT, ".cache", "mdbook", "bin", "mdbook")
SITE = os.path.join(ROOT, ".cache", "site")
SOURCE, OUTPUT = os.path.join(SITE, "src"), os.path.join(SITE, "html")
SUMMARY = os.path.join("docs", "SUMMARY.md")
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def list_targets(page):
    """Paths from the root of what a page links to, as far as it is in the project."""
    found = [os.path.normpath(os.path.join(os.path.dirname(page), target)) for target, _ in LINK.findall(read(page)) if "://" not in target]
    return [path for path in found if os.path.exists(os.path.join(ROOT, path))]


def copy(path, text=None):
    target = os.path.join(SOURCE, path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if text is None:
        shutil.copyfile(os.path.join(ROOT, path), target)
    else:
        with open(target, "w", encoding="utf-8") as file:
            file.write(text)


def gather():
    """Copies the pages of the summary, and what they link to; the summary gets paths from the root."""
    shutil.rmtree(SITE, ignore_errors=True)
    pages, files = [], set()
    for page in list_targets(SUMMARY):
        pages.append(page)
        files |= {target for target in list_targets(page) if os.path.isfile(os.path.join(ROOT, target))}
    more = sorted(path for path in files if path.endswith(".md") and path not in pages and path != SUMMARY)
    for page in more:
        files |= {target for target in list_targets(page) if os.path.isfile(os.path.join(ROOT, target)) and not target.endswith(".md")}
    for path in sorted(files - set(pages) - set(more) - {SUMMARY}):
        copy(path)
    for page in [*pages, *more]:
        copy(page, rewrite(page, {*pages, *more, *files}))
    summary = LINK.sub(lambda found: f"]({os.path.normpath(os.path.join('docs', found.group(1)))})", read(SUMMARY))
    summary += "\n# More\n\n" + "".join(f"- [{title(page)}]({page})\n" for page in more)
    copy("SUMMARY.md", summary)


def title(page):
    """The first heading of a page, and where it lies when that does not tell."""
    heading = re.search(r"^# (.+)$", read(page), re.M).group(1)
    return f"{heading} ({os.path.dirname(page)})" if page.endswith("README.md") else heading


def rewrite(page, known):
    """A page whose links to what is not on the site are plain words; the summary is the site's list at the left."""
    def judge(found):
        words, target = found.group(1), found.group(2)
        if "://" in target or target.startswith("#"):
            return found.group(0)
        path = os.path.normpath(os.path.join(os.path.dirname(page), target.partition("#")[0]))
        return found.group(0) if path in known and path != SUMMARY else words
    return re.sub(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)", judge, read(page))


class Page(html.parser.HTMLParser):
    """Links and anchors of a page of the site."""

    def __init__(self, text):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.links += [given[name] for name in ("href", "src") if given.get(name)]
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}


def list_dead_links():
    """Lines that name a page and a link of it that leads nowhere, and how many pages there are."""
    pages = {}
    for folder, _, names in os.walk(OUTPUT):
        for name in names:
            if name.endswith(".html"):
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8") as file:
                    pages[path] = Page(file.read())
    dead = []
    for path, page in pages.items():
        # The page for printing holds all others and their links; what answers for a missing page may be asked for from anywhere.
        if os.path.basename(path) in ("print.html", "404.html", "toc.html"):
            continue
        for link in page.links:
            place = urllib.parse.urlsplit(link)
            if place.scheme or place.netloc:
                continue
            target = os.path.normpath(os.path.join(os.path.dirname(path), urllib.parse.unquote(place.path))) if place.path else path
            anchor = urllib.parse.unquote(place.fragment)
            if not os.path.exists(target) or (anchor and target in pages and anchor not in pages[target].anchors):
                dead.append(f"{os.path.relpath(path, OUTPUT)}: {link}")
    return dead, len(pages)


def main():
    if not os.path.exists(MDBOOK):
        sys.exit("site: there is no mdBook in .cache/mdbook; run scripts/setup.sh")
    gather()
    result = subprocess.run([MDBOOK, "build", ROOT], capture_output=True, text=True)
    if result.returncode != 0 or "WARN" in result.stderr or "ERROR" in result.stderr:
        print(result.stderr, file=sys.stderr)
        return 1
    dead, count = list_dead_links()
    for line in dead:
        print(f"site: {line} leads nowhere", file=sys.stderr)
    print(f"site: {count} pages in {os.path.relpath(OUTPUT, ROOT)}, {len(dead)} links that lead nowhere")
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main())
