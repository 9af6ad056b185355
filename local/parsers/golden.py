"""What a golden message must say, worked out from the record beside it without any of the project's code."""

import base64
import hashlib
import itertools
import json
import os
import re
import unicodedata
import urllib.parse

from clock import canonical, clocks, moment, span
from letter import QUOTED, RULER, block, demand, message_id

OURS = "o2archiver.invalid"
NOBODY = {"unknown", "withheld", "number withheld", "private", "private number", "anonymous", "unavailable", "restricted",
          "no caller id", "unknown number"}
EMAIL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+"
                   r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")
# What turns the direction of writing, and what is no character.
TURNS = re.compile("[\u061c\u200e\u200f\ufeff\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef" + "".join(chr(p << 16 | n) for p in range(17) for n in (0xFFFE, 0xFFFF)) + "]")


def one_line(s, limit):
    """A text as it can stand in a header."""
    s = TURNS.sub("", s)
    s = "".join(" " if c.isspace() or unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in s)
    s = re.sub(" +", " ", s).strip(" ")
    return s if len(s) <= limit else s[:limit - 1].rstrip(" ") + "…"


ENVELOPES = [(r"<(.*)>", r"\1"), (r"(?i)(tel|sip):", ""), (r"@.*", ""), (r"(?i)/TYPE=.*", ""), (r";.*", "")]


def bare(value):
    """A number or a short code without what a network puts around it."""
    if re.search(r"(?i)/TYPE=|^<?(tel|sip):", value):
        for pattern, to in ENVELOPES:
            value = re.sub(pattern, to, value)
    return value.strip()


def e164(value):
    """British numbers and those with a plus: the goldens have no others."""
    if "phone-context=+44" in value and re.fullmatch(r"\d{10}", bare(value)):
        return "+44" + bare(value)
    value = re.sub(r"^\*31#| ext \d+$", "", bare(value))
    digits = re.sub("[ \u00a0().-]", "", TURNS.sub("", value))
    if re.fullmatch(r"\+\d{8,15}", digits):
        return digits
    if re.fullmatch(r"44\d{10}|0\d{10}", digits):
        return "+44" + digits[-10:]
    return ""


def address_in(entry):
    """The address in an entry of the email property."""
    inner = re.search(r"<([^<>]*)>$", entry)
    entry = inner[1] if inner else entry
    if re.match("mailto:", entry, re.I):
        entry = urllib.parse.unquote(entry)
    return re.sub("(?i)^(mailto|smtp):", "", entry)


def slug(s):
    return re.sub("[^a-z0-9]+", "-", s.lower()).lstrip("-")[:40].rstrip("-") or "x"


def short(s):
    return hashlib.sha256(s.encode()).hexdigest()[:16]


class Person:
    """A participant: how the header and the subject must name it."""

    def __init__(self, given, owner=""):
        value = bare(given["Value"])
        self.given = given["Value"]
        number = e164(given["Value"])
        if value == "insert-address-token":
            value, number = owner, e164(owner)
        full = (given["FirstName"].strip() + " " + given["LastName"].strip()).strip()
        emails = given.get("Emails") or []
        name = one_line(full, 100)
        self.address = self.mail(value.strip(), full, emails, number)
        shown = number or one_line(value, 40)
        self.name = f"{name} ({shown})" if name and shown else name or shown or (one_line(emails[0], 100) if emails else "Unknown")
        self.label = one_line(name or number[1:] or self.name, 60)
        self.value, self.full, self.emails, self.number = value, full, emails, number

    def key(self, message):
        """What tells this participant from others; from nobody else's if nothing is known."""
        value = self.value.strip()
        if self.number:
            return self.number
        if value.lower() in NOBODY or not (value or self.full or self.emails):
            return "message|" + message
        if value:
            return "value|" + value
        return "email|" + address_in(self.emails[0]).lower() if self.emails else "name|" + self.full

    def parts(self):
        """What the line of this participant must have in it."""
        yield from [quoted(self.full)] if self.full else []
        if self.number:
            yield self.number
        elif self.value:
            yield quoted(self.given) + " (no telephone number)"
        for e in self.emails[:20]:
            if EMAIL.fullmatch(address_in(e)):
                yield address_in(e)
            if not EMAIL.fullmatch(e):
                yield quoted(e)

    @staticmethod
    def mail(value, full, emails, number):
        for e in map(address_in, emails):
            if EMAIL.fullmatch(e) and len(e) <= 254 and not re.search(rf"[@.]{re.escape(OURS)}$", e, re.I):
                return e
        if number:
            local = number[1:]
        elif value.lower() in NOBODY or not (value or full or emails):
            local = "unknown"
        elif not value:
            kind, given = ("name", full) if full else ("email", emails[0])
            local = slug(given) + "." + short(f"{kind}|{given}")
        elif re.fullmatch(r"[A-Z0-9]{0,20}", value) and (len(value) <= 7 or re.search("[A-Z]", value)):
            local = value.lower()
        else:
            local = slug(value) + "." + short("value|" + value)
        return f"{local}@sms.{OURS}"


def call_of(record):
    return record.get("Call") or {}


def call_status(record):
    return re.sub("[_-]", " ", call_of(record).get("Status") or record.get("Status") or "").strip().lower()


def talk(record):
    """How long was spoken, in seconds."""
    call = call_of(record)
    if call.get("Duration"):
        return max(0, call["Duration"]) / 1e9
    return span(call.get("Answer") or "", call.get("End") or "")


def spoken(seconds):
    if seconds < 1:
        return "under 1 s"
    parts = [(int(seconds) // 3600, "h"), (int(seconds) // 60 % 60, "min"), (int(seconds) % 60, "s")]
    return " ".join(f"{n} {unit}" for n, unit in parts if n)


def missing(fixture, said):
    """What the subject must say is not there; said is the block."""
    record = fixture["record"]
    absent = sum(1 for a in record.get("Attachments") or [] if a.get("Gone") or (fixture.get("omit") or {}).get(a["Name"]))
    lost = sum(1 for p in record.get("Pieces") or [] if p.get("Lost"))
    apart = sum(1 for p in record.get("Pieces") or [] if p.get("Apart"))
    gone = [f"{n:,} {what}{'s' * (n > 1)}" for n, what in ((absent, "attachment"), (lost, "part")) if n]
    gone += ["recording"] * (record["Kind"] == "CALL_AUDIO" and not record.get("Attachments"))
    cut = any(re.search(r"… \([\d,]+ characters\)|, and [\d,]+ more addresses$", value) for _, value in said)
    words = [" and ".join(gone) + " missing"] * bool(gone) + [f"{apart:,} part{'s' * (apart > 1)} in another message"] * bool(apart)
    return ", ".join(words + ["incomplete"] * bool(record.get("LeftOut") or cut))


def subject(fixture, sender, to, said):
    record = fixture["record"]
    kind = {"SMS": "SMS", "MMS": "MMS", "CALL_LOG": "Call", "CALL_AUDIO": "Call"}.get(record["Kind"]) or one_line(record["Kind"], 40) or "Message"
    call = record["Kind"].startswith("CALL_")
    if call:
        kind = {"missed": "Missed call", "rejected": "Rejected call", "declined": "Rejected call", "no answer": "Unanswered call",
                "not answered": "Unanswered call", "unanswered": "Unanswered call"}.get(call_status(record), kind)
    group = one_line(record.get("GroupName", ""), 80)
    s = f"{kind} from {sender.label}"
    labels = [p.label for p in to[:3]]
    if record.get("GroupMessage") and group:
        s += " to chat group " + group
    elif len(to) > 3:
        s += " to " + ", ".join(labels) + f" and {len(to) - 3} more"
    elif to:
        s += " to " + (", ".join(labels[:-1]) + " and " if labels[1:] else "") + labels[-1]
    end = f" ({spoken(talk(record))})" * bool(call and talk(record))
    if what := missing(fixture, said):
        end += f" ({what})"
    s = one_line(s, 250 - len(end)) + end
    own = one_line(record.get("Subject", ""), 248 - len(s)) if len(s) <= 238 else ""
    return s + (": " + own if own else "")


def conversation(record, sender, everybody):
    """The id that all messages of one set of participants share."""
    keys = {p.key(record["ID"]) for p in [sender, *everybody]}
    if record.get("Owner"):
        keys.add(Person({"Value": record["Owner"], "FirstName": "", "LastName": ""}).key(record["ID"]))
    said = "v1|conversation" + "".join(f"|{len(k.encode())}:{k}" for k in sorted(keys, key=str.encode))
    return hashlib.sha256(said.encode()).hexdigest()[:40]


def headers(record, root):
    """What the headers for programs must say, and nothing else."""
    given = {"Message-Id": record["ID"], "Type": record["Kind"], "Owner": record.get("Owner"), "Conversation": root, "Original-Sha256": record.get("SHA256"),
             "Direction": record.get("Direction"), "Status": record.get("Status"), "Time": record.get("TimeText"),
             "Archived": record.get("ArchivedText"), "Format": "4"}
    return {"X-O2-" + name: text for name, value in given.items() if (text := one_line(value or "", 200))}


def marked(s, limit, escaped=""):
    """A value as the block shows it."""
    out = ""
    for c in s:
        bad = unicodedata.category(c) in ("Cc", "Zl", "Zp") or TURNS.match(c)
        limit -= 8 if bad else 1
        if limit < 0:
            return out + f"… ({len(s):,} characters)"
        out += f"⟦U+{ord(c):04X}⟧" if bad else "\\" + c if c in escaped else c
    return out


def isolated(s, shown):
    return f"\u2068{shown}\u2069" if any(unicodedata.bidirectional(c) in ("R", "AL") for c in s) else shown


def quoted(s):
    return isolated(s, '"' + marked(s, 500, '"\\') + '"')


def times(record):
    """What lines of the block must say of times, as lines does: on two clocks if they can be read, and as given."""
    call = call_of(record)
    for name, read, given in [("Time", record["Time"], record.get("TimeText")), ("Reached the archive", record.get("Archived"), record.get("ArchivedText")),
                              *(("Call " + what, call.get(key), call.get(key)) for what, key in (("started", "Start"), ("answered", "Answer"), ("ended", "End")))]:
        shown = clocks(read or "")
        yield name, shown or None
        yield name + ", as given", isolated(given, marked(given, 500)) if given and not (shown and given == canonical(read)) else None


def duration(record, spoke):
    """What the block must say of a call's duration; spoke is what its times say."""
    given = call_of(record).get("Duration")
    if not given:
        return None
    millis = f"{given // 1_000_000:,} ms"
    differs = "; it is not the time between answer and end" * (spoke > 0 and abs(given / 1e9 - spoke) > 2)
    return f"{spoken(given / 1e9)} ({millis}{differs})" if given > 0 else millis


def parts(record):
    """What the block must say of the parts of a long SMS."""
    return [(f"Part {p['Number']} of {record['Total']}", "missing" if p.get("Lost") else
             "in another message: all parts together are too large for one" if p.get("Apart") else f"{quoted(p['ID'])}, SHA-256 {marked(p['SHA256'], 64)}")
            for p in record.get("Pieces") or []]


def outcome(record):
    """What the block must say of direction and status: as given, and in words."""
    call = record["Kind"].startswith("CALL_")
    words = {"in": "call to the archived phone" if call else "received on the archived phone",
             "out": "call from the archived phone" if call else "sent from the archived phone"}
    given = {"Direction": record.get("Direction"), "Status": record.get("Status"), "Call status": call_of(record).get("Status")}
    if given["Status"] == given["Call status"]:
        given["Status"] = None
    out = {}
    for name, value in given.items():
        out[name] = isolated(value, marked(value, 500)) if value else None
        said = words.get(value.lower()) if value and name == "Direction" else None
        if value and name != "Direction" and len(value) <= 40 and re.fullmatch("[A-Za-z _-]*[_-][A-Za-z _-]*", value):
            said = re.sub("[_-]", " ", value).strip().lower()
        out[name] = f"{value} ({said})" if said else out[name]
    return out


def owner_is(record, sender, everybody):
    """The owner's part in the item, in words."""
    owner = Person({"Value": record["Owner"], "FirstName": "", "LastName": ""})
    same = [p for p in [sender, *everybody] if p.value == owner.value or p.number and p.number == owner.number]
    return "the sender" if sender in same else "a recipient" if same else "neither the sender nor a recipient"


def spellings(number):
    """The spellings of a British number; of others this side knows two, the rest is whatever it is."""
    national = {"+447": (5, 6), "+441": (5, 6), "+442": (3, 4)}.get(number[:4])
    if not national or len(number) != 13:
        return re.escape(number) + ", .*" + re.escape(number[1:])
    digits = "0" + number[3:]
    a, b = (digits[:5], digits[5:]) if national == (5, 6) else (digits[:3], digits[3:7] + " " + digits[7:])
    return re.escape(f"{number}, {a} {b}, {digits}, +44 {a[1:]} {b}, {number[1:]}")


def numbers(record, sender, everybody):
    """A pattern for the last line: all spellings of each number, once."""
    known = [p.number for p in [sender, *everybody]] + [e164(record.get("Owner") or "")]
    return "; ".join(map(spellings, dict.fromkeys(n for n in known if n)))


def recipients(to, entries):
    """What the block must say of recipients that the lines above or the header do not name."""
    if len(entries) <= 20:
        return []
    return [f"{len(entries):,}; the first 20 are named above, the others at the end."
            + f" The header names the first 500 of {len(to):,} different ones." * (len(to) > 500)]


def lines(record, root):
    """What lines of the block must say that have one value; None: there must be none."""
    call = call_of(record)
    given = {"Type": record["Kind"], "Network": record.get("Network"), "Subject": record.get("Subject"), "Group": record.get("GroupName"), "Group id": record.get("GroupID"), "Conversation": root,
             "Call id": call.get("ID"), "SHA-256 of the original item": record.get("SHA256"),
             "Text's content type (shown as it stands)": record["ContentType"] if record.get("ContentType", "").lower() != "text/plain" else None,
             "Left out because of a wrong JSON type": ", ".join(name for name in record.get("LeftOut") or [] if not name.endswith(")")),
             "Left out": ", ".join(name for name in record.get("LeftOut") or [] if name.endswith(")")),
             "Source id": None if record.get("Derived") else record["ID"],
             "Source id (made of the item's bytes, for it had none)": record["ID"] if record.get("Derived") else None}
    out = {name: isolated(value, marked(value, 500)) if value else None for name, value in given.items()}
    out |= outcome(record)
    out["Group message"] = "yes" if record.get("GroupMessage") else None
    ring, spoke = span(call.get("Start") or "", call.get("Answer") or ""), span(call.get("Answer") or "", call.get("End") or "")
    if not call.get("Answer") and not call.get("Duration") and call_status(record) != "answered" and record.get("Status") != "Answered":
        ring = span(call.get("Start") or "", call.get("End") or "")
    out["Ring time"], out["Talk time"] = (spoken(n) if n else None for n in (ring, 0 if spoke == (call.get("Duration") or 0) / 1e9 else spoke))
    out["Call duration"] = duration(record, spoke)
    return out | dict(times(record))


def files(fixture):
    """The attachments that must be there: name as given, size, hash."""
    kept = []
    for a, media in zip(fixture["record"].get("Attachments") or [], fixture.get("media") or []):
        if not a.get("Gone") and not (fixture.get("omit") or {}).get(a["Name"]):
            content = base64.b64decode(media)
            kept.append((a["Name"], len(content), hashlib.sha256(content).hexdigest()))
    return kept


ATTACHED = re.compile(rf"{QUOTED}, ([^, /]+/[^, ]+), ([\d,]+) bytes(?: claimed by the source)?, SHA-256 ([0-9a-f]{{64}}|unknown)(?: claimed by the source)?(?:, named {QUOTED})?(?:, type given as {QUOTED})?"
                      rf"(?:, digest given as {QUOTED} \(could not be checked\))?(?:, not attached: (.*))?")


def above_word(m):
    """What the text must say above the block of a file that is not there: what is known of it but not measured is the source's claim."""
    claimed = " claimed by the source" * ("claimed by the source" in m[0])
    return f"[Not attached: {m[0][:m.end(1) + 1]} ({m[3]} bytes{claimed}): {m[8]}]\r\n"


def attached(fixture, said, above):
    """Whether the block has one line for each attachment, with the name and the type that were given, and the text above says what isn't there, and why."""
    told = [ATTACHED.fullmatch(value) for name, value in said if re.fullmatch(r"Attachment \d+", name)]
    if not all(told) or any(above_word(m) not in above for m in told if m[8]):
        return False
    left = [(m[5] or m[1], m[6] or m[2], m[3], m[4], m[7] or "", "claimed" in m[0], m[8] or "") for m in told]
    given = itertools.zip_longest(fixture["record"].get("Attachments") or [], fixture.get("media") or [])  # what is gone may have no bytes
    for a, media in sorted(given, key=lambda pair: not pair[0]["Name"]):  # those without a name last, for any line could be theirs
        size, sha256 = a.get("Size"), a.get("SHA256") or "unknown"
        if not a.get("Gone"):
            content = base64.b64decode(media)
            size, sha256 = len(content), hashlib.sha256(content).hexdigest()
        rest = f"{size:,}", sha256, marked(a.get("Digest") or "", 200, '"\\'), bool(a.get("Gone")), marked(a.get("Gone") or (fixture.get("omit") or {}).get(a["Name"], ""), 500)
        line = next((line for line in left if line[2:] == rest and (not a["Name"] or line[0] == marked(a["Name"], 500, '"\\'))
                     and (not a["Type"] or line[1] == marked(a["Type"], 200, '"\\'))), None)
        if line is None:
            return False
        left.remove(line)
    return not left


def plain(name):
    """Whether a file's name must be in the message as it was given."""
    return (re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _-]{0,90}\.[a-z0-9]{2,5}", name)
            and not re.match(r"(con|prn|aux|nul|com\d|lpt\d) *\.", name, re.I) and not re.search(r"\.(bin|dat|tmp|exe|\d+)$", name))


def check(letter):
    """Holds the letter to its record. False: it has none."""
    beside = letter.path.removesuffix(".eml") + ".json"
    if not os.path.exists(beside):
        return False
    with open(beside, encoding="utf-8") as f:
        fixture = json.load(f)
    record = fixture["record"]
    demand(letter.id == message_id(record["ID"]), "Message-Id is not that of the record")
    demand(letter.date == moment(record["Time"]), "Date is not the record's time")
    demand(letter.text.startswith(record.get("Text", "").encode()), "the text does not begin with the record's")
    sender = Person(record["From"], record.get("Owner") or "")
    everybody = [Person(p) for p in record["To"] or [] if p["Value"] or p["FirstName"].strip() or p["LastName"].strip() or p.get("Emails")]
    demand(letter.sender == [(sender.name, sender.address)], "From is not the record's sender")
    to = list(dict.fromkeys((p.name, p.address) for p in everybody))
    demand(letter.to == to[:500], "To are not the record's recipients")
    said = block(letter.text.decode("utf-8"))
    demand(letter.subject == subject(fixture, sender, everybody, said), "Subject is not the record's")
    root = conversation(record, sender, everybody)
    programs = {name: value for name, value in letter.headers.items() if name.startswith("X-O2-")}
    demand(programs == headers(record, root), "the headers for programs are not the record's")
    demand({letter.headers.get("References"), letter.headers.get("In-Reply-To")} == {f"<{root}@conversation.{OURS}>"}, "References are not the conversation's")
    demand(letter.headers.get("Thread-Topic", "").endswith(f" [{root[:8]}]")
           and base64.b64decode(letter.headers.get("Thread-Index", ""))[6:].hex() == root[:32], "the thread is not the conversation's")
    for name, value in lines(record, root).items():
        demand([v for n, v in said if n == name] == ([] if value is None else [value]), f"the block's {name} is not the record's")
    demand([v for n, v in said if n == "Recipients"] == recipients(to, everybody),
           "the block's count of recipients is not the record's")
    demand([(n, v) for n, v in said if n.startswith("Part ")] == parts(record), "the block's parts are not the record's")
    demand(attached(fixture, said, letter.text.decode("utf-8").rpartition(RULER)[0]), "the text's attachments are not the record's")
    for role, people in ("From", [sender]), ("To", everybody):
        found = [v for n, v in said if n == role]
        demand(len(found) == len(people) and all(part in v for v, p in zip(found, people) for part in p.parts()), f"the block's {role} is not the record's")
    owner = [v for n, v in said if n == "Owner of the archived phone"]
    number = e164(record.get("Owner") or "")
    demand(len(owner) == 1 and owner[0].startswith(number or (quoted(record["Owner"]) if record.get("Owner") else "not given")),
           "the block's owner is not the record's")
    demand(not record.get("Owner") or owner[0].endswith(", " + owner_is(record, sender, everybody)), "the block's owner is not the record's")
    demand(re.fullmatch(numbers(record, sender, everybody), said[-1][1] if said[-1][0] == "Numbers, for search" else ""),
           "the block's last line has not all spellings of the record's numbers")
    wanted = files(fixture)
    demand(sorted((f.size, f.sha256) for f in letter.files) == sorted(w[1:] for w in wanted), "the attachments are not the record's")
    given = [name.lower() for name, _, _ in wanted]
    for name, _, sha256 in wanted:
        if plain(name) and given.count(name.lower()) == 1:
            demand(any(f.name == name and f.sha256 == sha256 for f in letter.files), "an attachment has not the name that it was given")
    return True
