"""Checks all .eml files in and below a folder."""

import os
import sys

import examples
import golden
import index
import letter

SHOWN = 20  # refusals that are named


EARLIER = "format3"  # the folder of messages in an earlier format, beside the goldens; their records are the goldens'


def find(folder):
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(set(folders) - {EARLIER})
        for name in sorted(files):
            if name.endswith(".eml"):
                yield os.path.join(place, name)


def check(folder, say, records=False):
    """Gives what is wrong, in words without content, and says the counts. records: each message must have its record beside it."""
    letters, wrong, beside = [], [], 0
    for path in find(folder):
        try:
            one = letter.read(path)
            known = golden.check(one)
            letter.demand(known or not records, "it has no record beside it")
            beside += known
            letters.append(one)
        except letter.Refused as e:
            # Not the folder: that of an export is a mailbox's address.
            wrong.append(f"{os.path.basename(path)}: {e}")
    messages = len(letters) + len(wrong)
    earlier = 0
    for path in find(os.path.join(folder, EARLIER)) if records else []:
        try:
            letter.read(path)
            earlier += 1
        except letter.Refused as e:
            wrong.append(f"{EARLIER}/{os.path.basename(path)}: {e}")
    letter.demand(earlier or not records, "there is no message in an earlier format")
    if not letters and not wrong:
        return ["there are no .eml files in the folder"]
    counts = index.check(letters, wrong)
    if records and not wrong:  # a message that was refused is found by nobody
        wrong += examples.check(letters)
    say(f"parsers: {messages} messages, {len(letters)} of them right for Python's email ({beside} held to the record "
        f"beside them, {sum(bool(one.html) for one in letters)} with HTML, {sum(len(one.files) for one in letters)} attachments); "
        f"notmuch has {counts.messages} with different ids, {counts.searches} searches and {counts.shown} messages compared; "
        f"{len(examples.EXPECTED) if records else 'no'} examples of the documentation; {earlier} messages in an earlier format; {len(wrong)} failures")
    return wrong


def main():
    if not os.path.isdir(sys.argv[1]):
        sys.exit("parsers: the folder is not there")
    wrong = check(sys.argv[1], print, sys.argv[2:] == ["records"])
    for why in wrong[:SHOWN]:
        print("parsers:", why, file=sys.stderr)
    if len(wrong) > SHOWN:
        print(f"parsers: and {len(wrong) - SHOWN} more", file=sys.stderr)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
