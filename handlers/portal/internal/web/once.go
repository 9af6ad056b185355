package web

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"sync"

	"o2archiver/shared/funchost"
)

// forms are the forms that are being carried out in this process. One that comes again meanwhile, by a second click for
// example, is not carried out beside the first: it gets the first one's answer, which is the one that a browser shows.
// Once the first has its answer, and in another process, the handlers see to it that a form has one effect.
type forms struct {
	mu    sync.Mutex
	under map[formHash]*formWork
}

// formHash is the hash of who sent a form, to where, and what it holds. It is kept in memory only, and only while the
// form is carried out: what it is made from may be a password.
type formHash [sha256.Size]byte

type formWork struct {
	done   chan struct{}
	answer Answer
	err    error
}

// errPanic is what the requests get that wait for one that panics.
var errPanic = errors.New("the request with the same form panicked")

// carryOut calls work, unless the same form is being carried out: then it waits for the answer of that.
func (f *forms) carryOut(ctx context.Context, id formHash, work func() (Answer, error)) (Answer, error) {
	f.mu.Lock()
	if first, ok := f.under[id]; ok {
		f.mu.Unlock()
		select {
		case <-first.done:
			return first.answer, first.err
		case <-ctx.Done():
			return Answer{}, ctx.Err()
		}
	}
	w := &formWork{done: make(chan struct{}), err: errPanic}
	f.under[id] = w
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.under, id)
		f.mu.Unlock()
		close(w.done)
	}()
	w.answer, w.err = work()
	return w.answer, w.err
}

// hashForm returns the formHash of a request whose form was read.
func hashForm(r *Request) (id formHash, err error) {
	h := sha256.New()
	for _, part := range []string{r.Person.ID, r.URL.RequestURI(), r.PostForm.Encode()} {
		fmt.Fprintf(h, "%d\n%s", len(part), part)
	}
	if r.MultipartForm != nil {
		err = hashFiles(h, r.MultipartForm)
	}
	return formHash(h.Sum(nil)), err
}

func hashFiles(h hash.Hash, form *multipart.Form) error {
	var fields []string
	for field := range form.File {
		fields = append(fields, field)
	}
	slices.Sort(fields)
	for _, field := range fields {
		for _, header := range form.File[field] {
			file, err := header.Open()
			if err != nil {
				return fmt.Errorf("read an uploaded file: %w", err)
			}
			fmt.Fprintf(h, "%d\n%s%d\n", len(field), field, header.Size)
			_, err = io.Copy(h, file)
			file.Close()
			if err != nil {
				return fmt.Errorf("read an uploaded file: %w", err)
			}
		}
	}
	return nil
}

// detachWork returns a context for carrying a form out. It does not end when the browser is gone: a second click ends
// the first click's request, and what that one has begun would be left half done. It has the request's deadline, and
// ends when this process does: also after the request's own context, which ends only once.
func detachWork(ctx context.Context) (context.Context, context.CancelFunc) {
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	endWith := func(other context.Context) (stop func() bool) {
		return context.AfterFunc(other, func() {
			if cause := context.Cause(other); cause != context.Canceled { // as net/http ends it without a browser
				cancel(cause)
			}
		})
	}
	stopRequest, stopProcess := endWith(ctx), endWith(funchost.ProcessOf(ctx))
	deadline, _ := ctx.Deadline()
	bounded, end := context.WithDeadline(work, deadline)
	return bounded, func() {
		stopRequest()
		stopProcess()
		end()
		cancel(nil)
	}
}

// handle calls the handler of a route. A form is carried out once, also if its browser does not wait for the answer.
func (s *server) handle(route Route, r *Request) (Answer, error) {
	if r.Method != http.MethodPost {
		return route.Handle(r)
	}
	id, err := hashForm(r)
	if err != nil {
		return Answer{}, err
	}
	return s.forms.carryOut(r.Context(), id, func() (Answer, error) {
		ctx, cancel := detachWork(r.Context())
		defer cancel()
		detached := *r
		detached.Request = r.WithContext(ctx)
		return route.Handle(&detached)
	})
}
