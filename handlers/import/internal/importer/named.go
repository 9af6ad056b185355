package importer

import (
	"fmt"
	"strings"

	"o2archiver/shared/record"
	"o2archiver/shared/usermap"
)

// addressesOf returns the addresses in the tenant of the participants who have a mailbox, by the participant's index.
// The message's From and To name them by these addresses.
func addressesOf(matches []usermap.Match) map[int]string {
	found := map[int]string{}
	for _, m := range matches { // in the order of the participants and their addresses
		for i, p := range m.Participants {
			if _, ok := found[p]; !ok && p != usermap.Owner {
				found[p] = m.Addresses[i]
			}
		}
	}
	return found
}

// namingDigest returns the origin of the addresses of those participants whose address in the message is not the first
// of their own: in "0=csv 2=2", the sender's comes from the mapping, and the second recipient's is the second one in
// the item. With it and the version of the mapping the message can be rendered again. The journal holds both, and no
// address.
func namingDigest(r *record.Record, found map[int]string) string {
	var b strings.Builder
	for i, p := range append([]record.Participant{r.From}, r.To...) {
		address := found[i]
		if address == "" {
			continue
		}
		from, first := "csv", true
		for n, entry := range p.Emails {
			own := record.LowerASCII(record.EmailAddress(entry))
			if own == address {
				from = fmt.Sprint(n + 1)
				if first {
					from = ""
				}
				break
			}
			first = first && own == ""
		}
		if from == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%d=%s", i, from)
	}
	return b.String()
}
