package archive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"o2archiver/shared/archivetest"
)

func leaseRequest(action string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Header.Get("x-ms-lease-action") == action }
}

// shortLeases makes a Store give leases up soon. The service's own 15 s can't be shortened.
func shortLeases(s *Store) *Store {
	s.times = leaseTimes{renew: 30 * time.Millisecond, retry: 20 * time.Millisecond, lost: 300 * time.Millisecond,
		try: time.Second}
	return s
}

func TestLease(t *testing.T) {
	ctx, s := t.Context(), testStore(t)
	taking, cancel := context.WithCancel(ctx)
	l, err := s.Checkpoints().Lease(taking, blobName(t))
	if err != nil {
		t.Fatal(err)
	}
	cancel() // was for the taking only
	var v struct{}
	if _, err := s.Checkpoints().Get(ctx, blobName(t), &v); err != nil {
		t.Errorf("the blob that was created: %v", err)
	}
	if _, err := s.Checkpoints().Lease(ctx, blobName(t)); !errors.Is(err, ErrLeased) {
		t.Errorf("lease again: %v, want %v", err, ErrLeased)
	}
	if _, err := s.Checkpoints().Put(ctx, blobName(t), 1, "*", nil); !errors.Is(err, ErrLeased) {
		t.Errorf("write without it: %v, want %v", err, ErrLeased)
	}
	if _, err := s.Checkpoints().Put(ctx, blobName(t), 1, "*", l); err != nil {
		t.Errorf("write with it: %v", err)
	}
	if err := l.Context().Err(); err != nil {
		t.Errorf("its context has ended: %v", err)
	}
	l.Release()
	l.Release()
	if l.Context().Err() == nil {
		t.Error("its context has not ended")
	}
	if _, err := s.Checkpoints().Put(ctx, blobName(t), 1, "*", l); !errors.Is(err, ErrChanged) {
		t.Errorf("write after release: %v, want %v", err, ErrChanged)
	}
	again, err := s.Checkpoints().Lease(ctx, blobName(t))
	if err != nil {
		t.Fatal(err)
	}
	again.Release()
}

func TestLeaseLostAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := faultyStore(t, leaseRequest("acquire"), first(archivetest.Lose))
		l, err := s.Checkpoints().Lease(t.Context(), blobName(t))
		if err != nil {
			t.Fatal(err)
		}
		l.Release()
		s = faultyStore(t, leaseRequest("release"), first(archivetest.Reset))
		if l, err = s.Checkpoints().Lease(t.Context(), blobName(t)); err != nil {
			t.Fatal(err)
		}
		l.Release()
		if l, err = s.Checkpoints().Lease(t.Context(), blobName(t)); err != nil {
			t.Fatal(err)
		}
		l.Release()
	})
}

func TestLeaseIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := faultyStore(t, leaseRequest("renew"), func(n int) archivetest.Fault {
			if n%3 == 0 {
				return archivetest.Busy
			}
			return archivetest.Pass
		})
		s.times = leaseTimes{renew: 50 * time.Millisecond, retry: 20 * time.Millisecond, lost: 2 * time.Second,
			try: time.Second}
		l, err := s.Checkpoints().Lease(t.Context(), blobName(t))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Release()
		select {
		case <-time.After(2500 * time.Millisecond): // unrenewed it would be lost by now
		case <-l.Context().Done():
			t.Errorf("lost: %v", context.Cause(l.Context()))
		}
	})
}

func TestLeaseIsLost(t *testing.T) {
	t.Run("not renewed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for _, fault := range []archivetest.Fault{archivetest.Refuse, archivetest.Reset, archivetest.Stall,
				archivetest.Lose} {
				s := shortLeases(faultyStore(t, leaseRequest("renew"), always(fault)))
				start := time.Now()
				l, err := s.Checkpoints().Lease(t.Context(), blobName(t)+string(rune('a'+int(fault))))
				if err != nil {
					t.Fatal(err)
				}
				<-l.Context().Done()
				if cause := context.Cause(l.Context()); !errors.Is(cause, ErrChanged) {
					t.Errorf("fault %d: %v, want %v", fault, cause, ErrChanged)
				}
				if took := time.Since(start); took < 250*time.Millisecond {
					t.Errorf("fault %d: lost after %v", fault, took)
				}
				l.Release()
			}
		})
	})
	t.Run("taken away", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := shortLeases(testStore(t))
			s.times.lost = time.Hour
			l, err := s.Checkpoints().Lease(t.Context(), blobName(t))
			if err != nil {
				t.Fatal(err)
			}
			// An administrator breaks it and another client acquires it.
			if _, err := l.client.BreakLease(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			<-l.Context().Done()
			if cause := context.Cause(l.Context()); !errors.Is(cause, ErrChanged) {
				t.Errorf("cause %v, want %v", cause, ErrChanged)
			}
			l.Release()
		})
	})
}

func TestLogs(t *testing.T) {
	ctx, logs, name := t.Context(), testStore(t).Logs(), folder(t)+"/00001.jsonl"
	if body, size, err := logs.Read(ctx, name); body != nil || size != -1 || err != nil {
		t.Errorf("read none: %v, %d, %v", body, size, err)
	}
	if data, size, err := logs.Tail(ctx, name, 10); data != nil || size != -1 || err != nil {
		t.Errorf("tail of none: %q, %d, %v", data, size, err)
	}
	lease, empty, err := logs.Acquire(ctx, name)
	if err != nil || lease == nil || !empty || lease.Context().Err() != nil {
		t.Fatalf("acquire: empty %t, %v", empty, err)
	}
	if other, _, err := logs.Acquire(ctx, name); other != nil || err != nil {
		t.Errorf("acquire again: %v, %v", other, err)
	}
	if data, size, err := logs.Tail(ctx, name, 10); data != nil || size != 0 || err != nil {
		t.Errorf("tail of an empty one: %q, %d, %v", data, size, err)
	}
	if body, size, err := logs.Read(ctx, name); body == nil || size != 0 || err != nil {
		t.Errorf("read an empty one: %v, %d, %v", body, size, err)
	}
	for range 2 { // the second time it is there already
		if err := lease.Append(ctx, 0, []byte("one\n")); err != nil {
			t.Fatal(err)
		}
	}
	if err := lease.Append(ctx, 4, []byte("two\n")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		at   int64
		data string
	}{{0, "two\n"}, {0, "one\n"}, {4, "tw"}, {7, "x"}, {99, "x"}} {
		if err := lease.Append(ctx, tt.at, []byte(tt.data)); !errors.Is(err, ErrChanged) {
			t.Errorf("append %q at %d: %v, want %v", tt.data, tt.at, err, ErrChanged)
		}
	}
	body, size, err := logs.Read(ctx, name)
	if err != nil || size != 8 {
		t.Fatalf("size %d, %v", size, err)
	}
	if got, err := io.ReadAll(body); string(got) != "one\ntwo\n" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if got, size, err := logs.Tail(ctx, name, 5); string(got) != "\ntwo\n" || size != 8 || err != nil {
		t.Errorf("tail %q, %d, %v", got, size, err)
	}
	lease.Release()
	lease.Release()
	if err := lease.Append(ctx, 8, []byte("x")); !errors.Is(err, ErrChanged) {
		t.Errorf("append without the lease: %v, want %v", err, ErrChanged)
	}
	lease, empty, err = logs.Acquire(ctx, name)
	if err != nil || lease == nil || empty {
		t.Fatalf("acquire once more: empty %t, %v", empty, err)
	}
	lease.Release()
}

// TestLogsFaults: whatever happens to a request, each line is in the log once.
func TestLogsFaults(t *testing.T) {
	isAppend := func(r *http.Request) bool { return r.URL.Query().Get("comp") == "appendblock" }
	for i, fault := range []archivetest.Fault{archivetest.Lose, archivetest.Reset, archivetest.Refuse,
		archivetest.Busy} {
		logs := faultyStore(t, isAppend, func(n int) archivetest.Fault { return archivetest.Fault(n%2) * fault }).Logs()
		name := folder(t) + "/0000" + string(rune('1'+i)) + ".jsonl"
		lease, _, err := logs.Acquire(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		for range 3 {
			if err := lease.Append(t.Context(), int64(want.Len()), []byte("the same line\n")); err != nil {
				t.Errorf("fault %d: %v", fault, err)
			}
			want.WriteString("the same line\n")
		}
		got, _, err := logs.Tail(t.Context(), name, 1000)
		if err != nil || string(got) != want.String() {
			t.Errorf("fault %d: %q, %v", fault, got, err)
		}
		lease.Release()
	}
	t.Run("create", func(t *testing.T) {
		create := func(r *http.Request) bool { return r.Header.Get("x-ms-blob-type") == "AppendBlob" }
		logs := faultyStore(t, create, first(archivetest.Lose)).Logs()
		lease, _, err := logs.Acquire(t.Context(), folder(t)+"/00001.jsonl")
		if err != nil {
			t.Fatal(err)
		}
		lease.Release()
	})
}

// TestLogReadWhileItGrows: a reader without the lease gets what was there when it began.
func TestLogReadWhileItGrows(t *testing.T) {
	ctx, logs, name := t.Context(), testStore(t).Logs(), folder(t)+"/00001.jsonl"
	lease, _, err := logs.Acquire(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	line := append(bytes.Repeat([]byte("x"), testBlock/2-1), '\n')
	for i := range 3 {
		if err := lease.Append(ctx, int64(i*len(line)), line); err != nil {
			t.Fatal(err)
		}
	}
	body, size, err := logs.Read(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	if err := lease.Append(ctx, int64(3*len(line)), []byte("later\n")); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(body)
	if err != nil || int64(len(got)) != size || size != int64(3*len(line)) {
		t.Errorf("%d bytes of %d, %v", len(got), size, err)
	}
}
