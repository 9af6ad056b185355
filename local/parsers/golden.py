"""What a golden message must say, worked out from the record beside it without any of the project's code."""

import base64
import hashlib
import json
import os
import re
import unicodedata
from datetime import datetime, timezone

from letter import demand, message_id

OURS = "o2archiver.invalid"
NOBODY = {"unknown", "withheld", "number withheld", "private", "private number", "anonymous", "unavailable", "restricted",
          "no caller id", "unknown number"}
EMAIL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+"
                   r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")
TURNS = re.compile("[\u061c\u200e\u200f\ufeff\u202a-\u202e\u2066-\u2069]")


def one_line(s, limit):
    """A text as it can stand in a header."""
    s = TURNS.sub("", s)
    s = "".join(" " if c.isspace() or unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in s)
    s = re.sub(" +", " ", s).strip(" ")
    return s if len(s) <= limit else s[:limit - 1].rstrip(" ") + "…"


def e164(value):
    """British numbers and those with a plus: the goldens have no others."""
    digits = re.sub("[ \u00a0().-]", "", TURNS.sub("", value))
    if re.fullmatch(r"\+\d{8,15}", digits):
        return digits
    if re.fullmatch(r"44\d{10}|0\d{10}", digits):
        return "+44" + digits[-10:]
    return ""


def slug(s):
    return re.sub("[^a-z0-9]+", "-", s.lower()).lstrip("-")[:40].rstrip("-") or "x"


def short(s):
    return hashlib.sha256(s.encode()).hexdigest()[:16]


class Person:
    """A participant: how the header and the subject must name it."""

    def __init__(self, given):
        value = given["Value"]
        full = (given["FirstName"].strip() + " " + given["LastName"].strip()).strip()
        emails = given.get("Emails") or []
        number, name = e164(value), one_line(full, 100)
        self.address = self.mail(value.strip(), full, emails, number)
        shown = number or one_line(value, 40)
        self.name = f"{name} ({shown})" if name and shown else name or shown or (one_line(emails[0], 100) if emails else "Unknown")
        self.label = one_line(name or number[1:] or self.name, 60)

    @staticmethod
    def mail(value, full, emails, number):
        for e in emails:
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


def subject(record, sender, to):
    kind = {"SMS": "SMS", "MMS": "MMS", "CALL_LOG": "Call", "CALL_AUDIO": "Call"}.get(record["Kind"]) or one_line(record["Kind"], 40) or "Message"
    group = one_line(record.get("GroupName", ""), 80)
    s = f"{kind} from {sender.label}"
    labels = [p.label for p in to[:3]]
    if record.get("GroupMessage") and group:
        s += " to chat group " + group
    elif len(to) > 3:
        s += " to " + ", ".join(labels) + f" and {len(to) - 3} more"
    elif to:
        s += " to " + (", ".join(labels[:-1]) + " and " if labels[1:] else "") + labels[-1]
    own = one_line(record.get("Subject", ""), 250)
    return one_line(s + (": " + own if own else ""), 250)


def moment(text):
    m = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)", text)
    return datetime.fromisoformat(m[1] + m[2].replace("Z", "+00:00")).astimezone(timezone.utc)


def files(fixture):
    """The attachments that must be there: name as given, size, hash."""
    kept = []
    for a, media in zip(fixture["record"].get("Attachments") or [], fixture.get("media") or []):
        if not a.get("Gone") and not (fixture.get("omit") or {}).get(a["Name"]):
            content = base64.b64decode(media)
            kept.append((a["Name"], len(content), hashlib.sha256(content).hexdigest()))
    return kept


def plain(name):
    """Whether a file's name must be in the message as it was given."""
    return (re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _-]{0,90}\.[a-z0-9]{2,5}", name)
            and not re.match(r"(con|prn|aux|nul|com\d|lpt\d) *\.", name, re.I) and not re.search(r"\.(bin|dat|tmp)$", name))


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
    sender = Person(record["From"])
    everybody = [Person(p) for p in record["To"] or [] if p["Value"] or p["FirstName"].strip() or p["LastName"].strip() or p.get("Emails")]
    demand(letter.sender == [(sender.name, sender.address)], "From is not the record's sender")
    to = list(dict.fromkeys((p.name, p.address) for p in everybody))[:500]
    demand(letter.to == to, "To are not the record's recipients")
    demand(letter.subject == subject(record, sender, everybody), "Subject is not the record's")
    wanted = files(fixture)
    demand(sorted((f.size, f.sha256) for f in letter.files) == sorted(w[1:] for w in wanted), "the attachments are not the record's")
    given = [name.lower() for name, _, _ in wanted]
    for name, _, sha256 in wanted:
        if plain(name) and given.count(name.lower()) == 1:
            demand(any(f.name == name and f.sha256 == sha256 for f in letter.files), "an attachment has not the name that it was given")
    return True
