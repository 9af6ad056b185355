package longsms

import "slices"

// joinLoose joins the parts that lack a sender, an owner or recipients to the message that they must be of: of the same
// id, with the same people as far as both name any. Where they may be of two messages that are not one, they stay by
// themselves: a text must not get among the texts of others.
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

// loosePair finds a message that a loose one is to be joined to; nil if there is none.
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

// nearestOf returns the one nearest to the loose message of those that it may be of, or nil if these are of different
// people.
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

// mayBeOf reports whether a loose message's parts may be of the other one.
func (s *Message) mayBeOf(other *Message) bool {
	same, named := compareSides(s, other)
	if !same || s.Parts[0].Short && (!named || s.distanceTo(other) > together) {
		return false // a phone's count comes again and again
	}
	return s.distanceTo(other) <= s.spanWith(other) && s.fitsTo(other)
}

// compareSides reports whether two messages name the same people as far as both name any, and whether they do name one.
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

// sidesOf returns the hashes of owner, sender and recipients as far as any of the parts names them.
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
