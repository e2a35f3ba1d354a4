package postgres

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// copyFrom is the number of events from which on COPY is worth its savepoint.
const copyFrom = 64

var copyColumns = []string{
	"id", "event_type", "customer_id", "visitor_id", "session_id", "page_path", "referrer", "user_agent", "ip_network",
	"utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "occurred_at", "site", "name", "metadata", "referrer_class",
}

// copyEvents stores events by COPY, behind a savepoint: all of them, or none
// and false. It is the quickest way in, and takes neither what is there already
// nor what the database refuses; both are rare, and for insertEvents. Batches
// are settled once, so that an event is there already only after an append
// whose outcome nobody learned.
func copyEvents(ctx context.Context, tx pgx.Tx, events []app.Event) (done bool, err error) {
	networks, ok := parseNetworks(events)
	if !ok {
		return false, nil
	}
	row := make([]any, len(copyColumns))
	err = pgx.BeginFunc(ctx, tx, func(save pgx.Tx) error {
		_, err := save.CopyFrom(ctx, pgx.Identifier{"funnel_events"}, copyColumns, pgx.CopyFromSlice(len(events), func(i int) ([]any, error) {
			copyRow(row, &events[i], networks[i])
			return row, nil
		}))
		return err
	})
	switch {
	case err == nil:
		return true, nil
	case refused(err):
		return false, nil
	default:
		return false, fmt.Errorf("copying funnel events: %w", err)
	}
}

func copyRow(row []any, e *app.Event, network netip.Prefix) {
	t := &e.Touch
	row[0], row[1], row[2] = pgID(e.ID), string(e.Type), nil
	if e.CustomerID != 0 {
		row[2] = e.CustomerID
	}
	row[3], row[4], row[5], row[6], row[7] = orNull(t.VisitorID), orNull(t.SessionID), orNull(t.Path), orNull(t.Referrer), orNull(t.UserAgent)
	if row[8] = nil; network.IsValid() {
		row[8] = network
	}
	row[9], row[10], row[11] = orNull(t.UTM.Source), orNull(t.UTM.Medium), orNull(t.UTM.Campaign)
	row[12], row[13], row[14] = orNull(t.UTM.Term), orNull(t.UTM.Content), e.At
	row[15], row[16], row[17], row[18] = orNull(e.Site), orNull(e.Name), "{}", orNull(referrerClass(e))
	if e.Metadata != "" {
		row[17] = e.Metadata
	}
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// referrerClass is of views alone.
func referrerClass(e *app.Event) string {
	if e.Type != app.EventPageView {
		return ""
	}
	return string(app.ClassifyReferrer(e.Touch.Referrer, e.Site))
}

// parseNetworks answers false when one is none; the database then says so.
func parseNetworks(events []app.Event) ([]netip.Prefix, bool) {
	networks := make([]netip.Prefix, len(events))
	for i := range events {
		text := events[i].Touch.Network
		if text == "" {
			continue
		}
		if i > 0 && text == events[i-1].Touch.Network {
			networks[i] = networks[i-1]
			continue
		}
		var err error
		if networks[i], err = netip.ParsePrefix(text); err != nil {
			return nil, false
		}
	}
	return networks, true
}
