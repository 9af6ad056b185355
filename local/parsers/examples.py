"""Runs the searches that docs/message.md gives as examples, and holds each to the golden messages that it must find."""

import os
import re
import subprocess
import tempfile

import index

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "message.md")
TERM = re.compile(r'(?:(\w+):)?("[^"]+"|[^\s"]+)')
# notmuch has no classes of items, and neither asks for times nor has names of files that are shown as KQL does.
OTHERS = re.compile(r"\b(kind|itemclass|attachmentnames|sent|received)[:<>=]")



def given(page):
    """The examples of the page that notmuch can run: of the code block, and of the table's last column."""
    _, _, searching = page.partition("\n## Searching\n")
    found = re.findall(r"(?m)^    (\S.*?)(?:  .*)?$", searching.partition("\n## ")[0])
    for row in re.findall(r"(?m)^\| .* \|$", page):
        cells = row.split(" | ")
        found += re.findall("`([^`]+)`", cells[3]) if len(cells) == 4 else []
    return {query for query in found if not OTHERS.search(query)}


def translated(query):
    """An example in KQL as notmuch says it."""
    def term(m):
        prefix, value = m[1], '"' + m[2].strip('"') + '"'
        if m[0] in ("AND", "OR"):
            return m[0].lower()
        return f"(from:{value} or to:{value})" if prefix == "participants" else f"{prefix}:{value}" if prefix else value
    for example, golden in STAND_IN.items():
        query = query.replace(example, golden)
    return TERM.sub(term, query)


# What the examples speak of, and what stands for it in the goldens.
STAND_IN = {"jane@contoso.com": "jane@contoso.example", "O2-8f1c2d3e": "O2-0001", "invoice": "holiday"}

ANSWERED = {"call-answered", "call-answered-without-time", "call-durations-differ", "call-recording", "call-recording-gone", "call-recordings", "call-recordings-lying"}
CALLS = ANSWERED | {"call-impossible-times", "call-missed", "call-no-info", "call-not-answered", "call-rejected", "call-without-duration"}
MMS = {"mms-active-content", "mms-empty-file", "mms-file-names", "mms-forged-file-name", "mms-gone", "mms-photo", "mms-picture-alone", "mms-pictures",
       "mms-rtl-names", "mms-smil", "mms-smil-hostile", "mms-subject", "mms-text-alone", "mms-too-large", "mms-names-without-extension",
       "mms-encoded-names", "mms-text-charsets", "mms-text-twice", "mms-digest-unusable", "mms-token-sender"}
GROUPS = {"group-10000-character-names", "group-600", "group-named", "group-view-member", "group-view-sender", "mms-rtl-names", "sms-header-injection",
          "sms-html-hostile", "sms-noncharacters"}
RECEIVED = {"call-missed", "call-rejected", "group-view-member", "sms-alphanumeric", "sms-forged-names", "sms-header-injection", "sms-in-outsider",
            "sms-international", "sms-no-sender", "sms-sent", "sms-short-code", "sms-unknown-owner", "sms-withheld",
            "sms-number-envelopes", "sms-email-forms", "sms-left-out-bounds", "sms-part-apart"}
WITHOUT_ADDRESS = {"group-10000-character-names", "group-view-member", "sms-chinese", "sms-control-characters", "sms-forged-names", "sms-header-injection",
                   "mms-token-sender", "sms-number-envelopes"}


class But(frozenset):
    """All goldens but these."""


def but(some, *more):
    return But(some.union(more))


WITHOUT_NUMBER = But({"sms-nobody", "sms-owner-apart", "sms-unknown-owner"})
NOT_FROM_JANE = But({"call-missed", "group-10000-character-names", "mms-rtl-names", "sms-alphanumeric", "sms-chinese", "sms-forged-names",
                     "sms-header-injection", "sms-html-hostile", "sms-in-outsider", "sms-international", "sms-mostly-other-script", "sms-no-sender", "sms-nobody",
                     "sms-owner-apart", "sms-rtl", "sms-short-code", "sms-unknown-owner", "sms-withheld", "mms-token-sender", "sms-number-envelopes",
                     "sms-email-forms", "sms-left-out-bounds", "sms-part-apart"})

EXPECTED = {
    '"+44 7700 900123"': WITHOUT_NUMBER, '"+447700900123"': WITHOUT_NUMBER, '"07700 900123"': WITHOUT_NUMBER, "07700900123": WITHOUT_NUMBER,
    "447700900123": WITHOUT_NUMBER,
    '"2026-11-22 09:30"': But({"call-not-answered", "sms-summer-time"}),
    '"Reached the archive: 2026-11-22"': But({"sms-nobody", "sms-summer-time"}),
    '"Call status: Answered"': ANSWERED,
    '"Call status: Missed"': {"call-missed"}, '"Call, missed"': {"call-missed"}, 'subject:"Missed call from"': {"call-missed"},
    'subject:"Missed call from" OR subject:"Unanswered call from" OR subject:"Rejected call from"': {"call-missed", "call-not-answered", "call-rejected"},
    'subject:"call from"': CALLS,
    'subject:"call from" AND "Status: Answered"': ANSWERED | {"call-without-duration"},
    '"Direction: In"': RECEIVED,
    '"Group message: yes"': GROUPS,
    '"Group: Ops"': {"group-named", "sms-forged-names", "sms-header-injection", "sms-noncharacters"},
    '"Time, as given"': {"call-not-answered", "sms-summer-time"},
    '"Network: O2"': But({"sms-nobody"}),
    '"Not attached"': {"call-no-info", "call-recording-gone", "mms-gone", "mms-too-large"},
    '"O2-8f1c2d3e"': {"sms"},
    '"Owner of the archived phone: +447700900123"': but(WITHOUT_NUMBER, "group-view-member", "sms-owner-missing"),
    '"Owner of the archived phone: not given"': {"sms-nobody", "sms-owner-missing"},
    '"Part 2 of 3: missing"': {"sms-piece-missing"},
    '"Status: Failed"': {"sms-failed"},
    '"content type"': {"sms-html"},
    '"message format 4"': But(),
    '"wrong JSON type"': {"sms-left-out", "sms-left-out-bounds"}, '"Left out: to"': {"sms-left-out-bounds"}, '"could not be checked"': {"mms-digest-unusable"},
    "subject:incomplete": {"group-10000-character-names", "mms-forged-file-name", "sms-left-out", "sms-left-out-bounds"},
    'subject:"in another message"': {"sms-part-apart"},
    "subject:missing": {"call-no-info", "call-recording-gone", "mms-gone", "mms-too-large", "sms-piece-missing"},
    'from:"Jane Doe"': NOT_FROM_JANE,
    "from:447700900123@sms.o2archiver.invalid": WITHOUT_ADDRESS,
    "participants:447700900123@sms.o2archiver.invalid": WITHOUT_ADDRESS | {"group-600"},
    "from:jane@contoso.com": but(NOT_FROM_JANE - {"mms-rtl-names", "sms-email-forms"}, "group-view-member", "sms-control-characters", "sms-several-emails"),
    'participants:"jane@contoso.com" AND subject:"SMS from"': But(CALLS | MMS | WITHOUT_ADDRESS | {
        "sms-html-hostile", "sms-mostly-other-script", "sms-nobody", "sms-owner-apart", "sms-rtl", "sms-several-emails", "sms-unknown-owner", "unknown-kind"}),
    'subject:"MMS from"': MMS,
    "subject:invoice": {"mms-subject"},
}


def check(letters, expected=EXPECTED):
    """Gives what is wrong with the page's examples."""
    with open(PAGE, encoding="utf-8") as f:
        queries = given(f.read())
    wrong = [f"docs/message.md: nobody says what {query} must find" for query in sorted(queries - expected.keys())]
    wrong += [f"docs/message.md has no example {query}" for query in sorted(expected.keys() - queries)]
    names = {one.id: os.path.basename(one.path).removesuffix(".eml") for one in letters}
    with tempfile.TemporaryDirectory(prefix="parsers-") as home:
        try:
            notmuch = index.Notmuch(home)
            notmuch.add([one.path for one in letters])
            for query in sorted(queries & expected.keys()):
                want = expected[query]
                want = set(names.values()) - want if isinstance(want, But) else want
                out = notmuch.run("search", "--output=messages", translated(query)).decode().split()
                found = {names.get(one.removeprefix("id:")) for one in out}
                if found != want:
                    wrong.append(f"docs/message.md: {query} finds {len(found - want)} messages that it should not, and not {len(want - found)} that it should")
        except (RuntimeError, subprocess.TimeoutExpired) as e:
            wrong.append(str(e) if isinstance(e, RuntimeError) else "notmuch takes too long")
    return wrong
