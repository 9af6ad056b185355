package setup

import (
	"context"
	"errors"
	"net/http"
	"time"

	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/retry"
)

// sourceChanged is where the form of the account leads under the settings.
const sourceChanged = "/settings?done=source"

// awaitPause is the first pause between two looks at a test that another process makes.
const awaitPause = 300 * time.Millisecond

var errUnderWay = errors.New("the test of the same form has not ended")

// errSentBefore is the answer to a form that was sent before and is not in force.
var errSentBefore = &web.Error{Status: http.StatusConflict,
	Says: "This form was sent before, and it is not what is in force now.",
	Do: "If the test is still under way, wait a minute and load the page again. Otherwise type what is secret again, " +
		"and send the form."}

// answerSentBefore returns the answer to a form of the account that was sent before: the one that it got then, as far
// as that is known. Nothing is tested, stored or taken back.
func (s *Setup) answerSentBefore(r *web.Request, f sourceForm, before sentBefore) (web.Answer, error) {
	st, err := s.awaitTest(r, before)
	if err != nil {
		return web.Answer{}, err
	}
	if f.wizard && isDone(st, stepSource) && st.draft.Secret == r.FormID { // and no other form has done the step
		return web.SeeOther(nextOf(stepSource)), nil
	}
	claim, err := s.readClaim(r.Context())
	if err != nil {
		return web.Answer{}, err
	}
	if !f.wizard && claim.Form == r.FormID && !s.isUnended(claim, st.connector) {
		return web.SeeOther(sourceChanged), nil
	}
	answer, err := s.showSource(r, st, f)
	key := st.draft.HostKey
	asked := s.bySFTP() && r.PostFormValue("do") != "test" && key != nil && key.Host == f.in["host"]
	if err != nil || asked { // the page shows the server's key
		return answer, err
	}
	return answer.Refused(errSentBefore), nil
}

// awaitTest waits until the test that the same form has begun has ended, in another process: within one, package web
// waits for its answer. A process that died leaves no end, so it is not waited for longer than a test may take.
func (s *Setup) awaitTest(r *web.Request, before sentBefore) (st state, err error) {
	left := testTime + storeTime - s.opts.Now().Sub(before.at)
	ctx, cancel := context.WithTimeout(r.Context(), max(0, left))
	defer cancel()
	again := retry.Policy{First: awaitPause, Max: time.Second,
		Judge: func(err error) (bool, time.Duration) { return errors.Is(err, errUnderWay), 0 }}
	err = again.Do(ctx, func(context.Context) (err error) {
		st, err = s.load(r) // also if there is no time left to wait
		if err == nil && st.draft.Ended != r.FormID {
			return errUnderWay
		}
		return err
	})
	if errors.Is(err, errUnderWay) {
		err = r.Context().Err()
	}
	return st, err
}
