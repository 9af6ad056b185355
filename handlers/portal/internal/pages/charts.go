package pages

import (
	"fmt"
	"html/template"
	"strings"
)

// Cell is one day of a strip.
type Cell struct {
	Title string // in words: the day and its state
	State string // the class of the colour: whole, gaps, failed or none
	Link  string // a path, "" for none
}

// drawStrip returns days as a row of bars, the oldest first. There MUST be a table with the same beside it.
func drawStrip(label string, cells []Cell) template.HTML {
	const width, gap, height = 8, 2, 32
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="strip" role="group" aria-label="%s" viewBox="0 0 %d %d" preserveAspectRatio="none">`,
		template.HTMLEscapeString(label), max(1, len(cells)*(width+gap)-gap), height)
	for i, c := range cells {
		bar := fmt.Sprintf(`<rect class="%s" x="%d" width="%d" height="%d"><title>%s</title></rect>`,
			template.HTMLEscapeString(c.State), i*(width+gap), width, height, template.HTMLEscapeString(c.Title))
		if c.Link != "" {
			bar = fmt.Sprintf(`<a href="%s" tabindex="-1">%s</a>`, template.HTMLEscapeString(c.Link), bar)
		}
		b.WriteString(bar)
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String())
}

// Bar is one row of a chart.
type Bar struct {
	Title string
	Class string
	Count int
}

// drawBars returns counts as one bar that is divided in their proportions. The numbers MUST be beside it as text.
func drawBars(label string, bars []Bar) template.HTML {
	const width, height = 1000, 12
	total := 0
	for _, c := range bars {
		total += max(0, c.Count)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="bars" role="img" aria-label="%s" viewBox="0 0 %d %d" preserveAspectRatio="none">`,
		template.HTMLEscapeString(label), width, height)
	x := 0
	for _, c := range bars {
		if c.Count <= 0 {
			continue
		}
		w := max(4, int(int64(c.Count)*width/int64(total))) // what is there can be seen, however little it is
		fmt.Fprintf(&b, `<rect class="%s" x="%d" width="%d" height="%d"><title>%s: %s</title></rect>`,
			template.HTMLEscapeString(c.Class), x, w, height, template.HTMLEscapeString(c.Title),
			groupDigits(int64(c.Count)))
		x += w
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String())
}
