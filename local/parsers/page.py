"""Holds the HTML form of a text to what a mail program may be given: nothing that runs, nothing to load but its own pictures."""

import re
from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
REFUSED = {"script", "iframe", "frame", "frameset", "object", "embed", "applet", "link", "base", "form", "input", "button", "audio", "video",
           "source", "track", "svg", "math", "template", "noscript", "portal", "marquee"}
LOADS = {"src", "srcset", "background", "poster", "data", "action", "formaction", "xlink:href", "lowsrc", "dynsrc", "longdesc",
         "ping", "manifest", "profile", "cite", "usemap"}
LOADING_STYLE = re.compile(r"url\s*\(|@import|image-set|expression\s*\(|-moz-binding|behavior\s*:|\\", re.I)
MARK = re.compile(r"⟦(?:U\+[0-9A-F]{4,6}|0x[0-9A-F]{2})⟧")  # stands for a character that can't be shown


class Page(HTMLParser):
    """Notes the first thing that is wrong, and the text."""

    def __init__(self, pictures):
        super().__init__(convert_charrefs=True)
        self.pictures, self.wrong, self.open, self.text, self.shown = pictures, "", [], [], set()
        self.texts = []  # those of the item and its files

    def refuse(self, why):
        self.wrong = self.wrong or why

    def handle_starttag(self, tag, attrs):
        if tag in REFUSED:
            self.refuse(f"has a tag {tag}" if tag == "script" else "has a tag that runs or loads something")
        if tag not in VOID:
            self.open.append(tag)
        names = [name for name, _ in attrs]
        if len(set(names)) < len(names):
            self.refuse("has an attribute twice")
        for name, value in attrs:
            self.attribute(tag, name, (value or "").strip())

    handle_startendtag = handle_starttag

    def attribute(self, tag, name, value):
        flat = re.sub(r"[\x00-\x20]", "", value).lower()
        if name.startswith("on"):
            self.refuse("has an on… attribute")
        elif name in LOADS:
            if tag == "img" and name == "src" and value.startswith("cid:") and value[4:] in self.pictures:
                self.shown.add(value[4:])
            else:
                self.refuse("loads something that is not one of the message's own pictures")
        elif name == "style" and LOADING_STYLE.search(value):
            self.refuse("has a style that loads something")
        elif name == "href" and not re.match(r"(https?://|mailto:|tel:|#)", flat):
            self.refuse("has a link that is none")
        elif name == "http-equiv" and flat != "content-type":
            self.refuse("has an instruction to the program that shows it")

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.refuse("has tags that do not match")

    def handle_data(self, data):
        if self.open and self.open[-1] == "style" and LOADING_STYLE.search(data):
            self.refuse("has a style that loads something")
        self.text.append(data)
        if "div" in self.open:
            self.texts.append(data)

    def handle_comment(self, data):
        self.refuse("has a comment, which some programs run")

    def handle_pi(self, data):
        self.refuse("has a processing instruction")

    def unknown_decl(self, data):
        self.refuse("has a declaration that is none")


def bare(text):
    """What is left of a text without blanks, control characters, and the marks that stand for them."""
    return "".join(c for c in MARK.sub("", text) if c.isprintable() and not c.isspace())


def refuse(html, own, signature, pictures):
    """Says what is wrong with the page, or nothing. own is the item's text, which has to be in it as text; so has the signature."""
    p = Page(pictures)
    p.feed(html)
    p.close()
    if p.open:
        p.refuse("has tags that do not match")
    if re.search(r"<\s*/?\s*script", html, re.I):
        p.refuse("has a tag script")
    if p.shown != pictures:
        p.refuse("does not show all of the message's pictures")
    if bare(own) not in bare("".join(p.text)):
        p.refuse("has not the item's text")
    if signature not in map(str.strip, p.text):
        p.refuse("has not the text's signature")
    if "⟦" in "".join(p.texts) and " Marks in ⟦ ⟧ stand for " not in signature:
        p.refuse("has marks and does not say so")
    return p.wrong
