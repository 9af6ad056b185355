package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// trickle writes 8 KiB each half minute, above what counts as silence, until the client gives up.
func trickle(head string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, head)
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, strings.Repeat("x", 8<<10)); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			time.Sleep(30 * time.Second)
		}
	}
}

// An answer that trickles for ever ends after the time that one answer may take, and is not asked for again at once.
func TestAnswerThatTrickles(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]func(context.Context, *Client) error{
		`{"items":[{"a":"`: func(ctx context.Context, c *Client) error {
			_, err := c.Items(ctx, day0, day1, "", 10, func(Item) error { return nil })
			return err
		},
		`{"total":"`: func(ctx context.Context, c *Client) error {
			_, _, err := c.Count(ctx, day0, day1)
			return err
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			c, _ := dial(t, trickle(name), 5)
			began := time.Now()
			err := ask(t.Context(), c)
			if took := time.Since(began); !errors.Is(err, ErrTooLong) || !errors.Is(err, ErrUnavailable) ||
				took > pageTime+time.Minute {
				t.Errorf("%s: error %v after %v", name, err, took)
			}
			time.Sleep(time.Minute) // the site notices
		})
	}
}

func TestSiteTime(t *testing.T) {
	t.Parallel()
	date := ""
	age := ""
	c, _ := dial(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Date"] = nil
		if date != "" {
			w.Header().Set("Date", date)
		}
		w.Header().Set("Age", age)
		fmt.Fprint(w, `{"items":[]}`)
	}), 1)
	at := time.Date(2026, 11, 28, 5, 30, 0, 0, time.UTC)
	for _, tt := range []struct {
		date, age string
		want      time.Time
	}{
		{"", "", time.Time{}},
		{at.Format(http.TimeFormat), "", at},
		{at.Format(http.TimeFormat), "90", at.Add(90 * time.Second)},
		{at.Format(http.TimeFormat), "-1", at},
		{"yesterday", "", time.Time{}},
	} {
		date, age = tt.date, tt.age
		if _, err := c.Items(t.Context(), day0, day1, "", 10, nil); err != nil {
			t.Fatal(err)
		}
		if got := c.SiteTime(); !got.Equal(tt.want) {
			t.Errorf("Date %q, Age %q: %v, want %v", tt.date, tt.age, got, tt.want)
		}
	}
}
