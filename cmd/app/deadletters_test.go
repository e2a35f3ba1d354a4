package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

func TestFunnelDeadLetters(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	store, err := postgres.Open(t.Context(), postgres.Options{URL: url, PoolSize: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	now := time.Now()
	good := app.Event{ID: app.NewEventID(now), Type: app.EventPageView, At: now}
	if _, err := store.Bury(t.Context(), app.Batch{Source: app.NewSourceID(now), Number: 1, Total: 1, Events: []app.Event{good}}, errors.New("too odd")); err != nil {
		t.Fatal(err)
	}
	if err := store.BuryRaw(t.Context(), []byte("x"), errors.New("damaged")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"list"}, 0, "too odd"},
		{[]string{"list"}, 0, "2 dead letters"},
		{[]string{"replay", "--id", "99"}, 1, "there is no letter 99"},
		{[]string{"replay"}, 1, "1 stored, 1 refused again"},
		{[]string{"list"}, 0, "1 dead letters"},
		{nil, 2, "use list or replay"},
	} {
		p := newProgram(t, map[string]string{contract.EnvDatabaseURL: url})
		code := p.run(t.Context(), append([]string{"funnel", "dead-letters"}, tt.args...))
		if said := p.out.String() + p.errOut.String(); code != tt.code || !strings.Contains(said, tt.want) {
			t.Errorf("%v: %d %s", tt.args, code, said)
		}
	}
}
