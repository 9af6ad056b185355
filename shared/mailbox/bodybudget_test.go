package mailbox

import (
	"context"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestFewLargeBodiesAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, most := map[int]int{}, map[int]int{}
		graph := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			level := levelOf(r.ContentLength)
			mu.Lock()
			now[level]++
			most[level] = max(most[level], now[level])
			mu.Unlock()
			io.Copy(io.Discard, r.Body)
			time.Sleep(30 * time.Millisecond)
			mu.Lock()
			now[level]--
			mu.Unlock()
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusCreated)
			io.WriteString(w, `{"id":"AAMk","isDraft":false}`)
		})
		c := client(t, "http://127.0.0.1", func(config *Config) { config.HTTP = &inProcess{graph: graph} })
		together(90, func(i int) {
			user := string(rune('a' + i))
			c.mailboxOf(user).folder = "folder"
			s, err := c.OpenSession(t.Context(), user)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Release()
			m := with(sms(i), [][]int64{{10, 20}, {300_000}, {300_000, 200_000}}[i%3]...)
			if _, err := s.Import(t.Context(), m, nil); err != nil {
				t.Error(err)
			}
		})
		if most[large] > largePlaces || most[medium] > mediumPlaces || most[small] < 6 {
			t.Errorf("at once: %d large, %d medium, %d small", most[large], most[medium], most[small])
		}
		for _, level := range []int{medium, large} {
			n := map[int]int64{medium: mediumPlaces, large: largePlaces}[level]
			if !c.admission.bodies.places[level].TryAcquire(n) {
				t.Errorf("a place of sort %d was not given back", level)
			}
		}
	})
}

func TestHoldingPassesOn(t *testing.T) {
	t.Parallel()
	m := newBodyBudget()
	h := &holding{memory: m}
	for _, level := range []int{small, medium, medium, large, medium} {
		if err := h.acquire(t.Context(), level); err != nil {
			t.Fatal(err)
		}
	}
	if h.level != large || !m.places[medium].TryAcquire(mediumPlaces) || !m.places[large].TryAcquire(largePlaces-1) {
		t.Error("holds more or less than one large place")
	}
	full := &holding{memory: m}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := full.acquire(ctx, medium)
	wantError(t, err, Error{Kind: Unavailable, Code: "NotSent"})
	full.releaseTo(small)
	h.releaseTo(small)
	if !m.places[large].TryAcquire(1) {
		t.Error("the place was not given back")
	}
}
