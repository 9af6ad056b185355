package portaltest

import (
	"bytes"
	"encoding/xml"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"o2archiver/handlers/portal/internal/web"
)

// PageForm is a form of a page, as a browser has it before a person has changed anything.
type PageForm struct {
	Action  string
	Values  url.Values        // what it sends: hidden fields, and those that the page has filled in
	Boxes   map[string]string // values of the check boxes by their names
	Typed   []string          // names of the fields into which a person types, but for what is secret
	Secret  []string          // names of the fields for what is secret
	File    string            // name of the field of a file, "" if there is none
	Buttons []url.Values      // what each button sends; empty for one without a name
}

// Forms returns the forms of a page that are sent by POST.
func Forms(t testing.TB, page string) (all []PageForm) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var f *PageForm
	var text *string // of the textarea that is being read
	area, list := "", ""
	for {
		token, err := d.Token()
		if token == nil {
			if f != nil || len(all) == 0 && strings.Contains(page, `method="post"`) {
				t.Fatalf("a page can't be read: %v\n%s", err, page)
			}
			return all
		}
		switch e := token.(type) {
		case xml.StartElement:
			at := map[string]string{}
			for _, a := range e.Attr {
				at[a.Name.Local] = a.Value
			}
			switch name := e.Name.Local; {
			case name == "form" && at["method"] == "post":
				f = &PageForm{Action: at["action"], Values: url.Values{}, Boxes: map[string]string{}}
			case f == nil:
			case name == "input":
				f.addInput(at)
			case name == "textarea":
				area, text = at["name"], new(string)
			case name == "select":
				list = at["name"]
			case name == "option":
				if _, selected := at["selected"]; selected || !f.Values.Has(list) {
					f.Values.Set(list, at["value"])
				}
			case name == "button":
				sends := url.Values{}
				if at["name"] != "" {
					sends.Set(at["name"], at["value"])
				}
				f.Buttons = append(f.Buttons, sends)
			}
		case xml.CharData:
			if text != nil {
				*text += string(e)
			}
		case xml.EndElement:
			switch {
			case e.Name.Local == "form" && f != nil:
				all, f = append(all, *f), nil
			case e.Name.Local == "textarea" && text != nil:
				if area == "key" {
					f.Secret = append(f.Secret, area)
				} else {
					f.Typed = append(f.Typed, area)
				}
				f.Values.Set(area, strings.ReplaceAll(*text, "\n", "\r\n")) // as browsers send it
				text = nil
			}
		}
	}
}

func (f *PageForm) addInput(at map[string]string) {
	name, value := at["name"], at["value"]
	_, checked := at["checked"]
	switch at["type"] {
	case "checkbox":
		f.Boxes[name] = value
		if checked {
			f.Values.Add(name, value)
		}
	case "radio":
		if checked {
			f.Values.Set(name, value)
		}
	case "file":
		f.File = name
	case "password":
		f.Secret = append(f.Secret, name)
	case "hidden":
		f.Values.Add(name, value)
	default:
		f.Typed = append(f.Typed, name)
		f.Values.Set(name, value)
	}
}

// Fill enters what a person would, by the names of the fields, and ticks the boxes among them.
func (f *PageForm) Fill(person map[string]string) {
	for _, name := range slices.Concat(f.Typed, f.Secret) {
		if v, ok := person[name]; ok {
			f.Values.Set(name, v)
		}
	}
	for name, v := range f.Boxes {
		if _, ok := person[name]; ok {
			f.Values.Set(name, v)
		}
	}
}

// Request returns the request that the form makes by one of its buttons.
func (f *PageForm) Request(button url.Values, file string) *http.Request {
	fields := url.Values{}
	for _, some := range []url.Values{f.Values, button} {
		for name, values := range some {
			fields[name] = append(fields[name], values...)
		}
	}
	body, mediaType := []byte(fields.Encode()), "application/x-www-form-urlencoded"
	if f.File != "" {
		var b bytes.Buffer
		form := multipart.NewWriter(&b)
		for name, values := range fields {
			for _, v := range values {
				_ = form.WriteField(name, v)
			}
		}
		to, _ := form.CreateFormFile(f.File, "file.csv")
		_, _ = to.Write([]byte(file))
		_ = form.Close()
		body, mediaType = b.Bytes(), form.FormDataContentType()
	}
	r := httptest.NewRequest(http.MethodPost, f.Action, bytes.NewReader(body))
	r.Header.Set("Content-Type", mediaType)
	return r
}

// SetID sets the id of the form, in place of the one that the page has made up.
func (f *PageForm) SetID(id string) { f.Values.Set(web.FormField, id) }
