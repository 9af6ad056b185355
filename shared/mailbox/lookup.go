package mailbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	kiota "github.com/microsoft/kiota-abstractions-go"
	msgraphcore "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/users"
	"golang.org/x/sync/errgroup"

	"o2archiver/shared/record"
	"o2archiver/shared/retry"
)

// User is a user of the tenant. Whether the user has a mailbox is known only after a request to the mailbox.
type User struct {
	ID      string // directory object id
	UPN     string
	Mail    string
	Enabled bool // false for leavers and for shared mailboxes, which are users too
}

// Microsoft Graph: a $batch holds at most 20 requests.
const (
	batchSize    = 20
	batchesAtOne = 4 // the number of $batch requests under way at once
	lookUpTries  = 5 // attempts at one $batch
)

// LookUp returns the users that the addresses belong to, by lower-case address. An address is absent from the result
// if it belongs to no user, if several users have it alike, or if it is not a plain SMTP address; the last kind is not
// sent to the directory. LookUp retries while the directory is unavailable or throttles. With a *Partial error all
// addresses that the error does not name are answered; after any other error nothing is known of any address.
func (c *Client) LookUp(ctx context.Context, addresses []string) (map[string]User, error) {
	var wanted []string
	for _, address := range addresses {
		if plainAddress(address) {
			wanted = append(wanted, record.LowerASCII(address))
		}
	}
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)
	found := make(map[string]User, len(wanted))
	partial := &Partial{Open: map[string]error{}, Refused: map[string]*Error{}}
	var failed error
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(batchesAtOne)
	for part := range slices.Chunk(wanted, batchSize) {
		group.Go(func() error {
			got, left, err := c.lookUpPart(ctx, part)
			mu.Lock()
			defer mu.Unlock()
			maps.Copy(found, got.found)
			maps.Copy(partial.Refused, got.refused)
			for _, address := range left {
				partial.Open[address] = err
			}
			if err != nil {
				failed = moreSevere(failed, err)
			}
			return nil
		})
	}
	_ = group.Wait()
	switch {
	case len(partial.Open) > 0 && len(partial.Open) == len(wanted):
		return nil, failed
	case len(partial.Open) > 0 || len(partial.Refused) > 0:
		return found, partial
	}
	return found, nil
}

// lookUpPart looks up at most 20 addresses, and repeats the look-up for those without an answer, for a limited number
// of attempts. left are the addresses that have no answer in the end; the error is the reason.
func (c *Client) lookUpPart(ctx context.Context, addresses []string) (got answers, left []string, _ error) {
	got = answers{found: map[string]User{}, refused: map[string]*Error{}}
	left = addresses
	pauses := retry.Policy{First: 500 * time.Millisecond, Max: 15 * time.Second,
		Tries: lookUpTries, Within: 3 * time.Minute, Judge: isBusy}
	var last error
	err := pauses.Do(ctx, func(ctx context.Context) error {
		left, last = c.lookUpOnce(ctx, left, &got)
		return last
	})
	if err != nil && last == nil {
		last = &Error{Kind: Unavailable, Code: "NotSent", cause: context.Cause(ctx)}
	}
	if len(got.refused) > 0 && !got.sound {
		_, _ = c.lookUpOnce(ctx, []string{control}, &got)
		if delete(got.refused, control); !got.sound { // all look-ups are refused, so it is not about these addresses
			for address, e := range got.refused {
				left, last = append(left, address), e
			}
			clear(got.refused)
		}
	}
	return got, left, last
}

// isBusy reports whether the directory may answer the same look-up after a short pause, and returns the pause that it
// asked for. A token that was refused twice is not retried here: the caller has more time for that.
func isBusy(err error) (bool, time.Duration) {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind != Throttled && !isPassing(e.Kind) {
		return false, 0
	}
	return true, e.RetryAfter
}

// lookUpOnce sends one $batch for the addresses and adds the answers to got. It returns the addresses that have to be
// looked up again, with the reason.
func (c *Client) lookUpOnce(ctx context.Context, addresses []string, got *answers) ([]string, error) {
	var content []byte
	ids := make(map[string]string, len(addresses)) // id of the inner request → address
	x, err := c.call(ctx, opBatch, func(ctx context.Context) error {
		clear(ids)
		request, err := c.batchRequest(ctx, addresses, ids)
		if err != nil {
			return err
		}
		answer, err := c.adapter.SendPrimitive(ctx, request, "[]byte", graphErrors)
		content, _ = answer.([]byte)
		return err
	})
	if err != nil {
		return addresses, err
	}
	// The SDK's BatchResponse is not used: it fails for the whole answer if the body of one part is a proxy's error
	// page.
	var answer struct {
		Responses []innerAnswer `json:"responses"`
	}
	if json.Unmarshal(content, &answer) != nil {
		return addresses, unreadableAnswer(x, false)
	}
	var failed error
	for _, inner := range answer.Responses {
		address, ok := ids[inner.ID]
		if !ok {
			continue
		}
		user, err := inner.lookedUp(address, x.id, c.now())
		if e, ok := errors.AsType[*Error](err); ok && inner.refusedAlone() {
			got.refused[address] = e
			delete(ids, inner.ID)
			continue
		}
		if err != nil {
			failed = moreSevere(failed, err)
			continue
		}
		delete(ids, inner.ID)
		got.sound = true
		if user != nil && address != control {
			got.found[address] = *user
		}
	}
	left := make([]string, 0, len(ids))
	for _, address := range ids {
		left = append(left, address)
	}
	slices.Sort(left)
	if len(left) > 0 && failed == nil {
		failed = unreadableAnswer(x, false) // the answer lacks some of the parts
	}
	return left, failed
}

// moreSevere returns the error to act on: a permanent one, otherwise the one with the longer pause.
func moreSevere(a, b error) error {
	first, ok := errors.AsType[*Error](a)
	if !ok {
		return b
	}
	final := !isPassing(first.Kind) && first.Kind != Throttled
	if second, ok := errors.AsType[*Error](b); ok && !final &&
		(!isPassing(second.Kind) && second.Kind != Throttled || second.RetryAfter > first.RetryAfter) {
		return b
	}
	return a
}

// batchRequest returns the $batch request with one look-up for each address, and adds to ids which inner request is
// for which address.
func (c *Client) batchRequest(
	ctx context.Context, addresses []string, ids map[string]string,
) (*kiota.RequestInformation, error) {
	batch := msgraphcore.NewBatchRequest(c.adapter)
	builder := users.NewUsersRequestBuilderInternal(map[string]string{"baseurl": c.base.String()}, c.adapter)
	for _, address := range addresses {
		quoted := odataQuote(address)
		filter := fmt.Sprintf("proxyAddresses/any(p:p eq 'smtp:%s') or mail eq '%s' or userPrincipalName eq '%s'",
			quoted, quoted, quoted)
		step, err := builder.ToGetRequestInformation(ctx, &users.UsersRequestBuilderGetRequestConfiguration{
			QueryParameters: &users.UsersRequestBuilderGetQueryParameters{
				Filter: &filter,
				Select: []string{"id", "userPrincipalName", "mail", "accountEnabled", "proxyAddresses"},
			},
		})
		if err != nil {
			return nil, errors.New("make a look-up")
		}
		// QUIRK: msgraph-sdk-go-core 1.4 writes "body":null for a GET, and in a batch every request with a body needs
		// a content type.
		step.Headers.TryAdd("Content-Type", "application/json")
		item, err := batch.AddBatchRequestStep(*step)
		if err != nil {
			return nil, errors.New("add a look-up to the batch")
		}
		ids[*item.GetId()] = address
	}
	request := kiota.NewRequestInformationWithMethodAndUrlTemplateAndPathParameters(
		kiota.POST, "{+baseurl}/$batch", map[string]string{})
	request.Headers.TryAdd("Accept", "application/json")
	return request, request.SetContentFromParsable(ctx, c.adapter, "application/json", batch)
}

// innerAnswer is the answer to one request of a $batch.
type innerAnswer struct {
	ID      string          `json:"id"`
	Status  int             `json:"status"`
	Headers map[string]any  `json:"headers"`
	Body    json.RawMessage `json:"body"`
}

// candidate is a user as the directory returns it.
type candidate struct {
	ID                string   `json:"id"`
	UserPrincipalName string   `json:"userPrincipalName"`
	Mail              string   `json:"mail"`
	AccountEnabled    bool     `json:"accountEnabled"`
	ProxyAddresses    []string `json:"proxyAddresses"`
}

// lookedUp returns the one user who has the address, nil if there is none.
func (a *innerAnswer) lookedUp(address, requestID string, now time.Time) (*User, error) {
	if a.Status != http.StatusOK {
		e := &Error{Status: a.Status, Code: errorCode(a.Body), RequestID: requestID}
		e.Kind = ofAnswer(opLookUp, a.Status, e.Code)
		if a.Status < 400 {
			e.Kind = Unavailable
		}
		for name, value := range a.Headers {
			if strings.EqualFold(name, "Retry-After") {
				e.RetryAfter = retryAfter(fmt.Sprint(value), now)
			}
		}
		return nil, e
	}
	var list struct {
		Value []candidate `json:"value"`
	}
	if json.Unmarshal(a.Body, &list) != nil || list.Value == nil {
		return nil, &Error{Kind: Unavailable, Status: a.Status, Code: "UnreadableAnswer", RequestID: requestID}
	}
	return pickUser(list.Value, address), nil
}

// pickUser returns the only user who has the address among the proxy addresses. If no user has it there, it returns
// the only candidate, found by mail or user principal name. A user principal name is not an email address: another
// user may have the same text as an address. It returns nil if several users remain.
func pickUser(candidates []candidate, address string) *User {
	var holders []candidate
	for _, c := range candidates {
		if slices.ContainsFunc(c.ProxyAddresses,
			func(p string) bool { return record.EqualFoldASCII(p, "smtp:"+address) }) {
			holders = append(holders, c)
		}
	}
	if len(holders) > 0 {
		candidates = holders
	}
	if len(candidates) != 1 || candidates[0].ID == "" {
		return nil
	}
	one := candidates[0]
	return &User{ID: one.ID, UPN: one.UserPrincipalName, Mail: one.Mail, Enabled: one.AccountEnabled}
}

// plainAddress reports whether s is a dot-string at a domain name in ASCII, RFC 5321 section 4.1.2.
func plainAddress(s string) bool {
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at > 64 || len(s) > 254 {
		return false
	}
	local, domain := s[:at], s[at+1:]
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" || strings.ContainsFunc(atom,
			func(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r) }) {
			return false
		}
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, func(r rune) bool { return !isAlphanumeric(r) && r != '-' }) {
			return false
		}
	}
	return true
}

func isAlphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}
