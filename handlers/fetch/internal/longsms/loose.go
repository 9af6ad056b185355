package longsms

import "slices"

// joinLoose merges each incomplete message that lacks a sender, an owner or recipients (a loose message) into the
// message of the same id that it must belong to: the participants that both name are the same. If it may belong to two
// different messages it stays separate: a text must not be merged into a conversation of other people.
func joinLoose(sets []*Message) []*Message {
	threads := map[string][]*Message{}
	for _, s := range sets {
		if thread := s.Parts[0].Thread; thread != "" && !s.IsComplete() && len(threads[thread]) < maxSets {
			threads[thread] = append(threads[thread], s)
		}
	}
	joined := map[*Message]bool{}
	for _, open := range threads {
		for to, loose := loosePair(open); to != nil; to, loose = loosePair(open) {
			to.mergeWith(loose)
			joined[loose] = true
			open = slices.DeleteFunc(open, func(s *Message) bool { return s == loose || s.IsComplete() })
		}
	}
	return slices.DeleteFunc(sets, func(s *Message) bool { return joined[s] })
}

// loosePair returns a loose message and the message to merge it into, or nil if there is none.
func loosePair(open []*Message) (to, loose *Message) {
	for _, loose := range open {
		if !slices.Contains(sidesOf(loose), "") {
			continue
		}
		var may []*Message
		for _, other := range open {
			if other != loose && loose.mayBeOf(other) {
				may = append(may, other)
			}
		}
		if to := nearestOf(loose, may); to != nil {
			return to, loose
		}
	}
	return nil, nil
}

// nearestOf returns the candidate that was sent nearest to the loose message, or nil if the candidates are of different
// participants.
func nearestOf(loose *Message, may []*Message) (to *Message) {
	for i, one := range may {
		for _, other := range may[:i] {
			if same, _ := compareSides(one, other); !same {
				return nil
			}
		}
		if to == nil || loose.distanceTo(one) < loose.distanceTo(to) {
			to = one
		}
	}
	return to
}

// mayBeOf reports whether a loose message's parts may belong to the other message.
func (s *Message) mayBeOf(other *Message) bool {
	same, named := compareSides(s, other)
	if !same || s.Parts[0].Short && (!named || s.distanceTo(other) > together) {
		return false // a phone reuses its counts
	}
	return s.distanceTo(other) <= s.spanWith(other) && s.fitsTo(other)
}

// compareSides reports whether the participants that both messages name are the same, and whether both name any.
func compareSides(a, b *Message) (same, named bool) {
	of, others := sidesOf(a), sidesOf(b)
	for i := range of {
		switch {
		case of[i] == "" || others[i] == "":
		case of[i] != others[i]:
			return false, false
		default:
			named = true
		}
	}
	return true, named
}

// sidesOf returns the hashes of owner, sender and recipients, each from the first part that names it.
func sidesOf(s *Message) []string {
	sides := slices.Clone(s.Parts[0].Sides[:])
	for _, p := range s.Parts {
		for i, side := range p.Sides {
			if sides[i] == "" {
				sides[i] = side
			}
		}
	}
	return sides
}
