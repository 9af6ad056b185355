package importer

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/mailbox"
)

// renewing is the mailbox of a script that renews the claim in the middle of each write, as package mailbox does.
type renewing struct{ *script }

func (r renewing) Import(ctx context.Context, m *mailbox.Message, renew func(context.Context) error) (string, error) {
	id, _ := r.script.Import(ctx, m, renew)
	return id, renew(ctx)
}

func (r renewing) Delete(ctx context.Context, id string, renew func(context.Context) error) error {
	_ = r.script.Delete(ctx, id, renew)
	return renew(ctx)
}

// Before each write under a claim, and when a copy continues with the claim of an earlier attempt, a claim of a ninth
// of IN_DOUBT_AFTER is renewed, and a younger one is not. A write gets what renews it while the write lasts.
func TestStaleClaimIsRenewed(t *testing.T) {
	t.Parallel()
	stale := maxClaimAge(testInDoubt)
	half, whole := []mailbox.Found{{ID: "half", Partial: true}}, []mailbox.Found{{ID: "there"}}
	for name, test := range map[string]struct {
		found     []mailbox.Found // nil: no search is needed
		continued bool            // in another attempt; otherwise only the step of its state is taken
		age       time.Duration
		want      []string
	}{
		"create, fresh":    {nil, false, stale - 1, []string{"Import", "Renew"}},
		"create, stale":    {nil, false, stale, []string{"Renew", "Import", "Renew"}},
		"delete, fresh":    {half, false, stale - 1, []string{"Find", "Delete", "Renew"}},
		"delete, stale":    {half, false, stale, []string{"Find", "Renew", "Delete", "Renew"}},
		"continued, fresh": {whole, true, stale - 1, []string{"Find", "leave", "Done", "Settle"}},
		"continued, stale": {whole, true, stale, []string{"Renew", "Find", "leave", "Done", "Settle"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &script{found: test.found, age: test.age}
			c := scriptedCopy(t, s)
			c.claim, c.mayExist = scriptedClaim{s}, test.found != nil
			c.state = c.known()
			var err error
			if test.continued {
				err = c.steps(t.Context(), renewing{s})
			} else {
				_, err = c.step(t.Context(), renewing{s})
			}
			if diff := cmp.Diff(test.want, s.calls); diff != "" || err != nil {
				t.Errorf("%v, calls (-want +got):\n%s", err, diff)
			}
		})
	}
}
