package flagimport

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

// Subject is whom a flag is asked about. The zero Subject is nobody.
type Subject struct {
	Actor  string
	Groups []string
	// Attributes are what else is known, for flags whose rules ask for it.
	Attributes map[string]any
}

func (s Subject) context() *flagd.Context {
	context := &flagd.Context{TargetingKey: s.Actor, Attributes: maps.Clone(s.Attributes)}
	if len(s.Groups) > 0 {
		if context.Attributes == nil {
			context.Attributes = map[string]any{}
		}
		context.Attributes["groups"] = s.Groups
	}
	return context
}

// original answers as the system did that a flag comes from, in JSON, or says
// why there is no value. known is false where chance decides.
type original interface {
	answer(s Subject) (value string, known bool)
}

// Proof compares the answers of the imported flags with the original ones.
type Proof struct {
	Flags []FlagProof
	// Answers are all of them, in order.
	Answers []Answer
}

// FlagProof sums up one flag.
type FlagProof struct {
	Source, Key string
	// Actors is how many different ones were asked about.
	Actors int
	// Questions is how many answers were compared, Same how many agree, and
	// Chance how many the original left to chance, which are not compared.
	Questions, Same, Chance int
}

// Answer is one question and what both said.
type Answer struct {
	Source, Key string
	Subject     Subject
	// Original and Here are values in JSON, or why there is none. Original may
	// also be by chance.
	Original, Here string
	Same           bool
}

// prove asks every flag about every subject, here and there.
func prove(flags []Flag, originals []original, all []Subject) Proof {
	var proof Proof
	for i := range flags {
		flag := &flags[i]
		sum := FlagProof{Source: flag.Source, Key: flag.Key}
		definition, err := flag.Definition()
		set, compileErr := flagd.Compile([]flagd.Definition{definition})
		actors := map[string]bool{}
		for _, subject := range all {
			if subject.Actor != "" {
				actors[subject.Actor] = true
			}
			answer := Answer{Source: flag.Source, Key: flag.Key, Subject: subject, Here: "an error"}
			if err == nil && compileErr == nil {
				answer.Here = here(set, flag.Key, subject)
			}
			value, known := originals[i].answer(subject)
			answer.Original, answer.Same = value, known && value == answer.Here
			switch {
			case !known:
				answer.Original = byChance
				sum.Chance++
			case answer.Same:
				sum.Questions, sum.Same = sum.Questions+1, sum.Same+1
			default:
				sum.Questions++
			}
			proof.Answers = append(proof.Answers, answer)
		}
		sum.Actors = len(actors)
		proof.Flags = append(proof.Flags, sum)
	}
	return proof
}

const byChance = "by chance"

func here(set *flagd.Set, key string, subject Subject) string {
	result := set.Evaluate(key, subject.context())
	if !result.OK() {
		return result.Why()
	}
	return string(result.JSON)
}

// Different are the answers that are not the same and were not left to chance.
func (p *Proof) Different() []Answer {
	return slices.DeleteFunc(slices.Clone(p.Answers), func(a Answer) bool { return a.Same || a.Original == byChance })
}

// shown bounds the differences in the table.
const shown = 20

// Table sums up the proof for people: a line for each flag, and the first
// differences.
func (p *Proof) Table() string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(table, "FLAG\tKEY\tACTORS\tANSWERS\tSAME\tDIFFERENT\tBY CHANCE")
	for _, f := range p.Flags {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%d\t%d\n", f.Source, f.Key, f.Actors, f.Questions, f.Same, f.Questions-f.Same, f.Chance)
	}
	_ = table.Flush()
	different := p.Different()
	for _, a := range different[:min(shown, len(different))] {
		_, _ = fmt.Fprintf(&text, "DIFFERENT %s for %s: %s, here %s\n", a.Source, a.Subject, a.Original, a.Here)
	}
	if len(different) > shown {
		_, _ = fmt.Fprintf(&text, "and %d more\n", len(different)-shown)
	}
	return text.String()
}

// String names the subject for people.
func (s Subject) String() string {
	text := "nobody in particular"
	if s.Actor != "" {
		text = fmt.Sprintf("%q", s.Actor)
	}
	if len(s.Groups) > 0 {
		text += " in " + strings.Join(s.Groups, ", ")
	}
	if len(s.Attributes) > 0 {
		raw, err := json.Marshal(s.Attributes)
		if err == nil {
			text += " with " + string(raw)
		}
	}
	return text
}

// WriteCSV writes every answer, one a line.
func (p *Proof) WriteCSV(w io.Writer) error {
	table := csv.NewWriter(w)
	records := [][]string{{"flag", "key", "actor", "groups", "original", "here", "same"}}
	for _, a := range p.Answers {
		same := fmt.Sprint(a.Same)
		if a.Original == byChance {
			same = ""
		}
		records = append(records, []string{a.Source, a.Key, a.Subject.Actor, strings.Join(a.Subject.Groups, " "), a.Original, a.Here, same})
	}
	if err := table.WriteAll(records); err != nil {
		return fmt.Errorf("writing the proof: %w", err)
	}
	return nil
}
