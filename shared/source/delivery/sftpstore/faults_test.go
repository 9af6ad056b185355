package sftpstore

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"o2archiver/shared/arrival"
	"o2archiver/shared/retry"
	"o2archiver/shared/source/delivery/deliverytest"
)

// Whatever happens once, in whichever phase, the day is read in the end, each byte once, and in bounded time.
func TestRecovers(t *testing.T) {
	t.Parallel()
	kinds := map[string]deliverytest.Kind{"stall": deliverytest.Stall, "freeze": deliverytest.Freeze,
		"cut": deliverytest.Cut, "refuse": deliverytest.Refuse}
	phases := map[string]deliverytest.Fault{
		"accept": {Phase: deliverytest.Accept}, "opendir": {Phase: deliverytest.Opendir},
		"first names": {Phase: deliverytest.Readdir}, "more names": {Phase: deliverytest.Readdir, After: 100},
		"open": {Phase: deliverytest.Open}, "first bytes": {Phase: deliverytest.Read},
		"more bytes": {Phase: deliverytest.Read, After: 100_000}, "end": {Phase: deliverytest.Read, After: big},
	}
	for phase, fault := range phases {
		for kind, how := range kinds {
			for _, times := range []int{1, 3} {
				t.Run(phase+" "+kind, func(t *testing.T) {
					t.Parallel()
					bubble(t, func(t *testing.T) {
						server := newServer(t, deliverytest.Options{})
						for i := range 300 {
							server.Put(string(rune('a'+i%26))+"-"+time.Duration(i).String(), deliverytest.File{})
						}
						f := fault
						f.Kind, f.Times = how, times
						server.Fail(f)
						s := newStore(t, server)
						began := time.Now()
						if found, err := s.List(t.Context()); len(found.Files) != 1 || err != nil {
							t.Fatalf("%d files, %v", len(found.Files), err)
						}
						got, err := readAll(t.Context(), s, whole)
						if !bytes.Equal(got, bytesOf(big)) || err != nil {
							t.Errorf("%d bytes, %v", len(got), err)
						}
						if took := time.Since(began); took > time.Duration(times)*3*time.Minute {
							t.Errorf("%d faults took %v", times, took)
						}
					})
				})
			}
		}
	}
}

// What lasts ends after 8 attempts with a transient error, and after them the Store still works.
func TestGivesUp(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]deliverytest.Fault{
		"accept":  {Phase: deliverytest.Accept, Kind: deliverytest.Freeze},
		"opendir": {Phase: deliverytest.Opendir, Kind: deliverytest.Refuse},
		"names":   {Phase: deliverytest.Readdir, Kind: deliverytest.Stall},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				server := newServer(t, deliverytest.Options{})
				fault.Times = 8
				server.Fail(fault)
				s := newStore(t, server)
				began := time.Now()
				_, err := s.List(t.Context())
				again, _ := retry.IsTransient(err)
				if !errors.Is(err, ErrUnavailable) || !again || server.Counts().Connections != 8 {
					t.Errorf("error %v after %+v", err, server.Counts())
				}
				checkWords(t, err)
				if took := time.Since(began); took < 90*time.Second || took > 20*time.Minute {
					t.Errorf("it took %v", took)
				}
				if found, err := s.List(t.Context()); len(found.Files) != 1 || err != nil {
					t.Errorf("after the fault: %d files, %v", len(found.Files), err)
				}
			})
		})
	}
}

// Reading ends after 8 openings too, wherever the connection breaks off.
func TestGivesUpReading(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		server := newServer(t, deliverytest.Options{})
		s := newStore(t, server)
		if _, err := s.List(t.Context()); err != nil {
			t.Fatal(err)
		}
		server.Fail(deliverytest.Fault{Phase: deliverytest.Read, Kind: deliverytest.Cut, After: 100_000, Times: 100})
		got, err := readAll(t.Context(), s, whole)
		if !errors.Is(err, ErrUnavailable) || !bytes.Equal(got, bytesOf(big)[:len(got)]) || len(got) < 90_000 {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		checkWords(t, err)
		if n := server.Counts().Opens; n != 8 {
			t.Errorf("opened %d times, want 8", n)
		}
	})
}

// A file that is not the listed one any more is not gone on with.
func TestChangedFile(t *testing.T) {
	t.Parallel()
	data := bytesOf(big)
	for name, change := range map[string]func(*deliverytest.Server){
		"grown":  func(s *deliverytest.Server) { s.Put(whole, deliverytest.File{Data: bytesOf(big + 1), ModTime: at}) },
		"shrunk": func(s *deliverytest.Server) { s.Put(whole, deliverytest.File{Data: data[:100_001], ModTime: at}) },
		"touched, cut off": func(s *deliverytest.Server) {
			s.Put(whole, deliverytest.File{Data: data, ModTime: at.Add(time.Second)})
			s.CutAll()
		},
		"grown, cut off": func(s *deliverytest.Server) {
			s.Put(whole, deliverytest.File{Data: bytesOf(big + 1), ModTime: at})
			s.CutAll()
		},
		"gone, cut off": func(s *deliverytest.Server) { s.Remove(whole); s.CutAll() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				server := newServer(t, deliverytest.Options{})
				s := newStore(t, server)
				if _, err := s.List(t.Context()); err != nil {
					t.Fatal(err)
				}
				r, err := s.Open(t.Context(), whole, 0)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.CopyN(io.Discard, r, 50_000); err != nil {
					t.Fatal(err)
				}
				change(server)
				n, err := io.Copy(io.Discard, r)
				if !errors.Is(err, arrival.ErrChanged) || n > big {
					t.Errorf("%d bytes, %v", n, err)
				}
				if again, _ := retry.IsTransient(err); again {
					t.Error("the error is transient")
				}
				if _, err := r.Read(make([]byte, 1)); !errors.Is(err, arrival.ErrChanged) {
					t.Errorf("read again: %v", err)
				}
				r.Close()
			})
		})
	}
}

// A size that is not true is found out at the end, or as soon as there are more bytes.
func TestLyingSize(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{1, big - 1, big + 1, 1 << 60} {
		server := newServer(t, deliverytest.Options{})
		server.Put(whole, deliverytest.File{Data: bytesOf(big), Size: size, ModTime: at})
		s := newStore(t, server)
		if _, err := s.List(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := readAll(t.Context(), s, whole); !errors.Is(err, arrival.ErrChanged) || len(got) > big {
			t.Errorf("size %d: %d bytes, %v", size, len(got), err)
		}
	}
}

func TestReadOnce(t *testing.T) {
	t.Parallel()
	server := newServer(t, deliverytest.Options{})
	server.Put(whole, deliverytest.File{Data: bytesOf(big), ModTime: at, ReadOnce: true})
	s := newStore(t, server)
	if _, err := s.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(t.Context(), s, whole); !bytes.Equal(got, bytesOf(big)) || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	_, err := readAll(t.Context(), s, whole)
	if again, _ := retry.IsTransient(err); !errors.Is(err, ErrNotFound) || again {
		t.Errorf("the second time: %v", err)
	}
	checkWords(t, err)
}

func TestDeniedFile(t *testing.T) {
	t.Parallel()
	server := newServer(t, deliverytest.Options{})
	server.Put(whole, deliverytest.File{Data: bytesOf(big), ModTime: at, Denied: true})
	server.Put(second, deliverytest.File{Data: bytesOf(10), ModTime: at})
	s := newStore(t, server)
	if _, err := s.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := readAll(t.Context(), s, whole)
	if !errors.Is(err, ErrDenied) {
		t.Errorf("error = %v", err)
	}
	checkWords(t, err)
	// The neighbour is read on the same connection.
	if got, err := readAll(t.Context(), s, second); len(got) != 10 || err != nil || server.Counts().Connections != 1 {
		t.Errorf("%d bytes, %v, %+v", len(got), err, server.Counts())
	}
}

// A server that drips single bytes is as good as silent.
func TestDrips(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		server := newServer(t, deliverytest.Options{})
		s := newStore(t, server)
		if _, err := s.List(t.Context()); err != nil {
			t.Fatal(err)
		}
		server.Put(whole, deliverytest.File{Data: bytesOf(big), ModTime: at, Slow: time.Second})
		began := time.Now()
		_, err := readAll(t.Context(), s, whole)
		if took := time.Since(began); !errors.Is(err, ErrUnavailable) || took > 30*time.Minute {
			t.Errorf("error %v after %v", err, took)
		}
	})
}

// A reader that takes its time loses nothing: the connection is kept alive.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		server := newServer(t, deliverytest.Options{})
		s := newStore(t, server)
		if _, err := s.List(t.Context()); err != nil {
			t.Fatal(err)
		}
		r, err := s.Open(t.Context(), whole, 0)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for p := make([]byte, 100_000); ; time.Sleep(20 * time.Minute) {
			k, err := io.ReadFull(r, p)
			n += k
			if err != nil {
				break
			}
		}
		r.Close()
		if c := server.Counts(); n != big || c.Connections != 1 || c.Opens != 1 {
			t.Errorf("%d bytes, %+v", n, c)
		}
	})
}

// The end of the caller's context ends each call at once, with its cause.
func TestCallerGivesUp(t *testing.T) {
	t.Parallel()
	reason := errors.New("the invocation's time is up")
	for name, fault := range map[string]deliverytest.Fault{
		"accept":  {Phase: deliverytest.Accept, Kind: deliverytest.Freeze},
		"sign-in": {Phase: deliverytest.SignIn, Kind: deliverytest.Stall},
		"session": {Phase: deliverytest.Subsystem, Kind: deliverytest.Stall},
		"opendir": {Phase: deliverytest.Opendir, Kind: deliverytest.Stall},
		"names":   {Phase: deliverytest.Readdir, Kind: deliverytest.Stall},
		"open":    {Phase: deliverytest.Open, Kind: deliverytest.Freeze},
		"bytes":   {Phase: deliverytest.Read, Kind: deliverytest.Stall, After: 100_000},
		"pause":   {Phase: deliverytest.Read, Kind: deliverytest.Refuse, Times: 100},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				server := newServer(t, deliverytest.Options{})
				server.Fail(fault)
				s := newStore(t, server)
				ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, reason)
				defer cancel()
				began := time.Now()
				_, err := s.List(ctx)
				if err == nil {
					_, err = readAll(ctx, s, whole)
				}
				if took := time.Since(began); !errors.Is(err, reason) || took > 11*time.Second {
					t.Errorf("error %v after %v", err, took)
				}
				checkWords(t, err)
			})
		})
	}
}

// One call's context does not end another's.
func TestCallersShareAConnection(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		server := newServer(t, deliverytest.Options{})
		s := newStore(t, server)
		if _, err := s.List(t.Context()); err != nil {
			t.Fatal(err)
		}
		server.Fail(deliverytest.Fault{Phase: deliverytest.Opendir, Kind: deliverytest.Stall})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		ended := make(chan error)
		go func() {
			_, err := s.List(ctx)
			ended <- err
		}()
		r, err := s.Open(t.Context(), whole, 0)
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if _, err := io.CopyN(&got, r, 100_000); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the listing: %v", err)
		}
		if _, err := io.Copy(&got, r); err != nil || !bytes.Equal(got.Bytes(), bytesOf(big)) {
			t.Errorf("%d bytes, %v", got.Len(), err)
		}
		r.Close()
	})
}
