package mailbox

import (
	"context"
	"errors"
	"fmt"

	"o2archiver/shared/retry"
)

// unclearAttempts is the number of attempts of one invocation at what Graph refuses without a final answer.
const unclearAttempts = 5

// ErrNoFinalAnswer ends the attempts of one invocation where Graph refuses again and again without a final answer. Nothing is
// decided by it: the batch stays open, the next sweep tries again, and the log names status and code each time.
var ErrNoFinalAnswer = retry.Final(errors.New("no final answer from Microsoft Graph, which refuses the request again and again; it stays pending"))

// Retry repeats op as retry.Do does, and returns ErrNoFinalAnswer after five refusals without a final answer. An outage is
// waited for; a refusal that may never pass must not keep the mailbox, and the sweep, from other work.
func Retry(ctx context.Context, op func(context.Context) error) error {
	unclear := 0
	return retry.Do(ctx, func(ctx context.Context) error {
		err := op(ctx)
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Kind != Unclear {
			return err
		}
		if unclear++; unclear == unclearAttempts {
			return fmt.Errorf("%w: %w", ErrNoFinalAnswer, err)
		}
		return err
	})
}
