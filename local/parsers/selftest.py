"""Shows that the check can fail: breaks copies of golden messages, each in one way, and expects each to be refused for just that."""

import base64
import contextlib
import dataclasses
import email
import html
import os
import shutil
import subprocess
import sys
import tempfile
import zoneinfo

import examples
import folder
import golden
import index
import letter


def swap(old, new):
    """Replaces the first of what must be there."""
    def change(raw):
        if old not in raw:
            raise ValueError(f"the golden message has no {old!r} any more")
        return raw.replace(old, new, 1)
    return change


def without_end(raw):
    return raw[:raw.rindex(b"\r\n--")]


def header(line):
    return lambda raw: line + b"\r\n" + raw


SIGNATURE = "The text above the line is the original message. Everything below was added by the archiver."


def page(body, signature=SIGNATURE):
    """Gives the message an HTML form of its own, around the right text."""
    def change(raw):
        head = raw.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ").split(b"\r\n")
        text = next(p for p in email.message_from_bytes(raw).walk() if p.get_content_type() == "text/plain").get_payload(decode=True).decode()
        shown = html.escape(text.partition(letter.RULER)[0]).replace("\r\n", "<br>")
        lines = [line for line in head if not line.lower().startswith(b"content-")] + [b'Content-Type: multipart/alternative; boundary="=_self"', b""]
        for kind, content in (("plain", text), ("html", f"<html><body>{body.replace('TEXT', shown)}<p>{signature}</p></body></html>")):
            lines += [b"--=_self", f"Content-Type: text/{kind}; charset=utf-8".encode(), b"Content-Transfer-Encoding: base64", b"",
                      base64.encodebytes(content.encode()).strip().replace(b"\n", b"\r\n")]
        return b"\r\n".join(lines + [b"--=_self--", b""])
    return change


PYTHON = "Python's email package refuses it"
RULER = letter.RULER

GOOD = [  # the same changes, with nothing wrong in them
    ("sms", "nothing changed", lambda raw: raw),
    ("mms-photo", "nothing changed", lambda raw: raw),
    ("sms", "a page", page("<p style='color:red'>TEXT</p><a href='https://contoso.example/'>x</a>")),
    ("sms", "a header more", header(b"X-Other: x")),
    ("format3/sms", "a message in an earlier format", lambda raw: raw),
    ("format3/mms-gone", "a message in an earlier format, with attachments", lambda raw: raw),
]

BROKEN = [
    ("sms", "a bare LF", lambda raw: raw[:-2] + b"\n", "bare LF"),
    ("sms", "a bare CR", swap(b"late, see", b"late,\rsee"), "bare CR"),
    ("sms", "8 bits in the header", swap(b"Subject: ", b"Subject: \xc3\xa9"), "header is not in ASCII"),
    ("sms", "8 bits in the text", swap(b"Running", b"Runn\xc3\xafng"), "not plain ASCII"),
    ("sms", "a long header", header(b"X-O2-Other: " + b"x" * 987), "more than 998 bytes"),
    ("sms", "a line of blanks", swap(b"\r\nSubject:", b"\r\n \r\nSubject:"), "line of blanks"),
    ("sms", "two senders", header(b"From: jane@contoso.example"), "From is not there exactly once"),
    ("sms", "no date", swap(b"Date:", b"X-Date:"), "Date is not there exactly once"),
    ("sms", "no quote at the end", swap(b'900123)" <', b"900123) <"), "defect"),
    ("sms", "another id", swap(b"Message-Id: <b", b"Message-Id: <c"), "Message-Id is not that of the item"),
    ("sms", "another second", swap(b"09:30:00 +0000", b"09:30:01 +0000"), "Date is not the item's time"),
    ("sms", "another subject", swap(b"Subject: SMS", b"Subject: MMS"), "Subject is not the record's"),
    ("sms", "another sender", swap(b'From: "Jane', b'From: "June'), "From is not the record's"),
    ("sms", "another recipient", swap(b"<sam.oneill@", b"<sam@"), "To are not the record's"),
    ("sms", "another direction", swap(b"X-O2-Direction: Out", b"X-O2-Direction: In"), "headers for programs"),
    ("sms", "a header for programs more", header(b"X-O2-Other: x"), "headers for programs"),
    ("sms", "another conversation", swap(b"References: <f", b"References: <e"), "References are not"),
    ("sms", "another topic", swap(b"[fafea0ef]", b"[fafea0ee]"), "the thread is not"),
    ("sms", "another index", swap(b"+v6g71", b"+v6g72"), "the thread is not"),
    ("sms", "another direction in the block", swap(b"\r\nDirection: Out", b"\r\nDirection: In"), "block's Direction"),
    ("sms", "no status in the block", swap(b"\r\nStatus: Delivered", b""), "block's Status"),
    ("sms", "another network", swap(b"\r\nNetwork: O2", b"\r\nNetwork: O3"), "block's Network"),
    ("sms", "parts changed", lambda raw: swap(b'\r\nTo: "Sam O\'Neill", ', b'\r\nFrom: "Sam O\'Neill", ')(swap(b'\r\nFrom: "Jane Doe", +44', b'\r\nTo: "Jane Doe", +44')(raw)), "block's From"),
    ("sms", "another owner", swap(b"\r\nOwner of the archived phone: +447700900123", b"\r\nOwner of the archived phone: +447700900456"), "block's owner"),
    ("group-600", "another count of recipients", swap(b"\r\nRecipients: 600;", b"\r\nRecipients: 500;"), "count of recipients"),
    ("sms", "a count of recipients", swap(b"\r\nSource id:", b"\r\nRecipients: 1, of whom the header names the first 500.\r\nSource id:"), "count of recipients"),
    ("group-named", "no group", swap(b"\r\nGroup message: yes", b""), "block's Group message"),
    ("group-named", "another group", swap(b"\r\nGroup: ", b"\r\nGroup: x"), "block's Group"),
    ("call-answered", "another status", swap(b"\r\nCall status: Answered", b"\r\nCall status: Missed"), "block's Call status"),
    ("call-durations-differ", "another talk time", swap(b"\r\nTalk time: 1 min", b"\r\nTalk time: 2 min"), "block's Talk time"),
    ("call-answered", "another start", swap(b"\r\nCall started: 2026-11-22 09:30:00", b"\r\nCall started: 2026-11-22 09:30:01"), "block's Call started"),
    ("call-answered", "another answer", swap(b"\r\nCall answered: 2026", b"\r\nCall answered: 2025"), "block's Call answered"),
    ("call-answered", "another end", swap(b"\r\nCall ended:", b"\r\nCall finished:"), "block's Call ended"),
    ("call-answered", "another duration", swap(b"\r\nCall duration: 1 min 3 s (63,000 ms", b"\r\nCall duration: 1 min 3 s (64,000 ms"), "block's Call duration"),
    ("call-durations-differ", "no word of times that differ", swap(b"; it is not the time between answ=\r\ner and end)", b")"), "block's Call duration"),
    ("call-impossible-times", "another time as given", swap(b"as given: 57300-01", b"as given: 57300-02"), "block's Call started, as given"),
    ("sms-summer-time", "a London time an hour off", swap(b"London 2026-07-01 23:59:59.123 BST", b"London 2026-07-01 22:59:59.123 BST"), "block's Time"),
    ("sms-summer-time", "another zone in London", swap(b"59.123 BST", b"59.123 GMT"), "block's Time"),
    ("sms-summer-time", "another time as given", swap(b"s given: 2026-07-01T23", b"s given: 2026-07-01T22"), "block's Time, as given"),
    ("sms", "another time in the archive", swap(b"\r\nReached the archive: 2026-11-22 10", b"\r\nReached the archive: 2026-11-22 11"), "block's Reached the archive"),
    ("sms-nobody", "another time in the archive as given", swap(b"as given: soon", b"as given: late"), "block's Reached the archive, as given"),
    ("sms-html", "another type of the text", swap(b"stands): text/html", b"stands): text/plain"), "block's Text's content type"),
    ("sms-left-out", "a field less that was left out", swap(b"attachment, callInfo, to", b"attachment, to"), "block's Left out"),
    ("sms-no-id", "an id that was not made", swap(b"\r\nSource id (made of the item's bytes, for it had none): ", b"\r\nSource id: "), "block's Source id"),
    ("sms-piece-missing", "no line of a part that is missing", swap(b"\r\nPart 2 of 3: missing", b""), "block's parts"),
    ("sms-pieces", "no line of a part", swap(b'\r\nPart 2 of 3: "O2-0019-2", SHA-256 00000000000000000000000000000000000000000=\r\n00000000000000000000002', b""), "block's parts"),
    ("sms-pieces", "another part's id", swap(b'3 of 3: "O2-0019-3"', b'3 of 3: "O2-0019-2"'), "block's parts"),
    ("sms", "a part of nothing", swap(b"\r\nSource id:", b"\r\nPart 2 of 2: missing\r\nSource id:"), "block's parts"),
    ("mms-file-names", "another name given", swap(b'named "../../etc', b'named "../etc'), "text's attachments"),
    ("mms-file-names", "another type given", swap(b'type given as "message/rfc822"', b'type given as "message/rfc821"'), "text's attachments"),
    ("mms-gone", "another reason", swap(b"not attached: the sour", b"not attached: the Sour"), "text's attachments"),
    ("mms-gone", "another size of what is gone", swap(b"image/jpeg, 123,456 bytes", b"image/jpeg, 123,457 bytes"), "text's attachments"),
    ("mms-gone", "no word above the block of what is gone", swap(b"[Not attached: ", b"[Attached: "), "text's attachments"),
    ("call-missed", "another outcome", swap(b"Subject: Missed call", b"Subject: Call"), "Subject is not"),
    ("sms", "another text", swap(b"Running late", b"Running fast"), "text"),
    ("sms", "a longer text", swap(b"(60 bytes)", b"(6,000 bytes)"), "shorter than it says"),
    ("sms", "no count of bytes", swap(b"(60 bytes)", b"(all of it)"), "where the item's own text ends"),
    ("sms", "no name of the program", swap(b"\r\nAdded by: O2", b"\r\nAdded by: O3"), "which program"),
    ("format3/sms", "a longer text in an earlier format", swap(b"first 60 bytes", b"first 6,000 bytes"), "shorter than it says"),
    ("format3/sms", "another format than its text has", swap(b"X-O2-Format: 3", b"X-O2-Format: 4"), "where the item's own text ends"),
    ("sms", "a spelling less", swap(b", 07700900456", b""), "block's last line"),
    ("sms", "another part of the owner", swap(b", the sender", b", a recipient"), "block's owner"),
    ("sms", "other words for the direction", swap(b"(sent from", b"(sent to"), "block's Direction"),
    ("call-not-answered", "other words for the status", swap(b"(no answer)", b"(answer)"), "block's Call status"),
    ("sms", "no block", swap(RULER.encode(), b"-"), "no block"),
    ("sms", "another character set", swap(b"charset=utf-8", b"charset=latin1"), "not in UTF-8"),
    ("mms-photo", "bad base64", swap(b"iVBORw0K", b"iVBOR!0K"), PYTHON),
    ("mms-photo", "base64 that ends early", swap(b"ErkJggg==", b"ErkJggg"), PYTHON),
    ("mms-photo", "no end of the parts", without_end, PYTHON),
    ("mms-photo", "a boundary that no part has", swap(b'boundary="=_', b'boundary="=-'), PYTHON),
    ("mms-photo", "another hash", swap(b"X-O2-Sha256: 497790", b"X-O2-Sha256: 597790"), "not the SHA-256"),
    ("mms-photo", "other bytes", swap(b"iVBORw0K", b"iVBORw0L"), "not the SHA-256"),
    ("mms-photo", "another size", swap(b"size=70", b"size=71"), "not the size"),
    ("mms-photo", "another name", swap(b'filename="photo.png"', b"filename=phota.png"), "not those that its text names"),
    ("mms-photo", "a path for a name", swap(b'filename="photo.png"', b'filename="../photo.png"'), "not safe"),
    ("mms-photo", "a device for a name", swap(b'filename="photo.png"', b"filename=Nul.png"), "not safe"),
    ("mms-photo", "a port for a name", swap(b'filename="photo.png"', b'filename="lpt9 .tar.gz"'), "not safe"),
    ("mms-photo", "an attachment for a text", swap(b"X-O2-Sha256:", b"X-O2-Sha255:"), "not the SHA-256"),
    ("sms", "a page without the signature", page("TEXT", "Added by somebody."), "not the text's signature"),
    ("sms-piece-missing", "a page that does not say that a part is missing", page("TEXT"), "not the text's signature"),
    ("sms", "a page with marks without a note", page("TEXT<div>⟦U+0007⟧</div>"), "has marks and does not say so"),
    ("sms-control-characters", "a page with marks and no note of them", page("TEXT"), "not the text's signature"),
] + [("sms", f"a page with {what}", page(body), why) for what, body, why in [
    ("a script", "TEXT<script>alert(1)</script>", "has a tag script"),
    ("half a script", "TEXT<script", "its HTML has"),
    ("an event", "<p onclick='x()'>TEXT</p>", "on… attribute"),
    ("a picture from outside", "TEXT<img src='https://contoso.example/x.png'>", "loads something"),
    ("a picture from nowhere", "TEXT<img src='cid:1@o2archiver.invalid'>", "loads something"),
    ("a background", "<table background='//contoso.example/x'><tr><td>TEXT</td></tr></table>", "loads something"),
    ("a style that loads", "<p style='background:URL (//contoso.example/x)'>TEXT</p>", "style that loads"),
    ("a style sheet", "<style>@import '//contoso.example/x';</style>TEXT", "style that loads"),
    ("a link to a program", "TEXT<a href=' java\tscript:x()'>x</a>", "a link that is none"),
    ("a frame", "TEXT<iframe></iframe>", "runs or loads"),
    ("an open tag", "<p>TEXT", "tags that do not match"),
    ("a way to elsewhere", "<meta http-equiv='refresh' content='0'>TEXT", "an instruction"),
    ("a comment", "TEXT<!--[if mso]>x<![endif]-->", "a comment"),
    ("another text", "Running late", "not the item's text"),
]]


@contextlib.contextmanager
def changed(goldens, name, change):
    """A folder with a changed copy of a golden message and its record."""
    with tempfile.TemporaryDirectory(prefix="parsers-") as home:
        with open(os.path.join(goldens, name + ".eml"), "rb") as f:
            raw = change(f.read())
        with open(os.path.join(home, os.path.basename(name) + ".eml"), "wb") as f:
            f.write(raw)
        if os.path.dirname(name) != folder.EARLIER:  # an earlier format is not that of the record
            shutil.copy(os.path.join(goldens, name + ".json"), home)
        yield home


def refusal(goldens, name, change):
    with changed(goldens, name, change) as home:
        try:
            golden.check(letter.read(os.path.join(home, os.path.basename(name) + ".eml")))
        except letter.Refused as e:
            return str(e)
    return ""


def unlike(goldens):
    """What notmuch must be found to see otherwise, in a letter that Python is made to see so."""
    one = letter.read(os.path.join(goldens, "mms-gone.eml"))
    file = one.files[0]
    for what, other, why in [
        ("nothing", {}, ""),
        ("the id", {"id": "0" + one.id}, "notmuch has other messages"),
        ("a word", {"text": b"unheardofunheardof " + one.text}, "a search by body finds 0"),
        ("the sender", {"sender": [("+447700900999", "x@contoso.example")]}, "a search by from finds 0"),
        ("the recipient", {"to": [("+447700900999", "x@contoso.example")]}, "a search by to finds 0"),
        ("the subject", {"subject": "another"}, "a search by subject finds 0"),
        ("a file's name", {"files": [dataclasses.replace(file, name="other.doc", shown=False)]}, "a search by attachment finds 0"),
        ("a file's bytes", {"files": [dataclasses.replace(file, sha256="0" * 64)]}, "notmuch reads an attachment otherwise"),
        ("the text", {"text": one.text + b"."}, "notmuch reads the text otherwise"),
        ("the HTML", {"html": one.html + " "}, "notmuch reads the HTML otherwise"),
    ]:
        wrong = []
        index.check([dataclasses.replace(one, **other)], wrong)
        # A letter without a number, a file or a subject has nothing to be searched for by it: that is not what is looked for here.
        wrong = [w for w in wrong if not w.startswith("there is nothing to search for by attachment")]
        yield f"notmuch sees {what} otherwise", why, next((w for w in wrong if why and why in w), "; ".join(wrong))


def misled(goldens):
    """What must be said of examples that find other messages than they should, or of which nobody knows what they should find."""
    letters = [letter.read(path) for path in folder.find(goldens)]
    one = '"Call status: Missed"'
    for what, expected, why in [
        ("finds too many", {one: set()}, f"{one} finds 1 messages that it should not, and not 0 that it should"),
        ("finds too few", {one: {"call-missed", "sms"}}, f"{one} finds 0 messages that it should not, and not 1 that it should"),
        ("finds other messages", {one: examples.But({"call-missed"})}, f"{one} finds 1 messages"),
        ("is not in the documentation", {'"Call status: Lost"': {"call-missed"}}, 'has no example "Call status: Lost"'),
    ]:
        yield f"an example that {what}", why, "; ".join(examples.check(letters, examples.EXPECTED | expected))
    known = {query: found for query, found in examples.EXPECTED.items() if query != one}
    yield "an example of which nobody says what it finds", f"nobody says what {one} must find", "; ".join(examples.check(letters, known))


def without_zones(goldens):
    """What the check says on a machine that has no tz database."""
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath([])
    zoneinfo.ZoneInfo.clear_cache()
    try:
        return refusal(goldens, "sms", lambda raw: raw)
    finally:
        zoneinfo.reset_tzpath(before)


def without(program):
    """What the check says on a machine without the program."""
    here = os.path.dirname(os.path.abspath(__file__))
    with tempfile.TemporaryDirectory(prefix="parsers-") as path:
        for name in {"bash", "dirname", "sed", "python3", "notmuch"} - {program}:
            os.symlink(shutil.which(name), os.path.join(path, name))
        done = subprocess.run([os.path.join(here, "check")], env={"PATH": path}, capture_output=True, text=True, timeout=60, check=False)
    return done.stderr.strip() if done.returncode else "nothing"


def empty():
    with tempfile.TemporaryDirectory(prefix="parsers-") as home:
        return "; ".join(folder.check(home, print))


def main():
    goldens = sys.argv[1]
    cases = [(what, "", refusal(goldens, name, change)) for name, what, change in GOOD]
    cases += [(what, why, refusal(goldens, name, change)) for name, what, change, why in BROKEN]
    cases += unlike(goldens)
    cases += misled(goldens)
    cases += [(f"{p} is missing", f"parsers: {p} is missing: apt-get install {p}", without(p)) for p in ("notmuch", "python3")]
    cases.append(("no tz database", "there is no tz database", without_zones(goldens)))
    cases.append(("no messages", "there are no .eml files", empty()))
    wrong = [f"{what}: " + (f"refused because {got}" if got else "not refused") for what, why, got in cases if (why not in got) or bool(why) != bool(got)]
    for w in wrong:
        print("parsers: self-test:", w, file=sys.stderr)
    print(f"parsers: self-test: {sum(bool(why) for _, why, _ in cases)} broken things, {sum(not why for _, why, _ in cases)} good ones; {len(wrong)} judged wrongly")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
