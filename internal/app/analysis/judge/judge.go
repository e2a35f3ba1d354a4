// Package judge decides whether reported findings are real: on the syntax tree
// of the file, by what reaches the reported place and from where.
//
// It is pure. A finding is called false only for a reason that was seen in the
// tree; what is not known stays at a confidence of 0.40 and is kept.
package judge

import (
	"errors"
	"fmt"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/code"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/flow"
	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/syntax"
)

// Finding is one report of a scanner.
type Finding struct {
	Type string `json:"type"`
	File string `json:"file"`
	// Line is one-based; 0 when the scanner did not say.
	Line int    `json:"line"`
	Code string `json:"code"`
}

// Context is what was seen around a finding.
type Context struct {
	InUserInputFlow    bool      `json:"inUserInputFlow"`
	HasValidation      bool      `json:"hasValidation"`
	TaintLevel         int       `json:"taintLevel,omitempty"`
	TaintConfidence    float64   `json:"taintConfidence,omitempty"`
	DirectInput        bool      `json:"directInput"`
	TaintedFlow        bool      `json:"taintedFlow"`
	SuspiciousName     bool      `json:"suspiciousName"`
	HasSanitization    bool      `json:"hasSanitization"`
	TaintHops          *int      `json:"taintHops,omitempty"`
	FileClassification PathClass `json:"fileClassification"`
	SafePattern        bool      `json:"safePattern,omitempty"`
	InComment          bool      `json:"inComment,omitempty"`
	InStringLiteral    bool      `json:"inStringLiteral,omitempty"`
	EnclosingFunction  string    `json:"enclosingFunction,omitempty"`
}

// Verdict is the judgement of one finding. Valid false means a false alarm.
type Verdict struct {
	Valid      bool     `json:"isValid"`
	Confidence float64  `json:"confidence"`
	Reason     string   `json:"reason"`
	Context    *Context `json:"astContext,omitempty"`
	// Unjudged says that time ran out: another try may do better.
	Unjudged bool `json:"unjudged,omitempty"`
}

// Bases of the confidence, before it is scaled by sanitising and by the path.
const (
	baseDirect     = 0.95
	baseTraced     = 0.85
	baseFar        = 0.75
	baseSuspicious = 0.60
	baseUnknown    = 0.40
	baseRejected   = 0.10
	baseNoContent  = 0.50
)

// GCPercent is how much the heap of a process that judges may grow before it is
// collected. Files come and go whole: collecting often finds little, and was a
// sixth of the time of a batch.
const GCPercent = 400

// File is a file that findings are judged in, parsed once for all of them.
type File struct {
	Path  string
	lines []string
	tree  *syntax.Tree
	code  *code.File
	flow  *flow.Flow
	// err says why there is no tree.
	err error
}

// NewFile parses a file. It always returns one: what cannot be parsed is judged
// without a tree, which rejects nothing.
func NewFile(path, content string) *File {
	f := &File{Path: path, lines: strings.Split(content, "\n")}
	f.tree, f.err = syntax.Parse(syntax.LanguageOf(path), path, []byte(content))
	if f.err == nil {
		f.code = code.Lower(f.tree)
		f.flow = flow.New(f.code)
	}
	return f
}

// NoContent is the verdict on a finding whose file was not sent.
func NoContent() Verdict {
	return Verdict{Valid: true, Confidence: baseNoContent, Reason: "File content unavailable"}
}

// Judge judges one finding in the file.
func (f *File) Judge(in Finding) Verdict {
	class := ClassOf(in.File)
	out := f.judge(in, class)
	out.Confidence *= class.Multiplier()
	if out.Valid && class.filters(out.Confidence) {
		out.Valid = false
		out.Reason = fmt.Sprintf("Filtered: %s file with low confidence (%s)", class, out.Reason)
	}
	return out
}

func (f *File) judge(in Finding, class PathClass) Verdict {
	context := &Context{FileClassification: class}
	if f.err != nil {
		context.TaintLevel, context.TaintConfidence = 4, baseUnknown
		return Verdict{Valid: true, Confidence: baseUnknown, Reason: "Not judged: " + f.err.Error(), Context: context, Unjudged: errors.Is(f.err, syntax.ErrTooLong)}
	}
	p := f.place(in)
	context.EnclosingFunction = f.enclosing(p)
	if p.comment != 0 {
		context.InComment = true
		return Verdict{Confidence: baseRejected, Reason: fmt.Sprintf("Code found in comment: line %d is in %s", p.line, article(f.tree, p.comment)), Context: context}
	}
	f.flow.Begin()
	c := &query{file: f, flow: f.flow, place: p, kind: TypeOf(in.Type)}
	found, matched := c.ask()
	if found.spelled && p.text == 0 {
		context.InStringLiteral = true
		return Verdict{Confidence: baseRejected, Reason: "Code found in string literal: " + found.why, Context: context}
	}
	if p.text != 0 && !matched && !f.textIsCode(c.kind) {
		context.InStringLiteral = true
		return Verdict{Confidence: baseRejected, Reason: fmt.Sprintf("Code found in string literal: line %d only spells it, in the text that begins on line %d", p.line, f.tree.Nodes[p.text].Row+1), Context: context}
	}
	if found.safe {
		context.HasValidation, context.SafePattern = true, true
		return Verdict{Confidence: baseRejected, Reason: "Safe pattern detected: " + found.why, Context: context}
	}
	return f.weigh(found, context)
}

// weigh puts what was found on the scale of confidence.
func (f *File) weigh(found answer, context *Context) Verdict {
	v := found.value
	base, level := baseUnknown, 4
	switch {
	case found.certain:
		base, level = baseDirect, 1
	case v.Kind == flow.Tainted && v.Hops == 0:
		base, level = baseDirect, 1
		context.DirectInput, context.InUserInputFlow = true, true
	case v.Kind == flow.Tainted && v.Hops <= 2:
		// One variable is no hop: the first one is where the trace begins.
		base, level = baseTraced, 2
		context.TaintedFlow, context.InUserInputFlow = true, true
	case v.Kind == flow.Tainted:
		base, level = baseFar, 3
		context.TaintedFlow, context.InUserInputFlow = true, true
	case v.Kind == flow.Suspicious:
		base, level = baseSuspicious, 3
		context.SuspiciousName = true
	}
	if v.Kind == flow.Tainted && v.Hops > 0 {
		hops := v.Hops - 1
		context.TaintHops = &hops
	}
	context.TaintLevel, context.TaintConfidence = level, base
	if v.Cleaned {
		context.HasSanitization, context.HasValidation = true, true
		base *= 0.5
	}
	return Verdict{Valid: true, Confidence: base, Reason: found.sentence(f), Context: context}
}

func article(t *syntax.Tree, n uint32) string {
	text := t.Text(n)
	switch {
	case strings.HasPrefix(text, "/**"):
		return "a documentation comment"
	case strings.HasPrefix(text, "/*") || strings.HasPrefix(text, "=begin"):
		return fmt.Sprintf("the block comment that begins on line %d", t.Nodes[n].Row+1)
	default:
		return "a comment"
	}
}

// NotJudged is the verdict on a finding that could not be looked at: it is kept
// at the confidence of the unknown.
func NotJudged(in Finding, why string) Verdict {
	class := ClassOf(in.File)
	v := Verdict{
		Valid: true, Confidence: baseUnknown * class.Multiplier(), Reason: "Not judged: " + why,
		Context: &Context{FileClassification: class, TaintLevel: 4, TaintConfidence: baseUnknown}, Unjudged: true,
	}
	if class.filters(v.Confidence) {
		v.Valid = false
		v.Reason = fmt.Sprintf("Filtered: %s file with low confidence (%s)", class, v.Reason)
	}
	return v
}
