// Package flagdiff says what a change of an app's flags would have changed for
// those who were asked about lately: the dry run of `manager flags diff`. It is
// pure.
package flagdiff

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

// Change is one flag whose answers would be others.
type Change struct {
	Flag string
	// Before and After are the answers to the first context for which they
	// differ.
	Before, After string
	// Changed of Sampled contexts would be answered otherwise. Sampled is 0 for
	// a flag that nobody asked for lately.
	Changed, Sampled int
	// Evaluations is how often the flag was asked for, which the sample stands
	// for.
	Evaluations uint64
}

// Share of the evaluations that would be answered otherwise, 0 to 1.
func (c *Change) Share() float64 {
	if c.Sampled == 0 {
		return 0
	}
	return float64(c.Changed) / float64(c.Sampled)
}

// Report is the outcome of a dry run.
type Report struct {
	// Changes are the flags whose definitions differ, sorted by key; those that
	// change nothing for anybody who was asked about are among them.
	Changes []Change
	// Evaluations is how many there were of all flags.
	Evaluations uint64
	// Unsampled are attributes that new rules ask for and that the sample does
	// not have, for pods keep only what rules ask for.
	Unsampled []string
}

// Compare evaluates the flags of two files about everybody that the samples
// name. Rules see the time of now.
func Compare(before, after []byte, samples []contract.FlagsSample, now time.Time) (Report, error) {
	was, entriesBefore, err := read(before)
	if err != nil {
		return Report{}, fmt.Errorf("the published flags: %w", err)
	}
	is, entriesAfter, err := read(after)
	if err != nil {
		return Report{}, fmt.Errorf("the new flags: %w", err)
	}
	var report Report
	asked := gather(samples, &report)
	keys := slices.Concat(was.Keys(), is.Keys())
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		if entriesBefore[key] == entriesAfter[key] {
			continue
		}
		report.Changes = append(report.Changes, compareFlag(was, is, key, asked[key], now))
	}
	if known := append(was.Attributes(), "groups"); len(report.Changes) > 0 {
		report.Unsampled = slices.DeleteFunc(is.Attributes(), func(name string) bool { return slices.Contains(known, name) })
	}
	return report, nil
}

func read(file []byte) (*flagd.Set, map[string]string, error) {
	definitions, err := flagd.Decode(file)
	if err != nil {
		return nil, nil, err
	}
	entries := make(map[string]string, len(definitions))
	for i := range definitions {
		entry, err := definitions[i].Entry()
		if err != nil {
			return nil, nil, err
		}
		entries[entry.Key] = string(entry.JSON)
	}
	set, err := flagd.Compile(definitions)
	return set, entries, err
}

// gather adds up what several pods say of each flag.
func gather(samples []contract.FlagsSample, report *Report) map[string]contract.FlagContexts {
	asked := map[string]contract.FlagContexts{}
	for _, sample := range samples {
		for _, flag := range sample.Flags {
			sum := asked[flag.Flag]
			sum.Evaluations += flag.Evaluations
			sum.Contexts = append(sum.Contexts, flag.Contexts...)
			asked[flag.Flag] = sum
			report.Evaluations += flag.Evaluations
		}
	}
	return asked
}

func compareFlag(was, is *flagd.Set, key string, asked contract.FlagContexts, now time.Time) Change {
	change := Change{Flag: key, Evaluations: asked.Evaluations}
	contexts := asked.Contexts
	if len(contexts) == 0 && asked.Evaluations > 0 {
		contexts = []map[string]any{{}} // asked about nobody in particular
	}
	for _, attributes := range contexts {
		context := &flagd.Context{Attributes: attributes, Time: now}
		context.TargetingKey, _ = attributes["targetingKey"].(string)
		before, after := was.Evaluate(key, context), is.Evaluate(key, context)
		change.Sampled++
		if before.OK() == after.OK() && bytes.Equal(before.JSON, after.JSON) {
			continue
		}
		if change.Changed++; change.Changed == 1 {
			change.Before, change.After = describe(&before), describe(&after)
		}
	}
	return change
}

func describe(r *flagd.Result) string {
	if !r.OK() {
		return "the app's default (" + r.Why() + ")"
	}
	return fmt.Sprintf("%s (%s)", r.JSON, r.Variant)
}

// Share of all evaluations that would be answered otherwise, 0 to 1.
func (r *Report) Share() float64 {
	if r.Evaluations == 0 {
		return 0
	}
	changed := 0.0
	for i := range r.Changes {
		changed += r.Changes[i].Share() * float64(r.Changes[i].Evaluations)
	}
	return changed / float64(r.Evaluations)
}

// Text is the report for people.
func (r *Report) Text() string {
	var text strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&text, format+"\n", args...) } // a builder never fails
	for i := range r.Changes {
		change := &r.Changes[i]
		switch {
		case change.Sampled == 0:
			line("%s: its definition changes, and no pod was asked for it lately", change.Flag)
		case change.Changed == 0:
			line("%s: would change 0.0 %% of recent evaluations (%d sampled of %d)", change.Flag, change.Sampled, change.Evaluations)
		default:
			line("%s: would change %.1f %% of recent evaluations (%d of %d sampled of %d): %s -> %s",
				change.Flag, 100*change.Share(), change.Changed, change.Sampled, change.Evaluations, change.Before, change.After)
		}
	}
	if len(r.Changes) == 0 {
		line("no flag changes")
		return text.String()
	}
	if len(r.Unsampled) > 0 {
		line("note: the new rules ask for %s, which pods do not keep as no rule asks for it yet; they count as absent", strings.Join(r.Unsampled, ", "))
	}
	line("all flags: would change %.1f %% of %d recent evaluations", 100*r.Share(), r.Evaluations)
	return text.String()
}

// Names of the metrics.
const (
	metricShare    = "rsolv_flags_diff_changed_ratio"
	metricAllShare = "rsolv_flags_diff_all_changed_ratio"
)

// WriteMetrics writes the shares in Prometheus' text format, for a textfile
// collector or a push gateway.
func (r *Report) WriteMetrics(w io.Writer, namespace, app string) error {
	var text strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&text, format+"\n", args...) } // a builder never fails
	line("# HELP %s Share of a flag's recent evaluations that a change of flags would answer otherwise.", metricShare)
	line("# TYPE %s gauge", metricShare)
	for i := range r.Changes {
		line("%s{namespace=%q,deployment=%q,flag=%q} %g", metricShare, namespace, app, r.Changes[i].Flag, r.Changes[i].Share())
	}
	line("# HELP %s Share of all recent evaluations that a change of flags would answer otherwise.", metricAllShare)
	line("# TYPE %s gauge", metricAllShare)
	line("%s{namespace=%q,deployment=%q} %g", metricAllShare, namespace, app, r.Share())
	if _, err := io.WriteString(w, text.String()); err != nil {
		return fmt.Errorf("writing the metrics: %w", err)
	}
	return nil
}
