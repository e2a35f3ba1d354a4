// Package drill sets a real app on fire and watches who is told. Real load and
// faults make the alerts of the shipped baselines fire in a real Prometheus, a
// real Alertmanager routes them, and a real mail server gets what it sends.
package drill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rsolv-dev/rsolv-operator/test/alarm"
	"github.com/rsolv-dev/rsolv-operator/test/harness"
)

const (
	// App is the one that the drill sets on fire.
	App       = "fire-drill"
	namespace = harness.Namespace
	// patience is how long the drill waits for a thing, beside four times the
	// longest of the baselines' own. Nothing takes that long unless something is
	// wrong.
	patience = 4 * time.Minute
)

// Drill is one run against the local cluster with the operator in it.
type Drill struct {
	Cluster *harness.Cluster
	// Factor divides the times of the sample baselines.
	Factor int
	// Out is where progress and the table go.
	Out io.Writer
	Now func() time.Time

	monitoring harness.Monitoring
	inbox      *alarm.Inbox
	proxy      *Proxy
	direct     *pgx.Conn // to the drill's database, past the proxy
	load       *Load
	expected   map[string]expectation
	rows       map[string]*Row
	fault      string    // that is on
	began      time.Time // when it began
	read       int       // mails
}

// Row is what became of one alert.
type Row struct {
	Alert, Severity string
	// Fault is what went wrong when it fired, Fired how long after that; zero
	// is never.
	Fault string
	Fired time.Duration
	// MailTo are the addresses that were told, Measured the value that they
	// read first.
	MailTo   []string
	Measured string
	// Inhibited tells that its critical alert kept it from being told for a
	// while, Over that its end was told.
	Inhibited, Over bool

	wrong error
}

// Run drills every alert of the API, the database and the webhooks, and prints
// the table. Its error says what was not as it must be.
func (d *Drill) Run(ctx context.Context) (err error) {
	started := d.Now()
	stop, err := d.prepare(ctx)
	defer func() { err = errors.Join(err, stop()) }()
	if err != nil {
		return err
	}
	d.say("prepared after %s", d.Now().Sub(started).Round(time.Second))
	for i := range faults {
		if err := d.drill(ctx, &faults[i]); err != nil {
			return errors.Join(err, d.print())
		}
	}
	d.say("all is well again")
	if err := d.allWell(ctx); err != nil {
		return err
	}
	over := d.until(ctx, func() error {
		d.readMails()
		var open []error
		for name := range d.rows {
			open = append(open, d.told(name, true))
		}
		return errors.Join(open...)
	})
	if err := errors.Join(over, d.print(), d.judge()); err != nil {
		return err
	}
	d.say("drilled %d alerts in %s", len(d.rows), d.Now().Sub(started).Round(time.Second))
	return nil
}

// drill lets a fault begin, and waits until every alert of it has fired, and
// whoever must be told was.
func (d *Drill) drill(ctx context.Context, f *fault) error {
	d.say("%s", f.name)
	d.fault, d.began = f.name, d.Now()
	if err := f.begin(d, ctx); err != nil {
		return err
	}
	return d.until(ctx, func() error {
		if f.meanwhile != nil {
			if err := f.meanwhile(d, ctx); err != nil {
				return err
			}
		}
		if err := d.watch(ctx); err != nil {
			return err
		}
		var open []error
		for _, name := range f.alerts {
			open = append(open, d.fired(name), d.told(name, false), d.silenced(name))
		}
		return errors.Join(open...)
	})
}

// watch enters what Alertmanager and the inbox have into the rows.
func (d *Drill) watch(ctx context.Context) error {
	firing, err := alarm.Alerts(ctx, d.monitoring.Alertmanager, App)
	if err != nil {
		return err
	}
	for i := range firing {
		row := d.rows[firing[i].Name()]
		if row == nil {
			continue
		}
		if row.Fired == 0 {
			row.Fault, row.Fired = d.fault, max(firing[i].StartsAt.Sub(d.began), time.Millisecond)
			d.say("  %-36s after %s", row.Alert, row.Fired.Round(time.Second))
		}
		row.Inhibited = row.Inhibited || firing[i].Inhibited()
	}
	d.readMails()
	return nil
}

// readMails enters the mails that arrived since it last did.
func (d *Drill) readMails() {
	mails := d.inbox.Mails()
	for _, mail := range mails[d.read:] {
		n, ok := readNotice(mail, App)
		row := d.rows[n.alert]
		if !ok || row == nil {
			continue
		}
		if n.over {
			row.Over = len(row.MailTo) > 0
			continue
		}
		if !slices.Contains(row.MailTo, mail.To) {
			row.MailTo = append(row.MailTo, mail.To)
		}
		if row.Measured == "" {
			row.Measured = n.measured
			expected := d.expected[n.alert]
			row.wrong = expected.beyond(n.measured)
		}
	}
	d.read = len(mails)
}

func (d *Drill) fired(alert string) error {
	if d.rows[alert].Fired == 0 {
		return fmt.Errorf("%s does not fire", alert)
	}
	return nil
}

// told says who has yet to be told of an alert, or of its end. A warning whose
// critical alert fires need not be told.
func (d *Drill) told(alert string, over bool) error {
	row := d.rows[alert]
	if d.expected[alert].critical != "" && row.Inhibited {
		return nil
	}
	for _, address := range d.expected[alert].mailTo {
		if !slices.Contains(row.MailTo, address) {
			return fmt.Errorf("%s is not told of %s", address, alert)
		}
	}
	if over && !row.Over {
		return fmt.Errorf("nobody is told that %s is over", alert)
	}
	return nil
}

// silenced says that an alert does not keep its warning quiet, if it should.
func (d *Drill) silenced(alert string) error {
	for warning, e := range d.expected {
		if e.critical == alert && !d.rows[warning].Inhibited {
			return fmt.Errorf("%s does not keep %s quiet", alert, warning)
		}
	}
	return nil
}

// judge compares the rows with what must be.
func (d *Drill) judge() error {
	var errs []error
	for name, row := range d.rows {
		expected := d.expected[name]
		errs = append(errs, d.fired(name), d.told(name, true), d.silenced(name))
		if row.wrong != nil {
			errs = append(errs, fmt.Errorf("of %s, %w", name, row.wrong))
		}
		for _, address := range row.MailTo {
			if !slices.Contains(expected.mailTo, address) {
				errs = append(errs, fmt.Errorf("%s is told of %s, which is routed to %s", address, name, strings.Join(expected.mailTo, ", ")))
			}
		}
	}
	return errors.Join(errs...)
}

// until checks each second until nothing is wrong any more, or patience ends.
func (d *Drill) until(ctx context.Context, check func() error) error {
	limit := patience + 4*longest/time.Duration(d.Factor)
	deadline := d.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return nil
		}
		if d.Now().After(deadline) {
			return fmt.Errorf("still not after %s: %w", limit, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func (d *Drill) say(format string, args ...any) {
	_, _ = fmt.Fprintf(d.Out, format+"\n", args...) // nowhere to report a closed terminal
}
