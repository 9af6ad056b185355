package mailboxtest_test

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"o2archiver/shared/mailbox/mailboxtest"
)

// retryAfter reads either form of the header.
func (s *server) retryAfter(a answer) time.Duration {
	s.t.Helper()
	v := a.header.Get("Retry-After")
	if n, err := strconv.Atoi(v); err == nil {
		return time.Duration(n) * time.Second
	}
	at, err := http.ParseTime(v)
	if err != nil {
		s.t.Fatalf("Retry-After %q", v)
	}
	return at.Sub(s.clock.Now())
}

func TestConcurrencyOfAMailbox(t *testing.T) {
	s := start(t, mailboxtest.Options{Users: []mailboxtest.User{{ID: "0b", UPN: "b@contoso.example"}}})
	s.Fail(mailboxtest.FindFolder, 1, mailboxtest.Fault{Times: 4, Stall: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			r, _ := http.NewRequestWithContext(ctx, "GET", s.url+folders, nil)
			r.Header.Set("Authorization", "Bearer local")
			if resp, err := http.DefaultClient.Do(r); err == nil {
				resp.Body.Close()
			}
		})
	}
	for s.Requests().MaxConcurrent[anna] < 4 {
		time.Sleep(time.Millisecond)
	}
	numbers := 0
	for range 4 {
		a := s.want(s.do("GET", folders, nil), 429, "ApplicationThrottled")
		if d := s.retryAfter(a); d != time.Second {
			t.Errorf("Retry-After %v", d)
		}
		if _, err := strconv.Atoi(a.header.Get("Retry-After")); err == nil {
			numbers++
		}
	}
	if numbers != 2 {
		t.Errorf("Retry-After is a number in %d of 4 answers", numbers)
	}
	s.want(s.do("GET", "/v1.0/users/0b/mailFolders", nil), 200, "") // mailboxes don't affect one another
	s.want(s.do("GET", "/v1.0/users/"+anna, nil), 200, "")          // nor do look-ups
	cancel()
	wg.Wait()
	if c := s.Requests(); c.Throttled != 4 || c.MaxConcurrent[anna] != 5 || c.MaxConcurrent["0b"] != 1 {
		t.Errorf("%+v", c)
	}
}

// A client with 4 permits that starts its next request when it has the answer to the last one is never refused.
func TestSlotIsFreeBeforeTheAnswer(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	inbox := s.messages("inbox")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				if a := s.do("POST", inbox, message("ab")); a.status != 201 {
					t.Errorf("got %d", a.status)
				}
			}
		})
	}
	wg.Wait()
}

func TestRequestsInTenMinutes(t *testing.T) {
	s := start(t, mailboxtest.Options{Limits: mailboxtest.Limits{PerTenMinutes: 10}})
	for range 5 {
		s.want(s.do("GET", folders, nil), 200, "")
	}
	s.clock.Add(2 * time.Minute)
	for range 5 {
		s.want(s.do("GET", folders, nil), 200, "")
	}
	s.want(s.do("GET", "/v1.0/users/"+anna, nil), 200, "") // the directory is no part of the mailbox
	a := s.want(s.do("GET", folders, nil), 429, "ApplicationThrottled")
	if d := s.retryAfter(a); d != 8*time.Minute {
		t.Errorf("Retry-After %v", d)
	}
	// Requests that are refused count too: of the 5 places that come free after 8 minutes, the refused ones have taken
	// theirs.
	for range 3 {
		s.want(s.do("GET", folders, nil), 429, "ApplicationThrottled")
	}
	s.clock.Add(8 * time.Minute)
	s.want(s.do("GET", folders, nil), 200, "")
	s.want(s.do("GET", folders, nil), 429, "ApplicationThrottled")
	s.clock.Add(10 * time.Minute)
	s.want(s.do("GET", folders, nil), 200, "")
}

func TestDefaultIsTenThousandRequests(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	// A thousand batches of 20 would be 20,000: the first 500 fit.
	var requests []object
	for i := range 20 {
		requests = append(requests,
			object{"id": strconv.Itoa(i), "method": "GET", "url": "/users/" + anna + "/messages/none",
				"headers": object{}})
	}
	for i := range 501 {
		a := s.want(s.do("POST", "/v1.0/$batch", object{"requests": requests}), 200, "")
		want := 404.0
		if i == 500 {
			want = 429
		}
		for _, r := range a.body["responses"].([]any) {
			if got := r.(object)["status"]; got != want {
				t.Fatalf("batch %d: %v", i, got)
			}
		}
		s.clock.Add(100 * time.Millisecond)
	}
}

func TestUploadInFiveMinutes(t *testing.T) {
	s := start(t, mailboxtest.Options{Limits: mailboxtest.Limits{UploadPerFiveMinutes: 5_000_000}})
	f := s.folder("O2")
	id := s.made(f, "ab")
	url := s.want(s.do("POST", s.messages(f)+"/"+id+"/attachments/createUploadSession", item("a", 6_000_000)), 201,
		"").text("uploadUrl")
	s.want(s.put(url, make([]byte, 3_000_000), 0, 6_000_000), 200, "")
	a := s.want(s.put(url, make([]byte, 3_000_000), 3_000_000, 6_000_000), 429, "ApplicationThrottled")
	if d := s.retryAfter(a); d != 5*time.Minute {
		t.Errorf("Retry-After %v", d)
	}
	s.want(s.do("GET", folders, nil), 200, "") // no upload
	s.clock.Add(5 * time.Minute)
	s.want(s.put(url, make([]byte, 3_000_000), 3_000_000, 6_000_000), 201, "")
}

func TestRequestsOfTheApplication(t *testing.T) {
	s := start(t, mailboxtest.Options{Limits: mailboxtest.Limits{PerTenSeconds: 3}})
	for range 3 {
		s.want(s.do("GET", "/v1.0/users", nil), 200, "")
	}
	if d := s.retryAfter(s.want(s.do("GET", folders, nil), 429, "TooManyRequests")); d != 10*time.Second {
		t.Errorf("Retry-After %v", d)
	}
	s.clock.Add(10 * time.Second)
	s.want(s.do("GET", folders, nil), 200, "")
}

func TestLimitsOff(t *testing.T) {
	s := start(t, mailboxtest.Options{Limits: mailboxtest.Limits{Off: true, PerTenMinutes: 1, Concurrent: 1,
		UploadPerFiveMinutes: 1, PerTenSeconds: 1}})
	for range 3 {
		s.want(s.do("POST", s.messages("inbox"), message("ab")), 201, "")
	}
}
