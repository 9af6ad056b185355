"""What a golden message must say of times: by the tz database, of which the project's code knows nothing."""

import re
from datetime import datetime, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from letter import Refused

TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)")


def moment(text):
    """The time without the fractions of its second, in UTC; ValueError if it is none."""
    m = TIME.fullmatch(text)
    if not m:
        raise ValueError("no time")
    return datetime.fromisoformat(m[1] + m[3].replace("Z", "+00:00")).astimezone(timezone.utc)


def span(start, end):
    """The seconds from one time of a call to another, 0 if they make no sense."""
    try:
        seconds = (moment(end) - moment(start)).total_seconds()
    except (ValueError, OverflowError):
        return 0
    return seconds if 0 < seconds <= 86400 and "2000" <= start[:4] and "2000" <= end[:4] else 0


def clocks(text):
    """A time on the clocks of Greenwich and London; nothing if it can't be read."""
    try:
        at = moment(text)
        london = at.astimezone(ZoneInfo("Europe/London"))
    except (ValueError, OverflowError):
        return ""
    except ZoneInfoNotFoundError:
        raise Refused("there is no tz database to hold it to: apt-get install tzdata") from None
    if at.year < 2000:
        return ""
    fraction = (TIME.fullmatch(text)[2] or "").rstrip("0").rstrip(".")
    utc = f"{at:%Y-%m-%d %H:%M:%S}{fraction} UTC"
    if london.utcoffset() == at.utcoffset():
        return f"{utc}, the same in London ({london:%Z})"
    return f"{utc}, in London {london:%Y-%m-%d %H:%M:%S}{fraction} {london:%Z}"


def canonical(text):
    """A time as RFC 3339 has it in UTC, which the block does not repeat as given; nothing if it can't be read."""
    m = TIME.fullmatch(text)
    fraction = (m[2] or "").rstrip("0").rstrip(".") if m else ""
    return f"{moment(text):%Y-%m-%dT%H:%M:%S}{fraction}Z" if m else ""
