package commands

import (
	"context"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/fetch/internal/deliveries"
	"o2archiver/handlers/fetch/internal/schedule"
)

// fixedResult is an engine of deliveries that always returns the same.
type fixedResult deliveries.Result

func (f fixedResult) Run(context.Context, *slog.Logger) (deliveries.Result, error) {
	return deliveries.Result(f), nil
}

func (f fixedResult) ReadDays(context.Context, deliveries.Days, *slog.Logger) (deliveries.Result, error) {
	return deliveries.Result(f), nil
}

func (f fixedResult) CountDays(context.Context, deliveries.Days, *slog.Logger) (zips, bytes int64, err error) {
	return int64(f.Read), int64(f.Received), nil
}

// A command on deliveries is done when nothing is open, planned for later or still being uploaded, in either folder. A
// refusal in either ends it.
func TestProgressOfDeliveries(t *testing.T) {
	for _, tt := range []struct {
		name string
		res  deliveries.Result
		want Progress
	}{
		{"all is read", deliveries.Result{Read: 2, Received: 5, Same: 1}, Progress{Done: 3, Of: 3,
			Says: "what was delivered is read: 2 ZIPs now, with 5 messages and calls; those that " +
				"were read before are not read again"}},
		{"one is open", deliveries.Result{Read: 1, Open: 1}, Progress{Done: 1, Of: 2, Left: true,
			Says: "at work: 1 ZIPs are left"}},
		{"an upload goes on", deliveries.Result{Listed: deliveries.Listed{Waiting: 1}}, Progress{Left: true,
			Says: "at work: 1 ZIPs are left"}},
		{"an upload to imports goes on", deliveries.Result{Imports: &deliveries.Result{
			Listed: deliveries.Listed{Waiting: 2}}}, Progress{Left: true, Says: "at work: 2 ZIPs are left"}},
		{"refused", deliveries.Result{Open: 1, Refused: true}, Progress{Of: 1, Left: true,
			Says: "at work: 1 ZIPs are left", Refused: serverRefused}},
		{"refused for imports", deliveries.Result{Imports: &deliveries.Result{Open: 1, Refused: true}}, Progress{Of: 1,
			Left: true, Says: "at work: 1 ZIPs are left", Refused: serverRefused}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			intake := OfDeliveries(fixedResult(tt.res))
			run, err := intake.RunDue(t.Context(), "c", slog.New(slog.DiscardHandler))
			if diff := cmp.Diff(tt.want, run); diff != "" || err != nil {
				t.Errorf("run, %v (-want +got):\n%s", err, diff)
			}
			fill, err := intake.Backfill(t.Context(), "c", schedule.Range{}, slog.New(slog.DiscardHandler))
			if diff := cmp.Diff(tt.want, fill); diff != "" || err != nil {
				t.Errorf("backfill, %v (-want +got):\n%s", err, diff)
			}
		})
	}
}
