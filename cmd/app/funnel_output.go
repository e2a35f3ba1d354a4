package main

import (
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
)

// outputFlags choose how an answer about the funnel is printed.
type outputFlags struct{ json, csv *bool }

func addOutputFlags(set *flag.FlagSet) outputFlags {
	return outputFlags{
		json: set.Bool("json", false, "print JSON, as the API does"),
		csv:  set.Bool("csv", false, "print comma-separated values with a header"),
	}
}

func (o outputFlags) check(name string) error {
	if *o.json && *o.csv {
		return usagef("%s: --json and --csv exclude each other: use one", name)
	}
	return nil
}

// none stands in a table for what there is not; other programs get nothing.
const none = "-"

// sheet is an answer as a table.
type sheet struct {
	// title and notes are for people alone, and so is a column whose header is
	// empty: a drawing, the last one.
	title  string
	header []string
	rows   [][]string
	notes  []string
	// words is how many columns from the left are text, set to the left.
	words int
}

// print prints an answer as it was asked for.
func (o outputFlags) print(w io.Writer, body any, s sheet) error {
	switch {
	case *o.json:
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(body); err != nil {
			return fmt.Errorf("printing JSON: %w", err)
		}
		return nil
	case *o.csv:
		out := csv.NewWriter(w)
		_ = out.WriteAll(safeForSheets(append([][]string{s.header}, s.rows...))) // what fails is told by Error
		return out.Error()
	default:
		_, err := io.WriteString(w, s.text())
		return err
	}
}

// safeForSheets leaves drawings out, and keeps what strangers wrote from being a
// formula to a spreadsheet. The first row is the header.
func safeForSheets(rows [][]string) [][]string {
	out := make([][]string, len(rows))
	for i, row := range rows {
		if rows[0][len(row)-1] == "" {
			row = row[:len(row)-1]
		}
		out[i] = make([]string, len(row))
		for j, cell := range row {
			if cell == none {
				cell = ""
			}
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				cell = "'" + cell
			}
			out[i][j] = cell
		}
	}
	return out
}

// text sets the columns as wide as they need to be; numbers to the right.
func (s sheet) text() string {
	widths := make([]int, len(s.header))
	for _, row := range append([][]string{s.header}, s.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(plain(cell)))
		}
	}
	var b strings.Builder
	if s.title != "" {
		b.WriteString(s.title + "\n\n")
	}
	for _, row := range append([][]string{s.header}, s.rows...) {
		var line strings.Builder
		for i, cell := range row {
			cell = plain(cell)
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i < s.words || s.header[i] == "" {
				line.WriteString(cell + pad + "  ")
			} else {
				line.WriteString(pad + cell + "  ")
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	if len(s.notes) > 0 {
		b.WriteString("\n" + strings.Join(s.notes, "\n") + "\n")
	}
	return b.String()
}

// plain leaves nothing in a cell that a terminal would obey.
func plain(cell string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '�'
		}
		return r
	}, cell)
}

// completenessNote says how far the figures above it can be trusted.
func completenessNote(c app.Completeness) string {
	note := "complete: " + c.Events() + "% of the acknowledged events are settled"
	if m := c.Milestones(); m != "" {
		note += ", " + m + "% of signups and keys are known"
	}
	return note
}
