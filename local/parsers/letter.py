"""Reads one message with Python's email package, strictly, and holds it to what it says of itself.

A refusal names what is wrong, never what is in the message.
"""

import email
import email.header
import email.policy
import email.utils
import hashlib
import re
from dataclasses import dataclass, field

import page

POLICY = email.policy.default.clone(raise_on_defect=True)
RULER = "-" * 40
ONCE = ["Date", "From", "Message-Id", "Subject", "Mime-Version", "Content-Type"]  # RFC 5322 section 3.6
LINE = 998  # RFC 5322 section 2.1.1


class Refused(Exception):
    """A message that is not as it should be."""


@dataclass
class File:
    """One attachment."""

    name: str
    size: int
    sha256: str
    shown: bool  # in the HTML


@dataclass
class Letter:
    """One message as Python reads it. Names and texts are decoded."""

    path: str
    id: str = ""
    date: object = None
    sender: list = field(default_factory=list)  # (name, address)
    to: list = field(default_factory=list)
    subject: str = ""
    headers: dict = field(default_factory=dict)  # those that a program reads: decoded, by their names
    text: bytes = b""  # UTF-8
    html: str = ""
    files: list = field(default_factory=list)
    pictures: set = field(default_factory=set)  # their Content-IDs


def demand(so, why):
    if not so:
        raise Refused(why)


def read(path):
    """Gives the letter, or raises Refused."""
    with open(path, "rb") as f:
        raw = f.read()
    try:
        return parsed(path, raw)
    except Refused:
        raise
    except Exception as e:  # Python's own words may quote the message
        raise Refused("Python's email package refuses it: " + type(e).__name__) from None


def parsed(path, raw):
    octets(raw)
    message = email.message_from_bytes(raw, policy=POLICY)
    names = [name.lower() for name in message.keys()]
    for name in ONCE:
        demand(names.count(name.lower()) == 1, f"{name} is not there exactly once")
    demand(names.count("to") <= 1, "To is there more than once")
    for part in message.walk():
        for name, value in part.items():
            demand(not getattr(value, "defects", ()), f"header {name} has a defect")
    letter = Letter(path, id=str(message["Message-Id"]).strip("<>"), date=message["Date"].datetime,
                    sender=people(raw, "From", message), to=people(raw, "To", message), subject=str(message["Subject"]))
    demand(len(letter.sender) == 1, "From has not one address")
    letter.headers = {name: re.sub(r"\r\n(?=[ \t])", "", str(value)) for name, value in message.items()
                      if name.startswith(("X-O2-", "Thread-")) or name in ("References", "In-Reply-To")}
    bodies(letter, message)
    itself(letter)
    return letter


def octets(raw):
    """What must be true of the bytes, whatever they say."""
    demand(raw, "it is empty")
    demand(not re.search(rb"(?<!\r)\n", raw), "a line ends in a bare LF")
    demand(not re.search(rb"\r(?!\n)", raw), "a bare CR")
    head, separator, _ = raw.partition(b"\r\n\r\n")
    demand(separator, "its header does not end")
    demand(head.isascii(), "its header is not in ASCII")
    demand(not re.search(rb"[^\t\r\n -~]", raw), "a character that is not plain ASCII")
    demand(max(map(len, raw.split(b"\r\n"))) <= LINE, f"a line of more than {LINE} bytes")
    demand(not re.search(rb"\r\n[ \t]+\r\n", head + separator), "a line of blanks in the header")


def people(raw, header, message):
    """The addresses of a header, on which both of Python's parsers have to agree.

    The names are those of the older one: up to Python 3.12 the newer leaves a blank between encoded words, against RFC 2047 section 6.2.
    """
    if message[header] is None:
        return []
    old = email.message_from_bytes(raw, policy=email.policy.compat32)[header]
    pairs = email.utils.getaddresses([re.sub(r"\r\n(?=[ \t])", "", old)])
    demand([a.addr_spec for a in message[header].addresses] == [address for _, address in pairs], f"{header} can be read in two ways")
    return [(str(email.header.make_header(email.header.decode_header(name))), address) for name, address in pairs]


def bodies(letter, message):
    """Takes the parts: one text, perhaps the same as HTML, and attachments."""
    texts, htmls = [], []
    for part in message.walk():
        if part.is_multipart():
            demand(part.get_content_maintype() == "multipart", "a message within the message")
            continue
        content = part.get_payload(decode=True)
        if part.get_content_disposition() is not None:
            letter.files.append(attachment(part, content))
            demand(letter.files[-1].shown == (part["Content-Id"] is not None), "a picture in the text without a Content-Id, or a file with one")
            if letter.files[-1].shown:
                letter.pictures.add(str(part["Content-Id"]).strip().strip("<>"))
            continue
        demand(part.get_content_charset() == "utf-8", "a text that is not in UTF-8")
        content.decode("utf-8")
        {"text/plain": texts, "text/html": htmls}.get(part.get_content_type(), []).append(content)
        demand(part.get_content_type() in ("text/plain", "text/html"), "a part that is neither text nor an attachment")
    demand(len(texts) == 1, "it has not one plain text")
    demand(len(htmls) <= 1, "it has more than one HTML text")
    letter.text = texts[0]
    if htmls:
        letter.html = htmls[0].decode("utf-8")


# What Windows takes for a device, whatever its extension.
DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|clock\$|(com|lpt)[0-9¹²³]) *(\.|$)", re.I)


def attachment(part, content):
    """Holds an attachment to its own header."""
    said = re.sub(r"\s", "", str(part["X-O2-Sha256"] or ""))
    sha256 = hashlib.sha256(content).hexdigest()
    demand(said == sha256, "an attachment has not the SHA-256 that its header says")
    demand(part["Content-Disposition"].params.get("size") == str(len(content)), "an attachment has not the size that its header says")
    name = part.get_filename()
    demand(name and not re.search(r'[\x00-\x1f\x7f/\\:*?"<>|\u202a-\u202e\u2066-\u2069]', name) and len(name) <= 120
           and name.strip(". ") == name and not DEVICE.match(name), "an attachment's name is not safe to save under")
    return File(name, len(content), sha256, part.get_content_disposition() == "inline")


QUOTED = r'\u2068?"((?:[^"\\]|\\.)*)"\u2069?'  # a value of the source beside others
FILE = re.compile(rf"Attachment \d+: {QUOTED}, [^, /]+/[^, ]+, ([\d,]+) bytes, SHA-256 ([0-9a-f]{{64}})(?:, named {QUOTED})?(?:, type given as {QUOTED})?"
                  rf"(?:, digest given as {QUOTED} \(could not be checked\))?(, not attached: .*)?")


def unquoted(s):
    return re.sub(r"\\(.)", r"\1", s)


def block(text):
    """The lines of the block about the item, each as its name and its value."""
    _, ruler, lines = ("\r\n" + text).rpartition("\r\n" + RULER + "\r\n")
    demand(ruler, "its text has no block about the item")
    return [tuple(line.partition(": ")[::2]) for line in lines.removesuffix("\r\n").split("\r\n")]


@dataclass
class Signed:
    """How the messages of a format say where the item's own text ends."""

    size: re.Pattern  # finds the length of the item's own text
    none: str  # the item has none
    counted: re.Pattern  # what the HTML does not have
    name: str  # of the program


EARLIER = {"1", "2", "3"}  # formats of messages that are in mailboxes and stay as they are
SIGNED = {
    True: Signed(re.compile(r" The item's own text is the first ([\d,]+) bytes of the text in this message's RFC 5322 form\."), " The item has no text of its own.",
                 re.compile(r" The item('s own text is .*? RFC 5322 form| has no text of its own)\."), "Added by O2 Network Archiver, message format "),
    False: Signed(re.compile(r"^The text above the line(?: begins with the original message)? \(([\d,]+) bytes\)"), "The original item has no text of its own;",
                  re.compile(r" \([\d,]+ bytes\)"), "\r\nAdded by: O2 Network Archiver, message format "),
}


def itself(letter):
    """Holds the message to the block at the end of its text, which says what the message is."""
    text = letter.text.decode("utf-8")
    own, ruler, block = ("\r\n" + text).rpartition("\r\n" + RULER + "\r\n")
    demand(ruler, "its text has no block about the item")
    lines = block.split("\r\n")
    signed = SIGNED[letter.headers.get("X-O2-Format") in EARLIER]
    size = signed.size.search(lines[0])
    demand(size or signed.none in lines[0], "it does not say where the item's own text ends")
    demand(signed.name in block, "it does not say which program added the block, and in which format")
    length = int(size[1].replace(",", "")) if size else 0
    demand(length <= len(own.encode()) - 2, "the item's own text is shorter than it says")

    sent = [m[1] for m in (re.match(r"Time: (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", line) for line in lines) if m]
    demand(sent == [f"{letter.date:%Y-%m-%d %H:%M:%S}"] and letter.date.utcoffset().total_seconds() == 0, "Date is not the item's time in UTC")
    ids = [line.split(": ", 1)[1] for line in lines if re.match(r"Source id( \(.*?\))?: ", line)]
    demand(len(ids) == 1, "it does not say which item it is")
    if not re.search(r"⟦|… \(", ids[0]):  # shown as it is
        demand(letter.id == message_id(ids[0]), "Message-Id is not that of the item")

    told = [m for m in map(FILE.fullmatch, lines) if m and not m[7]]
    demand(sorted((unquoted(m[1]), int(m[2].replace(",", "")), m[3]) for m in told) == sorted((f.name, f.size, f.sha256) for f in letter.files),
           "its attachments are not those that its text names")
    demand(len({f.name.lower() for f in letter.files}) == len(letter.files), "two attachments have one name")
    demand(letter.html or not letter.pictures, "a picture in the text that no HTML shows")
    if letter.html:
        signature = signed.counted.sub("", lines[0])
        why = page.refuse(letter.html, letter.text[:length].decode("utf-8"), signature, letter.pictures)
        demand(not why, f"its HTML {why}")


def message_id(source):
    return hashlib.sha256(f"v1|telemessage-o2|{source}".encode()).hexdigest()[:40] + "@o2archiver.invalid"
