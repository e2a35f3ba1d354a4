package visitor_test

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
	"github.com/rsolv-dev/rsolv-operator/internal/app/visitor"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Run(m)) }

const agent = "Mozilla/5.0 Firefox/140.0"

var home = netip.MustParseAddr("198.51.100.7")

// switched is a database that can be away, and has the clock of the test.
type switched struct {
	*postgres.Store
	away bool
	now  *time.Time
}

func (s *switched) ShareSalt(ctx context.Context, day time.Time, fresh []byte) (app.Salt, error) {
	if s.away {
		return app.Salt{}, errors.New("away")
	}
	salt, err := s.Store.ShareSalt(ctx, day, fresh)
	salt.MadeAt = *s.now
	return salt, err
}

func newIDs(t *testing.T, url string, now *time.Time) (*visitor.IDs, *switched) {
	t.Helper()
	store, err := postgres.Open(t.Context(), postgres.Options{URL: url, PoolSize: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	s := &switched{Store: store, now: now}
	ids, err := visitor.New(visitor.Options{
		Store: s, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return *now }, Describe: postgres.Redact,
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids, s
}

func TestPodsAgreeAndSitesDiffer(t *testing.T) {
	t.Parallel()
	url, now := dbtest.URL(t), time.Now()
	one, _ := newIDs(t, url, &now)
	two, _ := newIDs(t, url, &now)
	if id := one.ID("rsolv.dev", home, agent); id != "" {
		t.Errorf("without a salt there is the id %s", id)
	}
	for _, ids := range []*visitor.IDs{one, two} {
		if err := ids.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	id := one.ID("rsolv.dev", home, agent)
	if !app.DailyVisitor(id) || id != two.ID("rsolv.dev", home, agent) || len(id) > 64 {
		t.Errorf("two pods call one visitor %q and %q", id, two.ID("rsolv.dev", home, agent))
	}
	for _, site := range []string{"www.rsolv.dev", "app.rsolv.dev:8443", "RSOLV.dev."} {
		if got := one.ID(site, home, agent); got != id {
			t.Errorf("at %s the visitor is another", site)
		}
	}
	for about, other := range map[string]string{
		"another site":        one.ID("kiln.example", home, agent),
		"another address":     one.ID("rsolv.dev", netip.MustParseAddr("198.51.100.8"), agent),
		"another browser":     one.ID("rsolv.dev", home, agent+"x"),
		"texts that run over": one.ID("rsolv.devM", home, strings.TrimPrefix(agent, "M")),
	} {
		if other == id {
			t.Errorf("%s is the same visitor", about)
		}
	}
	if strings.Contains(id, "198") || one.ID("rsolv.dev", netip.Addr{}, agent) != "" {
		t.Error("an address is needed, and never told")
	}
}

// The next day's salt is there before midnight; a database that is away costs
// nothing until the last salt is 48 hours old, and then there are no ids.
func TestDaysAndOutages(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	midnight := time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	now := midnight.Add(-2 * time.Hour)
	ids, store := newIDs(t, url, &now)
	refresh := func() error { return ids.Refresh(t.Context()) }
	if err := refresh(); err != nil {
		t.Fatal(err)
	}
	at := func(moment time.Time) string { now = moment; return ids.ID("rsolv.dev", home, agent) }
	evening := at(midnight.Add(-2 * time.Hour))
	now = midnight.Add(-30 * time.Minute)
	if err := refresh(); err != nil {
		t.Fatal(err)
	}
	if at(midnight.Add(-time.Second)) != evening {
		t.Error("the id changes before midnight")
	}
	store.away = true
	morning := at(midnight.Add(time.Minute))
	if morning == "" || morning == evening {
		t.Errorf("at midnight %q becomes %q", evening, morning)
	}
	if at(midnight.Add(30*time.Hour)) != morning {
		t.Error("the last salt does not serve on")
	}
	if refresh() == nil {
		t.Error("nobody hears that the database is away")
	}
	if id := at(midnight.Add(60 * time.Hour)); id != "" {
		t.Errorf("a salt of more than two days serves on: %s", id)
	}
}

func TestSaltsAreForgotten(t *testing.T) {
	t.Parallel()
	url, now := dbtest.URL(t), time.Now()
	_, store := newIDs(t, url, &now)
	today := now.UTC().Truncate(24 * time.Hour)
	for _, day := range []time.Time{today, today.AddDate(0, 0, -2)} {
		if _, err := store.ShareSalt(t.Context(), day, make([]byte, 32)); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if _, err := conn.Exec(t.Context(), "UPDATE visitor_salts SET made_at = now() - interval '49 hours' WHERE day < $1", today); err != nil {
		t.Fatal(err)
	}
	if err := store.ForgetSalts(t.Context()); err != nil {
		t.Fatal(err)
	}
	// A salt that is gone is made anew, as another one.
	other := []byte(strings.Repeat("x", 32))
	for day, want := range map[time.Time]string{today: string(make([]byte, 32)), today.AddDate(0, 0, -2): string(other)} {
		salt, err := store.ShareSalt(t.Context(), day, other)
		if err != nil || string(salt.Secret) != want {
			t.Errorf("%v: %x, %v", day, salt.Secret, err)
		}
	}
}
