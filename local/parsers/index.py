"""Holds notmuch, a mail program's index, to what Python reads: GMime takes the messages apart there, Xapian finds them."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass

MANY = 300  # searches of one kind; spread over all that there could be
COMPARED = 150  # messages of which all parts are compared

# What Xapian takes for a word, as far as it matters here (xapian-core, queryparser/termgenerator_internal.cc).
WORD = re.compile(r"\w+(?:(?:['’·&]|(?<=\d)[,.;](?=\d))\w+)*(?:[+#]{1,3}(?!\w))?")
TAG = re.compile("<[^>]*>")  # what notmuch leaves out of HTML; it indexes character references as they stand
SEARCHED = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")


@dataclass
class Counts:
    """What was compared."""

    messages: int = 0
    searches: int = 0
    shown: int = 0
    wrong: int = 0


class Notmuch:
    """A database of its own in a temporary folder."""

    def __init__(self, home):
        self.home, self.mail = home, os.path.join(home, "mail")
        os.makedirs(os.path.join(self.mail, "cur"))
        config = os.path.join(home, "config")
        with open(config, "w", encoding="ascii") as f:
            f.write(f"[database]\npath={self.mail}\n[user]\nname=Nobody\nprimary_email=nobody@contoso.example\n"
                    "[new]\ntags=\n[search]\nexclude_tags=\n")
        self.env = {"PATH": os.environ["PATH"], "HOME": home, "NOTMUCH_CONFIG": config, "LC_ALL": "C.UTF-8"}

    def run(self, *args, given=None):
        """The output of a command, as bytes. Anything that it complains of is a failure."""
        done = subprocess.run(["notmuch", *args], env=self.env, cwd=self.home, input=given, capture_output=True, timeout=900, check=False)
        if done.returncode or done.stderr:
            raise RuntimeError(f"notmuch {args[0]} ended with {done.returncode} and {len(done.stderr)} bytes of complaints")
        return done.stdout

    def add(self, paths):
        for n, path in enumerate(paths):
            shutil.copyfile(path, os.path.join(self.mail, "cur", f"{n}:2,S"))
        self.run("new", "--quiet", "--no-hooks")

    def count(self, queries):
        out = self.run("count", "--batch", given="".join(q + "\n" for q in queries).encode())
        return [int(n) for n in out.split()]


def words(*texts):
    """The words of texts between blanks, to look for phrases in."""
    return " " + " ".join(w for t in texts for w in WORD.findall(t.lower())) + " "


def spread(all_of_them):
    """At most MANY, evenly out of all."""
    ordered = sorted(all_of_them)
    return ordered[:: -(-len(ordered) // MANY) or 1]


def phrase(text):
    """The text as a phrase to search for, if it consists of words that Python and Xapian are sure to see alike."""
    found = WORD.findall(text.lower())
    return " ".join(found) if found and all(SEARCHED.fullmatch(w) and len(w) < 60 for w in found) else ""


def searches(letters):
    """Gives queries with the ids that they must find."""
    fields = {"from": {}, "to": {}, "body": {}, "attachment": {}, "subject": {}}  # prefix → id → words
    wanted = {prefix: set() for prefix in fields}
    for one in letters:
        text = one.text.decode().partition("\0")[0]  # notmuch 0.37 indexes a text up to a NUL only
        mails = {"from": one.sender, "to": one.to}
        said = {prefix: words(*(part for pair in pairs for part in pair)) for prefix, pairs in mails.items()}
        said |= {"body": words(text, TAG.sub(" ", one.html)), "subject": words(one.subject),
                 "attachment": "".join(words(f.name) for f in one.files if not f.shown)}  # notmuch has no names of inline parts
        for prefix, all_words in said.items():
            fields[prefix][one.id] = fields[prefix].get(one.id, "") + all_words
        for prefix, pairs in mails.items():
            wanted[prefix] |= {n for name, _ in pairs for n in re.findall(r"(?<![\w+])\+?\d{5,15}(?!\w)", name)}
        spelt = re.findall(r"(\+44\d{10}),? \(?(0\d{4} \d{6}), (0\d{10}), (\+44 \d{4} \d{6}), (44\d{10})", text)  # as people spell a number
        wanted["body"] |= {spelling for spellings in spelt for spelling in spellings}
        wanted["body"] |= set(sorted(re.findall(r"(?<![\w'’&·])[a-z]{5,20}(?![\w'’&·+#])", text.split("-" * 40)[0]), key=len)[-1:])
        wanted["attachment"] |= {p for f in one.files if not f.shown and (p := phrase(f.name))}
        wanted["subject"] |= {p for p in [phrase(one.subject)] if p}
    for prefix, texts in wanted.items():
        for text in spread(texts):
            sought = words(text)
            yield prefix, f'{prefix}:"{text}"', {i for i, all_words in fields[prefix].items() if sought in all_words}


def check(letters, wrong):
    """Adds to wrong what notmuch sees otherwise than Python."""
    counts, before = Counts(), len(wrong)
    if letters:
        with tempfile.TemporaryDirectory(prefix="parsers-") as home:
            try:
                compare(Notmuch(home), letters, counts, wrong)
            except (RuntimeError, subprocess.TimeoutExpired) as e:
                wrong.append(str(e) if isinstance(e, RuntimeError) else "notmuch takes too long")
    counts.wrong = len(wrong) - before
    return counts


def compare(notmuch, letters, counts, wrong):
    notmuch.add([one.path for one in letters])
    by_id = {}
    for one in letters:
        by_id.setdefault(one.id, []).append(one)
    listed = notmuch.run("search", "--output=messages", "--exclude=false", "*").decode().split()
    counts.messages = len(listed)
    if sorted(listed) != sorted("id:" + i for i in by_id):
        wrong.append("notmuch has other messages than Python")

    queries = [("id", f"id:{i}", {i}) for i in by_id] + list(searches(letters))
    kinds = {kind for kind, _, _ in queries}
    for kind in ["id", "from", "to", "body", "subject"] + ["attachment"] * any(not f.shown for one in letters for f in one.files):
        if kind not in kinds:
            wrong.append(f"there is nothing to search for by {kind}")
    for (kind, _, ids), found in zip(queries, notmuch.count([q for _, q, _ in queries]), strict=True):
        counts.searches += 1
        if found != len(ids) or not ids:
            wrong.append(f"a search by {kind} finds {found} messages, Python {len(ids)}")

    # Those with attachments first: the others have less that could differ.
    several = sorted(by_id.values(), key=lambda same: (-len(same[0].files), same[0].id))
    for same in several[:COMPARED // 2] + several[COMPARED // 2::max(1, len(several) // (COMPARED // 2))]:
        counts.shown += 1
        why = shown(notmuch, same)
        if why:
            wrong.append(f"{os.path.basename(same[0].path)}: notmuch reads {why} otherwise than Python")


def found(threads):
    """The messages in what notmuch shows as threads; those of a thread that were not asked for are null."""
    for one in threads or []:
        if isinstance(one, dict):
            yield one
        else:
            yield from found(one)


def leaves(parts):
    for part in parts:
        inner = part.get("content")
        if isinstance(inner, list):
            yield from leaves(inner)
        else:
            yield part


def shown(notmuch, same):
    """What of a message notmuch shows otherwise. Of copies that differ, one of a mailbox that took no attachments for instance, it shows one."""
    out = json.loads(notmuch.run("show", "--format=json", "--entire-thread=false", "--include-html", "--exclude=false", "id:" + same[0].id).decode("utf-8", "replace"))
    out = next(found(out), None)
    if out is None:
        return "the id"
    name = out["filename"][0] if isinstance(out["filename"], list) else out["filename"]
    with open(name, "rb") as f:
        raw = f.read()
    for one in same:
        with open(one.path, "rb") as f:
            if f.read() == raw:
                break
    else:
        return "the file"
    if out["headers"]["Subject"] != one.subject:
        return "the subject"
    parts = list(leaves(out["body"]))
    text = [p["content"] for p in parts if p["content-type"] == "text/plain" and "filename" not in p]
    if len(text) != 1 or text[0].replace("\r\n", "\n") != one.text.decode().replace("\r\n", "\n"):
        return "the text"
    html = [p["content"] for p in parts if p["content-type"] == "text/html" and "filename" not in p]
    if html and html[0].replace("\r\n", "\n") != one.html.replace("\r\n", "\n") or len(html) != bool(one.html):
        return "the HTML"
    files = [(p["filename"], p["id"]) for p in parts if "filename" in p]
    if sorted(name for name, _ in files) != sorted(f.name for f in one.files):
        return "the attachments' names"
    for name, number in files:
        content = notmuch.run("show", "--format=raw", f"--part={number}", "--exclude=false", "id:" + one.id)
        if hashlib.sha256(content).hexdigest() != next(f.sha256 for f in one.files if f.name == name):
            return "an attachment"
    return ""
