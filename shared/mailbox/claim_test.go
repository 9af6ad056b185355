package mailbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/mailbox/mailboxtest"
)

// freezer is a transport that stands still before it hands the n-th request that changes something on, for longer than
// the claim lasts.
type freezer struct {
	next     http.RoundTripper
	n        atomic.Int64 // from 1; 0: never
	instead  error        // it fails instead, and so do all later ones
	writes   atomic.Int64
	outlived atomic.Bool // the claim is not good any more
}

func (f *freezer) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		if n, stop := f.writes.Add(1), f.n.Load(); stop > 0 && n >= stop {
			f.outlived.Store(true)
			if f.instead != nil {
				return nil, f.instead
			}
		}
	}
	return f.next.RoundTrip(r)
}

// left is what there is of the messages: how many attachments each has, and whether it is complete.
func left(g *mailboxtest.Graph) (all []string) {
	for _, m := range g.Messages(alice) {
		state, _ := m.Property("ImportState")
		all = append(all, fmt.Sprintf("%d files, %s, %s", len(m.Attachments), state, m.FolderName))
	}
	return all
}

// TestFrozenProcessWritesNothing stops an import before each of its requests, after all that is checked before them,
// for longer than its claim lasts. Nothing of that request, and of no later one, has an effect: create, upload session,
// parts, attachment, completion, and deletion.
func TestFrozenProcessWritesNothing(t *testing.T) {
	t.Parallel()
	lost := errors.New("taken over")
	type working func(ctx context.Context, s *Session, renew func(context.Context) error) error
	run := func(t *testing.T, n int64, instead error, work working) (*mailboxtest.Graph, int64, error) {
		f := &freezer{instead: instead}
		g, c := open(t, mailboxtest.Options{}, func(config *Config) {
			f.next = config.HTTP
			config.HTTP = f
		})
		c.renewEvery = time.Nanosecond
		s := slot(t, c, alice)
		if _, err := s.Folder(t.Context()); err != nil { // it is known by then, as a rule
			t.Fatal(err)
		}
		f.writes.Store(0)
		f.n.Store(n)
		ctx := WithClaim(t.Context(), func() bool { return !f.outlived.Load() })
		err := work(ctx, s, func(context.Context) error {
			// A renewal in the background may cancel the first request before its claim is checked. Whether that has
			// had an effect is then not known, so the first one is stopped by that check alone.
			if f.outlived.Load() && n > 1 {
				return lost
			}
			return nil
		})
		return g, f.writes.Load(), err
	}
	imported := func(ctx context.Context, s *Session, renew func(context.Context) error) error {
		_, err := s.Import(ctx, with(sms(1), 1000, 2*uploadPart, 1000), renew)
		return err
	}
	deleted := func(ctx context.Context, s *Session, renew func(context.Context) error) error {
		id, err := s.Import(ctx, sms(1), nil)
		if err != nil {
			return err
		}
		return s.Delete(ctx, id, renew)
	}
	for name, work := range map[string]func(context.Context, *Session, func(context.Context) error) error{
		"import": imported, "delete": deleted} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, writes, err := run(t, 0, nil, work)
			if err != nil {
				t.Fatal(err)
			}
			for n := int64(1); n <= writes; n++ {
				want, _, _ := run(t, n, errors.New("dead"), work)
				got, _, err := run(t, n, nil, work)
				if diff := cmp.Diff(left(want), left(got)); diff != "" || err == nil {
					t.Errorf("stopped before request %d: %v (-dead +stopped)\n%s", n, err, diff)
				}
				if e, ok := errors.AsType[*Error](err); n == 1 && (!ok || e.Ambiguous) {
					t.Errorf("stopped before the first request: %v; it had no effect for sure", err)
				}
			}
		})
	}
}

// A message is found wherever it is: in a folder that its owner renamed, made its target's name of another or moved it
// to, and in Deleted Items; the target folder comes first, also where it is hidden.
func TestFindInTheWholeMailbox(t *testing.T) {
	t.Parallel()
	for name, move := range map[string]func(g *mailboxtest.Graph, c *Client, id string){
		"where it was": func(*mailboxtest.Graph, *Client, string) {},
		"the folder renamed": func(g *mailboxtest.Graph, _ *Client, _ string) {
			g.RenameFolder(alice, folder, "My old texts")
		},
		"another FOLDER_NAME": func(_ *mailboxtest.Graph, c *Client, _ string) { c.folder = "O2 Archive 2027" },
		"moved by its owner": func(g *mailboxtest.Graph, c *Client, id string) {
			g.AddFolder(alice, "Keep", false)
			if !g.MoveMessage(alice, id, "Keep") {
				t.Error("not moved")
			}
		},
		"in Deleted Items": func(g *mailboxtest.Graph, c *Client, id string) {
			if !g.MoveMessage(alice, id, "Deleted Items") {
				t.Error("not moved")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, c := open(t, mailboxtest.Options{})
			id, err := slot(t, c, alice).Import(t.Context(), sms(1), nil)
			if err != nil {
				t.Fatal(err)
			}
			move(g, c, id)
			again := client(t, c.base.String(), func(config *Config) { config.Folder = c.folder }) // started anew
			found, err := slot(t, again, alice).Find(t.Context(), key(1))
			if err != nil || len(found) != 1 || found[0].ID != id {
				t.Errorf("found %v, %v", found, err)
			}
			if found, err := slot(t, again, alice).Find(t.Context(), key(2)); err != nil || len(found) != 0 {
				t.Errorf("found of another key: %v, %v", found, err)
			}
		})
	}
}
