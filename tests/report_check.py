#!/usr/bin/env python3
"""Looks into pages and plots of cgsv report.

report_check.py page FILE...   well-formed, and neither script nor anything that is fetched
report_check.py plot FILE...   the same of an SVG that stands alone
report_check.py text FILE      the page's text, one line per element
"""

import html.parser
import re
import sys
import xml.etree.ElementTree as tree

FORBIDDEN = {"script", "iframe", "object", "embed", "link", "base", "form", "img", "audio", "video", "foreignObject"}
FETCHING = ("src", "href", "srcset", "action", "data", "poster", "background", "formaction")
STYLE = re.compile(r"url\s*\(|@import|expression|https?:|//", re.I)


class Browser(html.parser.HTMLParser):
    """What a browser sees, for which markup is HTML rather than XML."""

    def __init__(self):
        super().__init__()
        self.faults = []

    def handle_starttag(self, tag, attributes):
        if tag in FORBIDDEN:
            self.faults.append(f"<{tag}>")
        for name, value in attributes:
            if name.startswith("on") or name.rpartition(":")[2] in FETCHING:
                self.faults.append(f"{name}={value!r}")
            if name == "style" or STYLE.search((value or "") if name not in ("xmlns", "content") else ""):
                self.faults.append(f"{name}={value!r}")


def faults_of(text):
    root = tree.fromstring(text)  # raises where it is not well-formed
    browser = Browser()
    browser.feed(text)
    faults = browser.faults
    for style in root.iter():
        if style.tag.rpartition("}")[2] == "style" and STYLE.search(style.text or ""):
            faults.append("style sheet fetches")
    for path in root.iter():
        for name in ("d", "x", "y", "width", "height", "viewBox"):
            if re.search("nan|inf", path.get(name, "")):
                faults.append(f"{name}={path.get(name)!r}")
    return faults


def check(path, page):
    text = open(path, encoding="utf-8").read()
    faults = faults_of(text)
    if page and "Content-Security-Policy" not in text:
        faults.append("no policy")
    for fault in faults:
        print(f"{path}: {fault}")
    return not faults


def self_test():
    """A check that cannot fail would be none."""
    bad = ["<p><script>1</script></p>", '<p><img src="a"/></p>', '<p onclick="a()"/>', '<p style="color: red"/>',
           "<p><style>a { background: url(x) }</style></p>", '<p><path d="M1 nan"/></p>',
           '<p xlink="1" title="http://x"/>']
    assert all(faults_of(text) for text in bad) and not faults_of("<p>a &lt; b</p>")
    for text in ("<p>", "<p>a & b</p>"):
        try:
            faults_of(text)
        except tree.ParseError:
            continue
        raise AssertionError(text)


def main(what, *paths):
    self_test()
    if what == "text":
        root = tree.parse(paths[0]).getroot()
        print("\n".join(text.strip() for text in root.itertext() if text.strip()))
        return 0
    return 0 if paths and all([check(path, what == "page") for path in paths]) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
