package mailbox

import (
	"context"
	"errors"
	"fmt"

	"o2archiver/shared/retry"
)

// unclearAttempts is the number of attempts per invocation at a request that Graph refuses without a final answer.
const unclearAttempts = 5

// ErrNoFinalAnswer ends the attempts of one invocation if Graph refuses a request repeatedly without a final answer.
// It decides nothing: the batch stays open, the next sweep tries again, and status and code are logged each time.
var ErrNoFinalAnswer = retry.Final(errors.New(
	"no final answer from Microsoft Graph, which refuses the request again and again; it stays pending"))

// Retry repeats op like retry.Do, but returns ErrNoFinalAnswer after five refusals without a final answer. An outage
// is waited for as long as the time allows. A refusal that may never pass must not keep the mailbox, and the sweep,
// from other work.
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
