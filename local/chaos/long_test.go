package chaos

import "testing"

// longTests are the tests that can't be divided into shares.
var longTests = []struct {
	name string
	test func(*testing.T)
}{
	{"Kills", killsOfHandlers},
	{"KillsOfDeliveries", killsOfDeliveries},
	{"KillsInTheRealHost", killsInTheRealHost},
	{"Outage", outageOfEach},
	{"OutageInTheRealHost", outageInTheRealHost},
	{"GivenUp", givenUpBatches},
	{"GivenUpInTheRealHost", givenUpInTheRealHost},
	{"SweepLeavesLiveHolder", sweepLeavesLiveHolder},
	{"PageThatChanges", pageThatChanges},
}

// TestLong runs all of the long tests, or the one whose turn it is in a share of the long form.
func TestLong(t *testing.T) {
	for i, one := range longTests {
		if form.Picks(i, len(longTests)) {
			t.Run(one.name, one.test)
		}
	}
}
