package flagd

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/diegoholiveira/jsonlogic/v3"
)

func benchmarked(b *testing.B, targeting string) *Set {
	b.Helper()
	set, err := Parse(fmt.Appendf(nil, `{"flags":{"blog":{"state":"ENABLED","variants":{"enabled":true,"disabled":false},"defaultVariant":"disabled","targeting":%s}}}`, targeting))
	if err != nil {
		b.Fatal(err)
	}
	return set
}

// visitor is the context of somebody that the rules let in.
func visitor() *Context {
	return &Context{TargetingKey: "customer:42", Time: time.Unix(1_700_000_000, 0), Attributes: map[string]any{
		"email": "ada@example.com", "plan": "gold", "customer_id": "42", "groups": []any{"vip", "early_access"},
	}}
}

func measure(b *testing.B, set *Set, want bool) {
	b.Helper()
	context := visitor()
	b.ReportAllocs()
	for b.Loop() {
		if value, result := set.Boolean("blog", context); !result.OK() || value != want {
			b.Fatalf("%+v", result)
		}
	}
}

func BenchmarkEvaluateStatic(b *testing.B) { measure(b, benchmarked(b, "{}"), false) }

func BenchmarkEvaluateTargeting(b *testing.B) {
	measure(b, benchmarked(b, `{"if":[{"and":[{"==":[{"var":"plan"},"gold"]},{"ends_with":[{"var":"email"},"@example.com"]}]},"enabled","disabled"]}`), true)
}

// BenchmarkInterpretedTargeting applies the same rule with a library that
// reads it anew each time.
func BenchmarkInterpretedTargeting(b *testing.B) {
	var rule any
	if err := json.Unmarshal([]byte(`{"if":[{"and":[{"==":[{"var":"plan"},"gold"]},{"in":["@example.com",{"var":"email"}]}]},"enabled","disabled"]}`), &rule); err != nil {
		b.Fatal(err)
	}
	var data any = visitor().Attributes
	b.ReportAllocs()
	for b.Loop() {
		//nolint:staticcheck // deprecated, but the only way that spares theirs the decoding, so that the comparison is fair
		if got, err := jsonlogic.ApplyInterface(rule, data); err != nil || got != "enabled" {
			b.Fatal(got, err)
		}
	}
}

func BenchmarkEvaluateActorsAndGroups(b *testing.B) {
	actors := `"customer:1"` + strings.Repeat(`,"customer:x"`, 200)
	measure(b, benchmarked(b, `{"if":[{"or":[{"in":[{"var":"targetingKey"},[`+actors+`]]},{"some":[{"var":"groups"},{"in":[{"var":""},["admin","early_access"]]}]}]},"enabled"]}`), true)
}

func BenchmarkEvaluateFractional(b *testing.B) {
	measure(b, benchmarked(b, `{"fractional":[{"cat":[{"var":"$flagd.flagKey"},{"var":"customer_id"}]},["enabled",100],["disabled",0]]}`), true)
}

func BenchmarkEvaluatePercentageOfActors(b *testing.B) {
	measure(b, benchmarked(b, `{"if":[{"percentage_of_actors":[{"var":"targetingKey"},"blog",1]},"enabled"]}`), true)
}

// BenchmarkEvaluateBulk evaluates 1,000 flags, of which a half has rules.
func BenchmarkEvaluateBulk(b *testing.B) {
	var flags []string
	for i := range 1000 {
		targeting := "{}"
		if i%2 == 0 {
			targeting = `{"if":[{"==":[{"var":"plan"},"gold"]},{"fractional":[["enabled",50],["disabled",50]]}]}`
		}
		flags = append(flags, fmt.Sprintf(`"flag_%d":{"state":"ENABLED","variants":{"enabled":true,"disabled":false},"defaultVariant":"disabled","targeting":%s}`, i, targeting))
	}
	set, err := Parse([]byte(`{"flags":{` + strings.Join(flags, ",") + `}}`))
	if err != nil {
		b.Fatal(err)
	}
	context := visitor()
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for result := range set.All(context) {
			if result.OK() {
				n++
			}
		}
		if n != 1000 {
			b.Fatal(n)
		}
	}
}
