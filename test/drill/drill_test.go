package drill

import (
	"net"
	"slices"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
	"github.com/rsolv-dev/rsolv-operator/test/alarm"
)

func read(t *testing.T) []*v1alpha1.AlertBaseline {
	t.Helper()
	baselines, err := readSamples("../..")
	if err != nil {
		t.Fatal(err)
	}
	return baselines
}

func TestFasterDividesTimesAlone(t *testing.T) {
	t.Parallel()
	slow, fast := read(t), read(t)
	for _, b := range fast {
		Faster(b, 60)
	}
	was, is := slow[0].Spec.Thresholds[0], fast[0].Spec.Thresholds[0]
	if fast[0].Spec.Window != "15s" || is.Warning.For != "5s" || is.Critical.For != "2s" {
		t.Errorf("window %s, warning %+v, critical %+v", fast[0].Spec.Window, is.Warning, is.Critical)
	}
	if is.Warning.Above != was.Warning.Above || is.Critical.Above != was.Critical.Above {
		t.Error("a bound was changed")
	}
	first := fast[0].Spec.Routing.Receivers[0]
	if first.GroupWait != "1s" || first.GroupInterval != "" || first.RepeatEvery != "2h" || fast[0].Spec.Routing.GroupInterval != "5s" {
		t.Errorf("receiver %+v, all %+v", first, fast[0].Spec.Routing.Grouping)
	}
	stalled := slices.IndexFunc(fast[1].Spec.Thresholds, func(t v1alpha1.Threshold) bool { return t.Name == "webhook-rate" })
	if got := fast[1].Spec.Thresholds[stalled].Info.For; got != "15s" {
		t.Errorf("six hours by sixty are %s, want those of a quarter of an hour", got)
	}
}

// TestEveryAlertIsDrilled: an alert that is added to the samples needs a fault
// that makes it fire.
func TestEveryAlertIsDrilled(t *testing.T) {
	t.Parallel()
	expected, err := expectations(read(t), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	drilled := map[string]bool{}
	for _, f := range faults {
		for _, alert := range f.alerts {
			if drilled[alert] {
				t.Errorf("%s is drilled twice", alert)
			}
			drilled[alert] = true
			if _, ok := expected[alert]; !ok {
				t.Errorf("%s is drilled and not declared", alert)
			}
		}
	}
	for alert, e := range expected {
		if !drilled[alert] {
			t.Errorf("no fault makes %s fire", alert)
		}
		if len(e.mailTo) == 0 {
			t.Errorf("nobody is told of %s", alert)
		}
	}
	if got := expected["APIErrorRateHigh"].critical; got != "APIErrorRateCritical" {
		t.Errorf("APIErrorRateHigh is kept quiet by %q", got)
	}
	if got := expected["APIErrorRateCritical"]; got.critical != "" || !slices.Equal(got.mailTo, []string{"admin@rsolv.dev"}) {
		t.Errorf("APIErrorRateCritical: %+v", got)
	}
}

func TestReadNotice(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		subject, text string
		want          notice
		ok            bool
	}{
		{
			"[CRITICAL] APIErrorRateCritical · fire-drill in rsolv-production",
			"APIErrorRateCritical (critical): fire-drill: x\nThe share of HTTP requests answered 5xx of fire-drill in namespace rsolv-production is " +
				"53.3% over the last 15s, which has been above 5% for 2s.\n",
			notice{alert: "APIErrorRateCritical", measured: "53.3%"},
			true,
		},
		{
			"[WARNING] DatabaseConnectionPoolExhausted · fire-drill in rsolv-production",
			"The use of the pool of fire-drill in namespace rsolv-production is 100%, which has been above 90% for 5s.",
			notice{alert: "DatabaseConnectionPoolExhausted", measured: "100%"},
			true,
		},
		{
			"[RESOLVED] APIP95LatencyHigh · fire-drill in rsolv-production", "Over: the p95 is 1m 5s, which has been above 1s for 10s.",
			notice{alert: "APIP95LatencyHigh", over: true},
			true,
		},
		{"[CRITICAL] APIErrorRateCritical · rsolv in rsolv-production", "", notice{}, false},
		{"hello", "", notice{}, false},
	} {
		if got, ok := readNotice(alarm.Mail{Subject: c.subject, Text: c.text}, "fire-drill"); ok != c.ok || ok && got != c.want {
			t.Errorf("%s: %+v %t, want %+v", c.subject, got, ok, c.want)
		}
	}
}

func TestBeyond(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		unit     alerts.Unit
		operator string
		bound    float64
		measured string
		ok       bool
	}{
		{alerts.Ratio, ">", 0.05, "53.3%", true},
		{alerts.Ratio, ">", 0.05, "4%", false},
		{alerts.Ratio, ">", 0.05, "0.53", false},
		{alerts.Milliseconds, ">", 1000, "1m 5s", true},
		{alerts.Milliseconds, ">", 1000, "737.3ms", false},
		{alerts.Milliseconds, ">", 500, "737.3ms", true},
		{alerts.Milliseconds, ">", 500, "737", false},
		{alerts.PerSecond, "<=", 0, "0/s", true},
		{alerts.PerSecond, "<", 0.01, "0.2/s", false},
		{alerts.PerSecond, "<=", 0, "0", false},
	} {
		e := expectation{unit: c.unit, bound: &alerts.Bound{Operator: c.operator, Value: c.bound}}
		if err := e.beyond(c.measured); (err == nil) != c.ok {
			t.Errorf("%s %s %v: %v", c.measured, c.operator, c.bound, err)
		}
	}
}

// TestProxyIsSlowAndSilent stands before an echo.
func TestProxyIsSlowAndSilent(t *testing.T) {
	t.Parallel()
	echo, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close() //nolint:errcheck // the test is over
	go func() {
		for {
			conn, err := echo.Accept()
			if err != nil {
				return
			}
			go func() {
				buffer := make([]byte, 16)
				for {
					n, err := conn.Read(buffer)
					if err != nil {
						return
					}
					if _, err := conn.Write(buffer[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
	proxy, err := OpenProxy(t.Context(), "127.0.0.1", echo.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close() //nolint:errcheck // the test is over
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", proxy.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the test is over
	answer := make([]byte, 16)
	ask := func() (time.Duration, error) {
		began := time.Now()
		if _, err := conn.Write([]byte("hello")); err != nil {
			return 0, err
		}
		_, err := conn.Read(answer)
		return time.Since(began), err
	}
	if _, err := ask(); err != nil {
		t.Fatal(err)
	}
	const delay = 300 * time.Millisecond
	proxy.Slow(delay)
	if took, err := ask(); err != nil || took < delay {
		t.Errorf("slow took %s, %v", took, err)
	}
	proxy.Slow(0)
	proxy.Silent(true)
	if err := conn.SetReadDeadline(time.Now().Add(delay)); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(); err == nil {
		t.Error("a silent database answers")
	}
	// What was held goes on once the silence ends.
	proxy.Silent(false)
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(answer); err != nil {
		t.Errorf("after the silence: %v", err)
	}
}
