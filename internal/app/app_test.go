package app_test

import (
	"bytes"
	"errors"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

var noon = time.Date(2025, 11, 4, 12, 0, 0, 0, time.UTC)

func TestRate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		part, whole int64
		want        string
	}{
		{30, 400, "7.50"},
		{24, 30, "80.00"},
		{9, 24, "37.50"},
		{3, 9, "33.33"},
		{2, 3, "66.67"},
		{1, 800, "0.13"}, // 0.125 rounds up
		{0, 10, "0.00"},
		{5, 0, "0.00"},
		{12, 1, "1200.00"},
		{1, 1, "100.00"},
	} {
		if got := app.Rate(tt.part, tt.whole); got != tt.want {
			t.Errorf("Rate(%d, %d) = %s, want %s", tt.part, tt.whole, got, tt.want)
		}
	}
}

func TestLastDays(t *testing.T) {
	t.Parallel()
	// 23:30 on the 3rd in New York is the 4th in UTC.
	now := time.Date(2025, 11, 3, 23, 30, 0, 0, time.FixedZone("EST", -5*3600))
	period, err := app.LastDays(now, 30)
	if err != nil {
		t.Fatal(err)
	}
	want := app.Period{
		Since: time.Date(2025, 10, 5, 0, 0, 0, 0, time.UTC), Until: time.Date(2025, 11, 5, 0, 0, 0, 0, time.UTC),
	}
	if diff := cmp.Diff(want, period); diff != "" {
		t.Error(diff)
	}
	if days := period.Until.Sub(period.Since) / (24 * time.Hour); days != 31 {
		t.Errorf("30 days back make %d calendar days, want 31", days)
	}
	if got := period.LastDay().Format(time.DateOnly); got != "2025-11-04" {
		t.Errorf("last day is %s", got)
	}
	for _, days := range []int{0, -1, 367} {
		var e *app.Error
		if _, err := app.LastDays(now, days); !errors.As(err, &e) || e.Fields[0].Field != "days" {
			t.Errorf("LastDays(%d) = %v, want an error that names days", days, err)
		}
	}
}

func TestNewSignup(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		about, name, email string
		bad                []string
	}{
		{"good", "Kiln Ltd", "ops@kiln.example", nil},
		{"trimmed", "  Kiln ", " ops@kiln.example ", nil},
		{"plus address", "K", "ops+test@kiln.example", nil},
		{"nothing", "", "", []string{"name", "email"}},
		{"blank name", " \t ", "ops@kiln.example", []string{"name"}},
		{"NUL in the name", "a\x00b", "ops@kiln.example", []string{"name"}},
		{"long name", strings.Repeat("é", 256), "ops@kiln.example", []string{"name"}},
		{"longest name", strings.Repeat("é", 255), "ops@kiln.example", nil},
		{"no at sign", "K", "kiln.example", []string{"email"}},
		{"space inside", "K", "o ps@kiln.example", []string{"email"}},
		{"two at signs", "K", "a@b@kiln.example", []string{"email"}},
		{"display name", "K", "Kiln<ops@kiln.example>", []string{"email"}},
		{"newline", "K", "ops@kiln.example\nBcc:x@y.example", []string{"email"}},
		{"long address", "K", strings.Repeat("a", 250) + "@x.example", []string{"email"}},
	} {
		t.Run(tt.about, func(t *testing.T) {
			t.Parallel()
			signup, err := app.NewSignup(tt.name, tt.email, "", app.Touch{}, noon)
			if tt.bad == nil {
				if err != nil {
					t.Fatal(err)
				}
				if signup.Source != app.DefaultSource || signup.Email != strings.TrimSpace(tt.email) {
					t.Errorf("got %+v", signup)
				}
				return
			}
			var e *app.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want an app.Error", err)
			}
			var fields []string
			for _, f := range e.Fields {
				fields = append(fields, f.Field)
			}
			if diff := cmp.Diff(tt.bad, fields); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"203.0.113.77":                     "203.0.113.0/24",
		"::ffff:203.0.113.77":              "203.0.113.0/24",
		"2001:db8:1234:5678:9abc:def0:1:2": "2001:db8:1234::/48",
		"fe80::1234:5678:9abc:def0%eth0":   "fe80::/48",
		"::1":                              "::/48",
	} {
		if got := app.Network(netip.MustParseAddr(in)); got != want {
			t.Errorf("Network(%s) = %s, want %s", in, got, want)
		}
	}
	if got := app.Network(netip.Addr{}); got != "" {
		t.Errorf("the zero address gives %q", got)
	}
}

func TestClip(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in    string
		limit int
		want  string
	}{
		{"abc", 5, "abc"},
		{"abcdef", 3, "abc"},
		{"aé", 2, "a"}, // the cut goes through é
		{"aé", 3, "aé"},
		{"a\xffb\x00c", 9, "abc"},
		{"日本語", 7, "日本"},
		{"", 0, ""},
	} {
		if got := app.Clip(tt.in, tt.limit); got != tt.want {
			t.Errorf("Clip(%q, %d) = %q, want %q", tt.in, tt.limit, got, tt.want)
		}
	}
	touch := app.Touch{Referrer: strings.Repeat("r", 5000), UTM: app.UTM{Source: strings.Repeat("s", 101)}}.Clipped()
	if len(touch.Referrer) != 2048 || len(touch.UTM.Source) != 100 {
		t.Errorf("clipped to %d and %d bytes", len(touch.Referrer), len(touch.UTM.Source))
	}
}

func TestIsBot(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string]bool{
		"": true,
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": true,
		"curl/8.1":                       true,
		"Go-http-client/1.1":             true,
		"Prometheus/2.50 blackbox-probe": true,
		"Blackbox-Exporter/0.28.0":       true,
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                              false,
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1": false,
	} {
		if got := app.IsBot(agent); got != want {
			t.Errorf("IsBot(%q) = %v", agent, got)
		}
	}
}

func TestJourneyCalls(t *testing.T) {
	t.Parallel()
	at := func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }
	j := app.Journey{CustomerID: 1}
	j, kind, stage := j.Call(at(10))
	if kind != app.EventFirstAPICall || stage != app.StageActivation || j.Retained() {
		t.Fatalf("first call: %s %s %+v", kind, stage, j)
	}
	// The second to arrive was made earlier.
	j, kind, stage = j.Call(at(4))
	if kind != app.EventAPICall || stage != app.StageRetention {
		t.Fatalf("second call: %s %s", kind, stage)
	}
	want := app.Journey{CustomerID: 1, FirstCallAt: at(4), SecondCallAt: at(10), APICalls: 2}
	if diff := cmp.Diff(want, j); diff != "" {
		t.Error(diff)
	}
	// The third to arrive was the earliest of all: the two smallest times count.
	j, kind, stage = j.Call(at(1))
	want = app.Journey{CustomerID: 1, FirstCallAt: at(1), SecondCallAt: at(4), APICalls: 3}
	if kind != app.EventAPICall || stage != "" || j != want {
		t.Errorf("third call: %s %q %+v", kind, stage, j)
	}
}

func TestJourneyCounts(t *testing.T) {
	t.Parallel()
	at := func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }
	for _, tt := range []struct {
		about  string
		before app.Journey
		calls  []int
		want   app.Journey
		stages []app.Stage
	}{
		{"one call", app.Journey{}, []int{5}, app.Journey{FirstCallAt: at(5), APICalls: 1}, []app.Stage{app.StageActivation}},
		{
			"both stages at once",
			app.Journey{},
			[]int{9, 5, 7},
			app.Journey{FirstCallAt: at(5), SecondCallAt: at(7), APICalls: 3},
			[]app.Stage{app.StageActivation, app.StageRetention},
		},
		{
			"two at the same moment",
			app.Journey{},
			[]int{5, 5},
			app.Journey{FirstCallAt: at(5), SecondCallAt: at(5), APICalls: 2},
			[]app.Stage{app.StageActivation, app.StageRetention},
		},
		{
			"earlier ones, late",
			app.Journey{FirstCallAt: at(5), SecondCallAt: at(7), APICalls: 2},
			[]int{6, 1},
			app.Journey{FirstCallAt: at(1), SecondCallAt: at(5), APICalls: 4},
			nil,
		},
	} {
		var calls app.Calls
		for _, s := range tt.calls {
			calls.Add(at(s))
		}
		got, stages := tt.before.Count(calls)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.about, diff)
		}
		if diff := cmp.Diff(tt.stages, stages); diff != "" {
			t.Errorf("%s: %s", tt.about, diff)
		}
		// Counted in two parts, it comes to the same.
		half := len(tt.calls) / 2
		var a, b app.Calls
		for i, s := range tt.calls {
			if i < half {
				a.Add(at(s))
			} else {
				b.Add(at(s))
			}
		}
		a.Merge(b)
		if diff := cmp.Diff(calls, a); diff != "" {
			t.Errorf("%s: merged: %s", tt.about, diff)
		}
	}
}

func TestSeconds(t *testing.T) {
	t.Parallel()
	if got := app.Seconds(noon, noon.Add(2900*time.Millisecond)); got == nil || *got != 2 {
		t.Errorf("2.9 s give %v, want 2", got)
	}
	if got := app.Seconds(noon, noon.Add(-time.Hour)); got == nil || *got != 0 {
		t.Errorf("an hour back gives %v, want 0", got)
	}
	if got := app.Seconds(time.Time{}, noon); got != nil {
		t.Errorf("an unknown start gives %d, want nil", *got)
	}
}

func TestEventIDsSortByTime(t *testing.T) {
	t.Parallel()
	early, late := app.NewEventID(noon), app.NewEventID(noon.Add(time.Millisecond))
	if bytes.Compare(early[:], late[:]) >= 0 {
		t.Errorf("%s does not sort before %s", early, late)
	}
	if app.NewEventID(noon) == early {
		t.Error("two ids of one millisecond are equal")
	}
	uuid7 := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	if !uuid7.MatchString(early.String()) {
		t.Errorf("%s is no UUIDv7", early)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	key, err := app.NewKey(bytes.NewReader(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	if want := "rsolv_" + strings.Repeat("A", 43); key != want {
		t.Errorf("got %s, want %s", key, want)
	}
	if got := app.HashKey("abc"); got != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Errorf("hash of abc is %s", got)
	}
	if _, err := app.NewKey(bytes.NewReader(nil)); err == nil {
		t.Error("a key without randomness")
	}
	full := app.Principal{Permissions: []string{app.PermissionFullAccess}}
	if full.May(app.PermissionAdmin) {
		t.Error("full access implies admin")
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	if err := app.Unavailable(cause); !errors.Is(err, cause) || app.CodeOf(err) != app.CodeUnavailable {
		t.Errorf("got %v", err)
	}
	if app.CodeOf(nil) != "" || app.CodeOf(cause) != app.CodeInternal {
		t.Error("codes of nil or a foreign error are wrong")
	}
	err := app.Invalid(app.FieldError{Field: "a", Message: "is bad"}, app.FieldError{Field: "b", Message: "is worse"})
	if err.Message != "a is bad; b is worse" {
		t.Errorf("message is %q", err.Message)
	}
}
