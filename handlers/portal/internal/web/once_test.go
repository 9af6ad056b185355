package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/shared/funchost"
)

// slow is an application with a form that takes 20 s.
type slow struct {
	handler http.Handler
	person  identity.Person
	calls   atomic.Int32
	ended   chan error // causes of the calls' contexts, when each call ended
	panics  bool
}

func newSlow(t *testing.T) *slow {
	t.Helper()
	w := newWorld(t)
	s := &slow{person: w.person, ended: make(chan error, 10)}
	who := func(*http.Request) (identity.Person, error) { return s.person, nil }
	w.opts.Who, w.opts.Routes = who, []Route{{Pattern: "POST /slow", Role: identity.Admin,
		Handle: func(r *Request) (Answer, error) {
			n := s.calls.Add(1)
			select {
			case <-time.After(20 * time.Second):
			case <-r.Context().Done():
			}
			err := context.Cause(r.Context())
			s.ended <- err
			if s.panics {
				panic("x")
			}
			return SeeOther(fmt.Sprintf("/read?call=%d", n)), err
		}}}
	s.handler = New(w.opts)
	return s
}

// send sends a form, and returns a channel with its status and address.
func (s *slow) send(ctx context.Context, fields string) <-chan string {
	out := make(chan string, 1)
	r := httptest.NewRequest("POST", "/slow", strings.NewReader("form="+someForm+fields)).WithContext(ctx)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	go func() {
		recorder := httptest.NewRecorder()
		s.handler.ServeHTTP(recorder, r)
		out <- fmt.Sprint(recorder.Code, " ", recorder.Header().Get("Location"))
	}()
	synctest.Wait()
	return out
}

// TestFormThatComesWhileItIsCarriedOut: it is carried out once, and both get the same answer, also if the first one's
// browser is gone; another form, or another person's, is another one.
func TestFormThatComesWhileItIsCarriedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlow(t)
		ctx, leave := context.WithCancel(t.Context())
		first := s.send(ctx, "&a=1")
		leave() // a browser that sends a form again does not wait for the first answer
		second := s.send(t.Context(), "&a=1")
		other := s.send(t.Context(), "&a=2")
		s.person.ID = "y"
		others := s.send(t.Context(), "&a=1")
		got := []string{<-first, <-second, <-other, <-others}
		if want := "[303 /read?call=1 303 /read?call=1 303 /read?call=2 303 /read?call=3]"; fmt.Sprint(got) != want {
			t.Errorf("%v, want %s", got, want)
		}
		if again := <-s.send(t.Context(), "&a=1"); again != "303 /read?call=4" {
			t.Errorf("after the answer: %s", again)
		}
	})
}

// TestFormEndsWithTheProcess: what carries a form out ends when the process stops, and at its deadline.
func TestFormEndsWithTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlow(t)
		ctx, stop := context.WithCancelCause(t.Context())
		answer := s.send(ctx, "")
		stop(funchost.ErrStopped)
		<-answer
		if err := <-s.ended; !errors.Is(err, funchost.ErrStopped) {
			t.Errorf("it ended by %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		<-s.send(ctx, "")
		if err := <-s.ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it ended by %v", err)
		}
	})
}

// TestFormWithoutBrowserEndsWithTheProcess: what goes on without its browser still ends when the process stops.
func TestFormWithoutBrowserEndsWithTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlow(t)
		process, stop := context.WithCancelCause(t.Context())
		ctx, leave := context.WithCancel(funchost.WithProcess(process))
		answer := s.send(ctx, "")
		leave()
		synctest.Wait()
		stop(funchost.ErrStopped)
		<-answer
		if err := <-s.ended; !errors.Is(err, funchost.ErrStopped) {
			t.Errorf("it ended by %v", err)
		}
	})
}

// TestFormThatPanics: those who wait for it get an answer, and the next one is carried out.
func TestFormThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlow(t)
		s.panics = true
		first, second := s.send(t.Context(), ""), s.send(t.Context(), "")
		if a, b := <-first, <-second; a != "500 " || b != "500 " {
			t.Errorf("%q, %q", a, b)
		}
		s.panics = false
		if third := <-s.send(t.Context(), ""); third != "303 /read?call=2" {
			t.Errorf("%q", third)
		}
	})
}

// TestHashOfForms: two forms have one hash only if they are the same: who sends it, to where, fields and files.
func TestHashOfForms(t *testing.T) {
	hashes := map[formHash]string{}
	add := func(person, path, body, mediaType string) {
		t.Helper()
		r := httptest.NewRequest("POST", path, strings.NewReader(body))
		r.Header.Set("Content-Type", mediaType)
		if _, err := readForm(httptest.NewRecorder(), r, 0); err != nil {
			t.Fatal(err)
		}
		id, err := hashForm(&Request{Request: r, Person: identity.Person{ID: person}})
		if err != nil {
			t.Fatal(err)
		}
		what := strings.Join([]string{person, path, body}, " ")
		if other, ok := hashes[id]; ok {
			t.Errorf("one hash: %s, %s", other, what)
		}
		hashes[id] = what
	}
	const plain, multi = "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"
	part := func(name, file, content string) string {
		if file != "" {
			file = `; filename="` + file + `"`
		}
		return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"" + file + "\r\n\r\n" + content + "\r\n"
	}
	id := part("form", "", someForm)
	add("x", "/a", "form="+someForm, plain)
	add("y", "/a", "form="+someForm, plain)
	add("x", "/b", "form="+someForm, plain)
	add("x", "/a?b", "form="+someForm, plain)
	add("x", "/a", "form="+someForm+"&x=1", plain)
	add("x", "/a", "form="+someForm+"&x=2", plain)
	add("x", "/a", id+part("file", "f", "1")+"--b--", multi)
	add("x", "/a", id+part("file", "f", "2")+"--b--", multi)
	add("x", "/a", id+part("other", "f", "1")+"--b--", multi)
	add("x", "/a", id+part("file", "f", "1")+part("file", "f", "")+"--b--", multi)
}
