package flagd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/diegoholiveira/jsonlogic/v3"
	"github.com/google/go-cmp/cmp"
)

// dice makes rules of the part of JSON Logic where its implementations agree:
// arguments have the types that their operation is meant for.
type dice struct{ *rand.Rand }

func (d dice) one(choices ...func() string) string { return choices[d.IntN(len(choices))]() }

func (d dice) number(depth int) string {
	if depth == 0 {
		return d.one(
			func() string { return fmt.Sprint(d.IntN(9)) },
			func() string { return `{"var": "age"}` },
			func() string { return `{"var": "user.score"}` },
			func() string { return `{"var": ["none", 4]}` },
		)
	}
	deeper := func() string { return d.number(d.IntN(depth)) }
	return d.one(
		func() string { return fmt.Sprintf(`{"+": [%s, %s, %s]}`, deeper(), deeper(), deeper()) },
		func() string { return fmt.Sprintf(`{"-": [%s, %s]}`, deeper(), deeper()) },
		func() string { return fmt.Sprintf(`{"*": [%s, %s]}`, deeper(), deeper()) },
		func() string { return fmt.Sprintf(`{"%%": [%s, 7]}`, deeper()) },
		func() string { return fmt.Sprintf(`{"/": [%s, 4]}`, deeper()) },
		func() string { return fmt.Sprintf(`{"max": [%s, %s]}`, deeper(), deeper()) },
		func() string { return fmt.Sprintf(`{"min": [%s, %s]}`, deeper(), deeper()) },
		func() string { return fmt.Sprintf(`{"if": [%s, %s, %s]}`, d.truth(d.IntN(depth)), deeper(), deeper()) },
		func() string {
			return fmt.Sprintf(`{"reduce": [%s, {"+": [{"var": "current"}, {"var": "accumulator"}]}, %d]}`, d.list(), d.IntN(9))
		},
	)
}

func (d dice) text(depth int) string {
	if depth == 0 {
		return d.one(
			func() string { return `"ada"` }, func() string { return `"example"` },
			func() string { return `{"var": "email"}` }, func() string { return `{"var": "user.name"}` },
		)
	}
	deeper := func() string { return d.text(d.IntN(depth)) }
	return d.one(
		func() string { return fmt.Sprintf(`{"cat": [%s, "-", %s]}`, deeper(), d.number(0)) },
		// A start beyond the end gives nothing here and the whole text there.
		func() string { return fmt.Sprintf(`{"substr": [{"cat": [%s, "---"]}, %d]}`, deeper(), d.IntN(3)) },
		func() string { return fmt.Sprintf(`{"substr": [{"cat": [%s, "---"]}, %d, 2]}`, deeper(), d.IntN(3)) },
		func() string { return fmt.Sprintf(`{"if": [%s, %s, %s]}`, d.truth(d.IntN(depth)), deeper(), deeper()) },
	)
}

func (d dice) list() string {
	return d.one(
		func() string { return `{"var": "list"}` },
		func() string { return `[5, 0, 7]` },
		func() string { return `{"filter": [{"var": "list"}, {">": [{"var": ""}, 1]}]}` },
		func() string { return `{"map": [{"var": "list"}, {"*": [{"var": ""}, 3]}]}` },
		func() string { return `{"merge": [[1, 2], [3], 4]}` },
	)
}

func (d dice) truth(depth int) string {
	if depth == 0 {
		return d.one(func() string { return "true" }, func() string { return "false" }, func() string { return `{"var": "vip"}` })
	}
	deeper := func() string { return d.truth(d.IntN(depth)) }
	number := func() string { return d.number(d.IntN(depth)) }
	return d.one(
		func() string { return fmt.Sprintf(`{"!": [%s]}`, deeper()) },
		func() string { return fmt.Sprintf(`{"!!": [%s]}`, d.text(d.IntN(depth))) },
		func() string { return fmt.Sprintf(`{"and": [%s, %s]}`, deeper(), deeper()) },
		func() string { return fmt.Sprintf(`{"or": [%s, %s]}`, deeper(), deeper()) },
		func() string {
			return fmt.Sprintf(`{%q: [%s, %s]}`, []string{"<", "<=", ">", ">=", "==", "!=", "===", "!=="}[d.IntN(8)], number(), number())
		},
		func() string {
			return fmt.Sprintf(`{%q: [%s, %s]}`, []string{"<", ">", "==", "!=", "==="}[d.IntN(5)], d.text(d.IntN(depth)), d.text(d.IntN(depth)))
		},
		func() string {
			return fmt.Sprintf(`{%q: [%s, %s, %s]}`, []string{"<", "<="}[d.IntN(2)], number(), number(), number())
		},
		func() string { return fmt.Sprintf(`{"in": [%s, %s]}`, d.text(0), d.text(d.IntN(depth))) },
		func() string { return fmt.Sprintf(`{"in": [%s, [1, 2, 3, 4.5]]}`, number()) },
		func() string {
			return fmt.Sprintf(`{%q: [%s, {">=": [{"var": ""}, %d]}]}`, []string{"all", "some", "none"}[d.IntN(3)], d.list(), d.IntN(5))
		},
	)
}

const differentialData = `{"age": 36, "email": "ada@example.com", "vip": true, "list": [1, 2, 3], "user": {"name": "Ada", "score": 2.5}}`

// TestAgreesWithAnotherImplementation compares with an independent
// implementation of JSON Logic, the one that flagd uses.
func TestAgreesWithAnotherImplementation(t *testing.T) {
	t.Parallel()
	const seed1, seed2, rounds = 5, 42, 6000
	d := dice{rand.New(rand.NewPCG(seed1, seed2))}
	context := &Context{}
	if err := json.Unmarshal([]byte(differentialData), &context.Attributes); err != nil {
		t.Fatal(err)
	}
	compared := 0
	for range rounds {
		rule := d.one(func() string { return d.truth(3) }, func() string { return d.number(3) }, func() string { return d.text(3) })
		if !strings.HasPrefix(rule, "{") {
			continue
		}
		var theirs bytes.Buffer
		if err := jsonlogic.Apply(strings.NewReader(rule), strings.NewReader(differentialData), &theirs); err != nil {
			t.Fatalf("%s: %v", rule, err)
		}
		ours, err := json.Marshal(run(t, rule, context))
		if err != nil {
			t.Fatal(err)
		}
		compared++
		if diff := cmp.Diff(strings.TrimSpace(theirs.String()), string(ours)); diff != "" {
			t.Errorf("%s: -theirs +ours:\n%s", rule, diff)
		}
	}
	if compared < rounds/2 {
		t.Errorf("only %d rules were compared", compared)
	}
}
