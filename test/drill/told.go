package drill

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/render/alerts"
	"github.com/rsolv-dev/rsolv-operator/test/alarm"
)

// notice is what a mail says of an alert.
type notice struct {
	alert string
	over  bool
	// measured is the value, as people read it; empty for metrics that are
	// gone, and when it is over.
	measured string
}

var measuredPattern = regexp.MustCompile(` is ([^,]+?)(?: over the last \w+)?, which has been `)

// readNotice reads a mail about an app:
//
//	[CRITICAL] APIErrorRateCritical · fire-drill in rsolv-production
func readNotice(mail alarm.Mail, app string) (n notice, ok bool) {
	state, rest, bracketed := strings.Cut(mail.Subject, "] ")
	alert, about, dotted := strings.Cut(rest, " · ")
	if !bracketed || !dotted || !strings.HasPrefix(about, app+" in ") {
		return n, false
	}
	n.alert, n.over = alert, state == "[RESOLVED"
	if found := measuredPattern.FindStringSubmatch(mail.Text); !n.over && found != nil {
		n.measured = found[1]
	}
	return n, true
}

// beyond says what is wrong with a value that somebody was told of: it is not
// written in its unit, or not outside the bound. What is written is rounded.
func (e *expectation) beyond(measured string) error {
	if e.bound == nil {
		return nil
	}
	value, err := readValue(e.unit, measured)
	if err != nil {
		return fmt.Errorf("%q is told: %w", measured, err)
	}
	const rounding = 0.01
	outside := false
	switch e.bound.Operator {
	case ">":
		outside = value >= e.bound.Value*(1-rounding)
	case "<", "<=":
		outside = value <= e.bound.Value*(1+rounding)
	}
	if !outside {
		return fmt.Errorf("%q is told, which is not %s %s", measured, e.bound.Operator, e.bound.Text)
	}
	return nil
}

// readValue reads a value as Prometheus writes it for people, in the unit in
// which it is recorded.
func readValue(unit alerts.Unit, text string) (float64, error) {
	switch unit {
	case alerts.Ratio:
		digits, ok := strings.CutSuffix(text, "%")
		value, err := strconv.ParseFloat(digits, 64)
		if err != nil || !ok {
			return 0, fmt.Errorf("%q is no percentage", text)
		}
		return value / 100, nil
	case alerts.Milliseconds:
		took, err := time.ParseDuration(strings.ReplaceAll(text, " ", ""))
		if err != nil {
			return 0, fmt.Errorf("%q is no duration", text)
		}
		return float64(took) / float64(time.Millisecond), nil
	default:
		value, err := strconv.ParseFloat(strings.TrimSuffix(text, "/s"), 64)
		if err != nil || unit == alerts.PerSecond && !strings.HasSuffix(text, "/s") {
			return 0, fmt.Errorf("%q is no number, or no rate", text)
		}
		return value, nil
	}
}
