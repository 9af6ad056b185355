package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"o2archiver/shared/jsonscan"
)

// maxLimit is the largest page that a client may request by the contract.
const maxLimit = 1000

// errNoCount means that the site does not offer the count.
var errNoCount = errors.New("the site has no count")

// Items reads one page of the items that the site stored in [from, to), oldest first, and calls each for them, one
// after the other; only one is in memory at a time. cursor is "" for the first page, and then the next of the
// previous page; next is "" after the last page. limit is 1 to 1000.
//
// A failing GET is retried until the page begins. If a page breaks off, or is not a page, Items returns
// ErrUnavailable, possibly after calling each for some of its items. If a page exceeds its limits of time and size,
// Items returns ErrTooLong, and a smaller limit may help. An error of each ends the page and is returned unchanged.
// It is safe to call Items again with the same arguments.
func (c *Client) Items(
	ctx context.Context, from, to time.Time, cursor string, limit int, each func(Item) error,
) (next string, err error) {
	if limit < 1 || limit > maxLimit {
		return "", fmt.Errorf("a page has 1 to %d items, not %d", maxLimit, limit)
	}
	query, what := windowQuery(from, to), forItems
	query.Set("limit", strconv.Itoa(limit))
	if cursor != "" {
		query.Set("cursor", cursor)
		what = forMore
	}
	u := c.base.JoinPath(itemsPath)
	u.RawQuery = query.Encode()

	var page *bufio.Reader
	answer, err := c.get(ctx, u, what, func(r *reply) error {
		r.bound(c.pageTime, pageBytes)
		page = bufio.NewReaderSize(r, 64<<10)
		return startsObject(page)
	})
	if err != nil {
		return "", fmt.Errorf("ask for a page of items: %w", err)
	}
	defer answer.Close()
	return readPage(page, each)
}

// Count returns how many items the site reports to have stored in [from, to). known is false if the site does not
// offer the count.
func (c *Client) Count(ctx context.Context, from, to time.Time) (total int64, known bool, err error) {
	u := c.base.JoinPath(countPath)
	u.RawQuery = windowQuery(from, to).Encode()
	answer, err := c.get(ctx, u, forCount, func(r *reply) error {
		r.bound(countTime, 1<<20)
		data, err := io.ReadAll(io.LimitReader(r, 64<<10))
		if err != nil {
			return err
		}
		var ok bool
		if total, ok = readCount(data); !ok {
			return unavailableError("its count is not in the form that was agreed")
		}
		return nil
	})
	switch {
	case errors.Is(err, errNoCount):
		return 0, false, nil
	case err != nil:
		return 0, false, fmt.Errorf("ask for the count: %w", err)
	}
	answer.Close()
	return total, true, nil
}

// readCount parses {"total":n}, where n may also be written as 3.0 or "3".
func readCount(data []byte) (total int64, ok bool) {
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\ufeff")))
	if !json.Valid(data) || !jsonscan.IsObject(data) {
		return 0, false
	}
	jsonscan.EachMember(data, func(name string, v []byte) {
		if name != "total" {
			return
		}
		if jsonscan.IsString(v) {
			v = bytes.TrimSpace(jsonscan.UnescapeString(v))
		}
		total, ok = 0, false
		if len(v) > 0 && json.Valid(v) {
			total, ok = jsonscan.WholeNumber(v)
		}
	})
	return total, ok
}

// windowQuery returns the query for the window [from, to).
func windowQuery(from, to time.Time) url.Values {
	return url.Values{"from": {from.UTC().Format(time.RFC3339Nano)}, "to": {to.UTC().Format(time.RFC3339Nano)}}
}
