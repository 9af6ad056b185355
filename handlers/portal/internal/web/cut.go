package web

import "strconv"

// Cut is the part of a list that is on one page.
type Cut struct {
	Begin, End   int // of the list's rows
	Former, Next int // numbers of the neighbouring pages, 0 for none
}

// CutPage returns the part of a list of total rows that is on a page of size rows. number is the page's, as a request
// has it: anything but a number is the first page, and a number beyond the last page is the last.
func CutPage(number string, total, size int) Cut {
	page, err := strconv.Atoi(number)
	pages := max(1, (total+size-1)/size)
	if err != nil {
		page = 1
	}
	page = max(1, min(page, pages))
	c := Cut{Begin: (page - 1) * size, Former: page - 1}
	c.End = min(total, c.Begin+size)
	if page < pages {
		c.Next = page + 1
	}
	return c
}
