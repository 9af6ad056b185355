package main

import (
	"slices"
)

// joinLoose joins the pieces that lack a sender, an owner or recipients to the message that they must be of: of the same id, with
// the same people as far as both name any. Where they may be of two messages that are not one, they stay by themselves: a
// text must not get among the texts of others.
func joinLoose(sets []*longSMS) []*longSMS {
	threads := map[string][]*longSMS{}
	for _, s := range sets {
		if thread := s.parts[0].Thread; thread != "" && !s.isComplete() && len(threads[thread]) < maxSets {
			threads[thread] = append(threads[thread], s)
		}
	}
	joined := map[*longSMS]bool{}
	for _, open := range threads {
		for to, loose := loosePair(open); to != nil; to, loose = loosePair(open) {
			to.mergeWith(loose)
			joined[loose] = true
			open = slices.DeleteFunc(open, func(s *longSMS) bool { return s == loose || s.isComplete() })
		}
	}
	return slices.DeleteFunc(sets, func(s *longSMS) bool { return joined[s] })
}

// loosePair finds a message that a loose one is to be joined to; nil if there is none.
func loosePair(open []*longSMS) (to, loose *longSMS) {
	for _, loose := range open {
		if !slices.Contains(sidesOf(loose), "") {
			continue
		}
		var may []*longSMS
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

// nearestOf returns the one nearest to the loose message of those that it may be of, or nil if these are of different people.
func nearestOf(loose *longSMS, may []*longSMS) (to *longSMS) {
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

// mayBeOf reports whether a loose message's pieces may be of the other one.
func (s *longSMS) mayBeOf(other *longSMS) bool {
	same, named := compareSides(s, other)
	if !same || s.parts[0].Short && (!named || s.distanceTo(other) > together) {
		return false // a phone's count comes again and again
	}
	return s.distanceTo(other) <= s.spanWith(other) && s.fitsTo(other)
}

// compareSides reports whether two messages name the same people as far as both name any, and whether they do name one.
func compareSides(a, b *longSMS) (same, named bool) {
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

// sidesOf returns the hashes of owner, sender and recipients as far as any of the pieces names them.
func sidesOf(s *longSMS) []string {
	sides := slices.Clone(s.parts[0].Sides[:])
	for _, p := range s.parts {
		for i, side := range p.Sides {
			if sides[i] == "" {
				sides[i] = side
			}
		}
	}
	return sides
}
