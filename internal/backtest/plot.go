package backtest

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// The plot's size in characters.
const (
	plotWidth  = 60
	plotHeight = 6
)

// Print writes the reports for people: for each threshold what its alerts
// would have done, what bound is suggested, and the signal as a small picture.
func Print(w io.Writer, reports []Report, window time.Duration) error {
	var b strings.Builder
	fmt.Fprintf(&b, "The last %s. Nothing is changed by this.\n", Short(window))
	for i := range reports {
		reports[i].print(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) print(b *strings.Builder) {
	fmt.Fprintf(b, "\n%s\n", strings.TrimSuffix(r.Threshold+": "+r.Subject, ": "))
	if r.Problem != "" {
		fmt.Fprintf(b, "  %s\n", r.Problem)
	}
	for i := range r.Levels {
		fmt.Fprintf(b, "  %s\n", r.Levels[i].Says())
	}
	if r.Points > 0 {
		r.plot(b)
	}
}

var words = map[string]string{">": "above", "<": "below", "<=": "at most"}

// Says tells what an alert would have done, and what is suggested.
func (l *Level) Says() string {
	b := &l.Bound
	text := fmt.Sprintf("%-8s %s %s for %s: ", b.Severity, words[b.Operator], b.Text, b.For) + l.Fired()
	if s := l.Suggestion; s != nil {
		text += fmt.Sprintf("; suggested: %s %s, which %s", words[b.Operator], s.Text, s.Rate())
	}
	return text + " (" + b.Alert + ")"
}

// Fired tells how often and for how long an alert would have fired.
func (l *Level) Fired() string {
	switch len(l.Episodes) {
	case 0:
		return "would not have fired"
	case 1:
		return "would have fired once, for " + Short(l.Total())
	default:
		return fmt.Sprintf("would have fired %d times, for %s in all and at most %s", len(l.Episodes), Short(l.Total()), Short(l.Longest()))
	}
}

// Rate tells how often an alert would fire with a suggested bound.
func (s *Suggestion) Rate() string {
	if s.PerWeek == 0 {
		return "would not have fired"
	}
	return fmt.Sprintf("would fire %.2g times a week", s.PerWeek)
}

// Short writes a duration without the parts that are zero.
func Short(d time.Duration) string {
	text := d.Round(time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// plot draws the worst value of each column, and the bounds as lines.
func (r *Report) plot(b *strings.Builder) {
	columns, top := r.columns()
	for i := range r.Levels {
		top = max(top, r.Levels[i].Bound.Value)
	}
	if top == 0 {
		top = 1
	}
	// eighths of a row that a value fills from the bottom.
	height := func(value float64) int { return int(math.Round(max(value, 0) / top * plotHeight * 8)) }
	lines := map[int]string{}
	for i := range r.Levels {
		bound := &r.Levels[i].Bound
		row := max((height(bound.Value)+7)/8, 1)
		lines[row] = strings.TrimPrefix(lines[row]+", "+bound.Severity+" "+bound.Text, ", ")
	}
	for row := plotHeight; row >= 1; row-- {
		label := ""
		if row == plotHeight {
			label = r.Unit.Format(top)
		}
		line := fmt.Sprintf("  %9s │", label)
		for _, value := range columns {
			line += cell(height, value, row, lines[row] != "") //nolint:modernize // sixty characters
		}
		b.WriteString(strings.TrimRight(line+" "+lines[row], " ") + "\n")
	}
	const day = "Jan 2 15:04"
	end := r.Begin.Add(time.Duration(len(r.Values)) * r.Step)
	fmt.Fprintf(b, "  %9s └%s\n  %10s %-*s%s\n", "", strings.Repeat("─", plotWidth), "",
		plotWidth-len(day), r.Begin.UTC().Format(day), end.UTC().Format(day+" MST"))
}

// columns are the largest values of equal parts of the window; NaN where there
// is none. top is the largest of all.
func (r *Report) columns() (columns []float64, top float64) {
	columns = make([]float64, plotWidth)
	for i := range columns {
		columns[i] = math.NaN()
		for _, v := range r.Values[i*len(r.Values)/plotWidth : (i+1)*len(r.Values)/plotWidth] {
			if !math.IsNaN(v) && (math.IsNaN(columns[i]) || v > columns[i]) {
				columns[i] = v
			}
		}
		if columns[i] > top {
			top = columns[i]
		}
	}
	return columns, top
}

// cell is one character: how much of the row the value fills, or a line.
func cell(height func(float64) int, value float64, row int, line bool) string {
	filled := 0
	if !math.IsNaN(value) {
		filled = min(max(height(value)-(row-1)*8, 0), 8)
	}
	if filled == 0 && line {
		return "─"
	}
	return string([]rune(" ▁▂▃▄▅▆▇█")[filled])
}
