package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

type ledgerOutput struct{ Body LedgerBody }

// LedgerBody is the ledger in JSON.
type LedgerBody struct {
	Accepted     int64            `json:"accepted" doc:"Events that were made durable before they were acknowledged."`
	Stored       int64            `json:"stored"`
	Deduplicated int64            `json:"deduplicated" doc:"Sent again under the same id."`
	Dropped      int64            `json:"dropped" doc:"Given up after they were accepted; dropped_by says why."`
	DroppedBy    map[string]int64 `json:"dropped_by" doc:"orphaned: the customer does not exist any more. refused: the database does not take it; it is a dead letter."`
	Spooled      int64            `json:"spooled" doc:"On their way to the database."`
	Missing      int64            `json:"missing" doc:"Nobody knows where they are: their spool has vanished, or its pod is silent."`
	Balanced     bool             `json:"balanced" doc:"accepted = stored + deduplicated + dropped + spooled, and nothing is missing."`
	Counting     bool             `json:"counting" doc:"The pod that answers is still counting what an earlier life of it left in its spool."`
	Completeness string           `json:"completeness" doc:"Share of the accepted that is settled, in percent." example:"100.00"`
	DeadLetters  int64            `json:"dead_letters"`
	Stray        int64            `json:"stray" doc:"Events in the partition that is to stay empty."`
	Sources      int64            `json:"sources" doc:"Starts of processes that took events."`
	Open         []LedgerSource   `json:"open" doc:"Sources that are not settled whole, the newest first, at most a hundred."`
	Reconciled   *Reconciliation  `json:"reconciled,omitempty" doc:"The last nightly comparison of milestones with accounts."`
}

// LedgerSource is one source that is not settled whole.
type LedgerSource struct {
	Source   string `json:"source" doc:"Names one start of one process."`
	Host     string `json:"host"`
	Spool    string `json:"spool" enum:"embedded,cluster"`
	Accepted int64  `json:"accepted"`
	Settled  int64  `json:"settled"`
	Spooled  int64  `json:"spooled"`
	Missing  int64  `json:"missing"`
	Since    string `json:"since" format:"date-time"`
}

// Reconciliation is a comparison of milestones with accounts.
type Reconciliation struct {
	At        string `json:"at" format:"date-time"`
	Customers int64  `json:"customers"`
	Signups   int64  `json:"signups" doc:"Customers whose signup the funnel knows."`
	Keyed     int64  `json:"customers_with_key"`
	Keys      int64  `json:"api_keys_created" doc:"Customers whose first key the funnel knows."`
	Strange   int64  `json:"strange_journeys" doc:"Journeys that differ from their milestones."`
	Complete  bool   `json:"complete"`
}

// NewLedgerBody encodes a ledger.
func NewLedgerBody(l app.EventLedger) LedgerBody {
	body := LedgerBody{
		Accepted: l.Accepted, Stored: l.Stored, Deduplicated: l.Deduplicated, Dropped: l.Dropped, DroppedBy: l.DroppedBy,
		Spooled: l.Spooled, Missing: l.Missing, Balanced: l.Balanced(), Counting: l.Counting, Completeness: l.Completeness(),
		DeadLetters: l.DeadLetters, Stray: l.Stray, Sources: l.Sources, Open: []LedgerSource{},
	}
	for _, a := range l.Open {
		body.Open = append(body.Open, LedgerSource{
			Source: a.Source.String(), Host: a.Host, Spool: a.Spool, Accepted: a.Accepted,
			Settled: a.Stored + a.Deduplicated + a.Dropped, Spooled: a.Spooled, Missing: a.Missing(),
			Since: a.Since.UTC().Format(time.RFC3339),
		})
	}
	if r := l.Reconciled; r != nil {
		body.Reconciled = &Reconciliation{
			At: r.At.UTC().Format(time.RFC3339), Customers: r.Customers, Signups: r.Signups, Keyed: r.Keyed, Keys: r.Keys,
			Strange: r.Strange, Complete: r.Complete(),
		}
	}
	return body
}

func (s *server) registerLedger() {
	register(s, s.authenticated(huma.Operation{
		OperationID: "funnel-ledger", Method: http.MethodGet, Path: "/api/v1/funnel/ledger",
		Summary: "What became of every event that was acknowledged", Tags: []string{"funnel"},
		Description: "Needs the permission admin. accepted = stored + deduplicated + dropped + spooled; whatever that leaves is missing.",
		Errors:      []int{http.StatusForbidden},
	}, app.PermissionAdmin), func(ctx context.Context, _ *struct{}) (*ledgerOutput, error) {
		ledger, err := s.d.Ledger.Ledger(ctx)
		if err != nil {
			return nil, err
		}
		return &ledgerOutput{Body: NewLedgerBody(ledger)}, nil
	})
}
