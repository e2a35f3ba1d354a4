package drill

import (
	"errors"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// print prints the table, in the order of the faults.
func (d *Drill) print() error {
	out := tabwriter.NewWriter(d.Out, 0, 0, 2, ' ', 0)
	lines := []string{"", "ALERT\tSEVERITY\tFIRED AFTER\tMEASURED\tMAIL TO\tINHIBITED\tOVER\tFAULT"}
	for i := range faults {
		for _, alert := range faults[i].alerts {
			lines = append(lines, strings.Join(d.rows[alert].cells(), "\t"))
		}
	}
	_, err := io.WriteString(out, strings.Join(lines, "\n")+"\n\n")
	return errors.Join(err, out.Flush())
}

func (r *Row) cells() []string {
	const none = "-"
	cells := []string{r.Alert, r.Severity, none, none, none, "no", none, r.Fault}
	if r.Fired > 0 {
		cells[2] = r.Fired.Round(time.Second).String()
	}
	if r.Measured != "" {
		cells[3] = r.Measured
	}
	if len(r.MailTo) > 0 {
		cells[4] = strings.Join(slices.Sorted(slices.Values(r.MailTo)), ", ")
	}
	if r.Inhibited {
		cells[5] = "yes"
	}
	if r.Over {
		cells[6] = "told"
	}
	return cells
}
