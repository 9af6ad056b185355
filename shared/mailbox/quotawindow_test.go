package mailbox

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// sent is a request as a service counts it: at some moment while it is under way.
type sent struct {
	at    time.Duration
	bytes int64
}

// The pace is held to the quota by all windows there are, with requests of all sizes that take their time.
func TestQuotaWindowStaysWithinTheQuota(t *testing.T) {
	t.Parallel()
	for name, most := range map[string]int64{"small": 2_000, "medium": 60_000, "large": 8_000_000,
		"huge": 200_000_000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(1, uint64(most)))
			type ending struct {
				at   time.Duration
				held Cost
				sent
			}
			var (
				p     quotaWindow
				under []ending
				log   []sent
			)
			for now := time.Duration(0); now < time.Hour; {
				c := Cost{1, r.Int64N(most) + 1}
				pause := p.waitFor(now, c)
				if pause == 0 && len(under) < 4 {
					p.reserve(c)
					took := time.Duration(r.Int64N(int64(200*time.Millisecond)) + 1)
					under = append(under,
						ending{now + took, c,
							sent{now + time.Duration(r.Int64N(int64(took))), c.Bytes - r.Int64N(c.Bytes/8+1)}})
					continue
				}
				slices.SortFunc(under, func(a, b ending) int { return int(a.at - b.at) })
				if len(under) == 0 {
					now += pause
					continue
				}
				e := under[0]
				under = under[1:]
				now = e.at
				p.unreserve(e.held)
				p.charge(now, Cost{1, e.bytes})
				log = append(log, e.sent)
			}
			if len(p.spent) > int(requestsSpan/tick)+1 {
				t.Errorf("%d entries are kept", len(p.spent))
			}
			slices.SortFunc(log, func(a, b sent) int { return int(a.at - b.at) })
			alone := most > maxBytes // then a single one may be more than the quota
			check(t, log, alone)
		})
	}
}

// check goes over all windows that end with a request.
func check(t *testing.T, log []sent, alone bool) {
	t.Helper()
	var ofRequests, ofBytes, bytes int64
	first, firstBytes := 0, 0
	for _, s := range log {
		for ; log[first].at <= s.at-requestsSpan; first++ {
			ofRequests--
		}
		for ; log[firstBytes].at <= s.at-bytesSpan; firstBytes++ {
			ofBytes -= log[firstBytes].bytes
		}
		ofRequests++
		ofBytes += s.bytes
		bytes += s.bytes
		if ofRequests > maxRequests || ofBytes > maxBytes && !(alone && ofBytes-s.bytes <= maxBytes/100) {
			t.Fatalf("after %v: %d requests in one window, %d bytes", s.at, ofRequests, ofBytes)
		}
	}
	// what is held for a request is more than it takes
	if !alone && len(log) < 6*maxRequests*97/100 && bytes < 12*maxBytes*93/100 {
		t.Errorf("%d requests and %d bytes in an hour: neither quota is made use of", len(log), bytes)
	}
}

func TestQuotaWindowForgets(t *testing.T) {
	t.Parallel()
	var p quotaWindow
	if !p.idle(0) {
		t.Error("a new one is not idle")
	}
	p.reserve(smallRequest)
	if p.idle(0) {
		t.Error("it is idle with a request under way")
	}
	p.unreserve(smallRequest)
	p.charge(time.Second, smallRequest)
	if p.idle(requestsSpan+time.Second) || !p.idle(requestsSpan+tick) {
		t.Error("it is idle too early, or never")
	}
	if p.waitFor(requestsSpan+tick, smallRequest) != 0 || len(p.spent) != 0 {
		t.Errorf("%d entries are left", len(p.spent))
	}
}

// What has to go first at a new mailbox, a folder, does not hold back a message of 150 MB for five minutes.
func TestQuotaWindowAdmitsWhatIsAllOfTheQuota(t *testing.T) {
	t.Parallel()
	var p quotaWindow
	p.charge(0, smallRequest)
	all := Cost{1, maxBytes + 40_000}
	if pause := p.waitFor(time.Second, all); pause != 0 {
		t.Errorf("it has to wait for %v", pause)
	}
	p.charge(time.Second, Cost{10, maxBytes / 10})
	if pause := p.waitFor(time.Second, all); pause != bytesSpan+tick-time.Second {
		t.Errorf("behind other messages it has to wait for %v", pause)
	}
	p.reserve(all)
	if pause := p.waitFor(time.Hour, smallRequest); pause != soon {
		t.Errorf("the next one has to wait for %v", pause)
	}
}

func TestCost(t *testing.T) {
	t.Parallel()
	c := client(t, "http://127.0.0.1:1")
	without := client(t, "http://127.0.0.1:1", func(config *Config) { config.UploadSessions = false })
	for name, test := range map[string]struct {
		client   *Client
		sizes    []int64
		requests int64
		bytes    int64 // about
	}{
		"a text":                     {c, nil, 1, 0},
		"a picture":                  {c, []int64{1_000_000}, 1, 1_340_000},
		"a large one":                {c, []int64{2_900_000}, 3, 3_870_000},
		"a recording":                {c, []int64{10 * uploadPart}, 13, 10 * uploadPart},
		"a picture and a recording":  {c, []int64{1_000_000, uploadPart + 1}, 5, 1_340_000 + uploadPart},
		"where there is no session":  {without, []int64{3_100_000}, 3, 4_140_000},
		"small ones and a large one": {c, []int64{10, 10, 2_900_000, 10}, 4, 3_870_000},
	} {
		got := test.client.Cost(1000, test.sizes)
		if over := got.Bytes - test.bytes; got.Requests != test.requests || over < 0 || over > 50_000 {
			t.Errorf("%s: got %+v, want %d requests and about %d bytes", name, got, test.requests, test.bytes)
		}
	}
}
