package mailbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"o2archiver/shared/mailbox/mailboxtest"
)

// refusals are, for each operation, the stand-in's name for its requests, and what has the client make one.
var refusals = map[operation]struct {
	kind string
	do   func(ctx context.Context, c *Client, s *Session) error
}{
	opBatch:  {mailboxtest.Batch, lookUpAlice},
	opLookUp: {mailboxtest.LookUp, lookUpAlice},
	opFindFolder: {mailboxtest.FindFolder,
		func(ctx context.Context, _ *Client, s *Session) error { _, err := s.Folder(ctx); return err }},
	opCreateFolder: {mailboxtest.Folder,
		func(ctx context.Context, _ *Client, s *Session) error { _, err := s.Folder(ctx); return err }},
	opCreate:   {mailboxtest.Create, importing()},
	opAttach:   {mailboxtest.AddFile, importing(2_800_000)},
	opSession:  {mailboxtest.Session, importing(3_200_000)},
	opPart:     {mailboxtest.Part, importing(3_200_000)},
	opComplete: {mailboxtest.Patch, importing(3_200_000)},
	opFind: {mailboxtest.Find,
		func(ctx context.Context, _ *Client, s *Session) error { _, err := s.Find(ctx, key(1)); return err }},
	opDelete: {mailboxtest.Delete, func(ctx context.Context, _ *Client, s *Session) error {
		id, err := s.Import(ctx, sms(1), nil)
		if err != nil {
			return fmt.Errorf("make a message to delete: %s", err)
		}
		return s.Delete(ctx, id, nil)
	}},
}

func lookUpAlice(ctx context.Context, c *Client, _ *Session) error {
	_, err := c.LookUp(ctx, []string{"alice@contoso.example"})
	return err
}

func importing(sizes ...int64) func(context.Context, *Client, *Session) error {
	return func(ctx context.Context, _ *Client, s *Session) error {
		_, err := s.Import(ctx, with(sms(1), sizes...), nil)
		return err
	}
}

// refused lets every request of the operation be answered by the fault and returns the client's error.
func refused(t *testing.T, what operation, f mailboxtest.Fault) (e *Error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g, c := virtual(t, mailboxtest.Options{Users: []mailboxtest.User{{ID: alice, UPN: "alice@contoso.example",
			Mail: "alice@contoso.example"}}})
		s, err := c.OpenSession(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Release()
		f.Times = -1
		g.Fail(refusals[what].kind, 1, f)
		e = asError(t, refusals[what].do(t.Context(), c, s))
		if e.Status != f.Status {
			t.Fatalf("got %v, want the answer with status %d", e, f.Status)
		}
	})
	return e
}

// statuses are those with which a service, or what stands before it, refuses.
var statuses = []int{400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 421, 422, 423,
	424, 425, 426, 428, 429, 431, 451, 499, 500, 501, 502, 503, 504, 507, 511}

// overTheWire reports whether the case is tried with a request: each body with 404, which means something elsewhere,
// and a page with the statuses that come. A request with a file takes long where the race detector looks on, so there
// are fewer of them.
func overTheWire(what operation, status int, body string) bool {
	switch {
	case status == 404 && !carriesFile(what):
		return true
	case carriesFile(what) && body != "a page":
		return status == 404 && (body == "nothing" || body == "UnknownError" || body == "another shape")
	}
	seen := []int{400, 401, 403, 407, 409, 410, 412, 413, 423, 429, 451, 500, 503, 507}
	if carriesFile(what) {
		seen = []int{403, 404, 409, 413}
	}
	return body == "a page" && slices.Contains(seen, status)
}

func carriesFile(what operation) bool {
	return what == opAttach || what == opSession || what == opPart || what == opComplete
}

// notGraphs are answers that are none of Graph's own, or in which Graph itself says that it knows nothing.
func notGraphs(status int) map[string]mailboxtest.Fault {
	return map[string]mailboxtest.Fault{
		"a page":         {Status: status, HTML: true},
		"nothing":        {Status: status, Empty: true},
		"UnknownError":   {Status: status, Code: "UnknownError"},
		"cut JSON":       {Status: status, Body: `{"error":{"code":"ErrorItemNotFound","mess`},
		"another shape":  {Status: status, Body: `{"code":"MailboxNotEnabledForRESTAPI","message":"no"}`},
		"a text":         {Status: status, Body: `{"error":"ErrorAccessDenied"}`},
		"a list":         {Status: status, Body: `[{"error":{"code":"ErrorItemNotFound","message":"x"}}]`},
		"null":           {Status: status, Body: `null`},
		"no code":        {Status: status, Body: `{"error":{"message":"not found"}}`},
		"an empty code":  {Status: status, Body: `{"error":{"code":"","message":"not found"}}`},
		"an odd code":    {Status: status, Body: `{"error":{"code":"not found here","message":"not found"}}`},
		"a code of ours": {Status: status, Body: `{"error":{"code":"UnusualCode","message":"not found"}}`},
	}
}

// Whatever the operation and the status: an answer that is not Graph's own decides nothing.
func TestAForeignRefusalIsNeverFinal(t *testing.T) {
	t.Parallel()
	for what := range operations {
		t.Run(what.String(), func(t *testing.T) {
			t.Parallel()
			for _, status := range statuses {
				for name, f := range notGraphs(status) {
					if !overTheWire(what, status, name) {
						continue
					}
					e := refused(t, what, f)
					if e.Kind != Unavailable && e.Kind != Throttled && e.Kind != Unauthorized {
						t.Errorf("%d with %s: %v is no passing failure", status, name, e)
					}
					if what.writes() && e.Kind != Throttled && !e.Ambiguous {
						t.Errorf("%d with %s: %v: the request is taken for one without effect", status, name, e)
					}
				}
			}
		})
	}
}

// passingCodes are codes of Graph for conflicts, for mailboxes that are moved or busy, and for whatever is not known to
// be final.
var passingCodes = []string{
	"ErrorIrresolvableConflict", "ErrorMailboxMoveInProgress", "MailboxInTransit", "ErrorServerBusy",
	"ErrorMailboxStoreUnavailable",
	"ErrorTimeoutExpired", "ErrorConnectionFailed", "ErrorMailboxFailover", "ErrorFolderExists", "ErrorInvalidRequest",
	"BadRequest", "Conflict", "NotFound",
	"PreconditionFailed", "Locked", "ErrorInvalidIdMalformed", "SomethingNew",
}

// Graph's own refusals are final where the table says so, and passing everywhere else.
func TestOnlyTheTablesAnswersAreFinal(t *testing.T) {
	t.Parallel()
	codes := slices.Clone(passingCodes)
	for _, f := range finalAnswers {
		if !slices.Contains(codes, f.code) {
			codes = append(codes, f.code)
		}
	}
	for what := range operations {
		for _, status := range statuses {
			for _, code := range codes {
				got := ofAnswer(what, status, code)
				row := slices.IndexFunc(finalAnswers, func(f finalAnswer) bool {
					return f.code == code && slices.Contains(f.operations, what) && slices.Contains(f.statuses, status)
				})
				if row >= 0 && got != finalAnswers[row].kind {
					t.Errorf("%v, %d %s: got %v, want %v", what, status, code, got, finalAnswers[row].kind)
				}
				if passes := got == Unavailable || got == Throttled || got == Unauthorized || got == Unclear; row < 0 &&
					!passes {
					t.Errorf("%v, %d %s: %v is no passing failure", what, status, code, got)
				}
				if passes := got == Unavailable || got == Unclear; passes &&
					mayHaveHadEffect(what, got, code) != what.writes() {
					t.Errorf("%v, %d %s: in doubt: %v", what, status, code, !what.writes())
				}
			}
		}
	}
}

// Each row of the table holds at the wire too.
func TestFinalAnswersAreRead(t *testing.T) {
	t.Parallel()
	tried := map[operation]bool{} // with a file: once is enough, since all are read in one place
	for _, row := range finalAnswers {
		if row.source == "" || len(row.operations) == 0 || len(row.statuses) == 0 ||
			slices.Contains(notCodes, row.code) || slices.Contains(awayCodes, row.code) {
			t.Errorf("row %+v: no source, or a code that decides nothing", row)
		}
		for _, what := range row.operations {
			if what == opDelete && row.kind == MessageGone {
				continue // that is a success
			}
			if carriesFile(what) && tried[what] && row.code != tooSmallForSession {
				continue
			}
			tried[what] = true
			e := refused(t, what, mailboxtest.Fault{Status: row.statuses[0], Code: row.code})
			if e.Kind != row.kind || e.Code != row.code {
				t.Errorf("%v, %d %s: got %v, want %v", what, row.statuses[0], row.code, e, row.kind)
			}
		}
	}
}

// A hidden folder of the target's name is the target: there can be no second one.
func TestHiddenFolderIsTheTarget(t *testing.T) {
	t.Parallel()
	g, c := open(t, mailboxtest.Options{})
	id := g.AddFolder(alice, folder, true)
	s := slot(t, c, alice)
	if got, err := s.Folder(t.Context()); err != nil || got != id {
		t.Fatalf("got %q, %v; want %q", got, err, id)
	}
	if _, err := s.Import(t.Context(), sms(1), nil); err != nil {
		t.Error(err)
	}
}

// A folder that Graph calls existing and does not list is waited for: no copy ends for it.
func TestFolderThatIsNotListedYet(t *testing.T) {
	t.Parallel()
	e := refused(t, opCreateFolder, mailboxtest.Fault{Status: 409, Code: "ErrorFolderExists"})
	if e.Kind != Unclear {
		t.Errorf("got %v, want an unclear refusal", e)
	}
}

// A POST is sent once more after Graph's own 401 only: what became of it behind another's is not known.
func TestAForeign401RepeatsNoPost(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault mailboxtest.Fault
		posts int
	}{
		"Graph's own": {mailboxtest.Fault{Status: 401, Code: "InvalidAuthenticationToken"}, 2},
		"a page":      {mailboxtest.Fault{Status: 401, HTML: true, After: true}, 1},
	} {
		g, c := open(t, mailboxtest.Options{})
		g.Fail(mailboxtest.Create, 1, test.fault)
		_, err := slot(t, c, alice).Import(t.Context(), sms(1), nil)
		if n := g.Requests().Kinds[mailboxtest.Create]; n != test.posts {
			t.Errorf("%s: %d POSTs, want %d", name, n, test.posts)
		}
		if e, ok := errors.AsType[*Error](err); test.posts == 1 && (!ok || !e.Ambiguous) {
			t.Errorf("%s: got %v, want an error in doubt", name, err)
		}
	}
}
