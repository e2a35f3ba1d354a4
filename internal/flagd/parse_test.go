package flagd

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEvaluate(t *testing.T) {
	t.Parallel()
	set, err := Parse(write(t, sample()))
	if err != nil {
		t.Fatal(err)
	}
	type answer struct {
		Value  any
		Reason string
		OK     bool
	}
	booleanOf := func(key string) answer { v, r := set.Boolean(key, nil); return answer{v, r.Why(), r.OK()} }
	textOf := func(key string) answer { v, r := set.String(key, nil); return answer{v, r.Why(), r.OK()} }
	numberOf := func(key string) answer { v, r := set.Number(key, nil); return answer{v, r.Why(), r.OK()} }
	objectOf := func(key string) answer { v, r := set.Object(key, nil); return answer{string(v), r.Why(), r.OK()} }
	for name, test := range map[string]struct{ got, want answer }{
		"boolean":             {booleanOf("blog"), answer{false, "STATIC", true}},
		"text":                {textOf("banner"), answer{`<b> & "c"`, "STATIC", true}},
		"number":              {numberOf("batch"), answer{12345678901234567890.5, "STATIC", true}},
		"mapping":             {objectOf("limits"), answer{`{"a":{"b":null,"c":[1,2]},"z":1}`, "STATIC", true}},
		"unknown boolean":     {booleanOf("rsolv_blog"), answer{false, "FLAG_NOT_FOUND", false}},
		"unknown text":        {textOf("Blog"), answer{"", "FLAG_NOT_FOUND", false}},
		"unknown number":      {numberOf(""), answer{0.0, "FLAG_NOT_FOUND", false}},
		"unknown mapping":     {objectOf("blog "), answer{"", "FLAG_NOT_FOUND", false}},
		"boolean of a text":   {booleanOf("banner"), answer{false, "TYPE_MISMATCH", false}},
		"text of a boolean":   {textOf("blog"), answer{"", "TYPE_MISMATCH", false}},
		"number of an object": {numberOf("limits"), answer{0.0, "TYPE_MISMATCH", false}},
		"object of a number":  {objectOf("batch"), answer{"", "TYPE_MISMATCH", false}},
		"disabled":            {booleanOf("retired"), answer{false, "DISABLED", false}},
		"no default":          {booleanOf("undecided"), answer{false, "DEFAULT", false}},
	} {
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if diff := cmp.Diff([]string{"banner", "batch", "blog", "limits", "retired", "undecided"}, set.Keys()); diff != "" || set.Len() != 6 {
		t.Errorf("%d flags: %s", set.Len(), diff)
	}
	if _, err := Compile(append(sample(), sample()[0])); err == nil || !strings.Contains(err.Error(), `flag "limits" is there twice`) {
		t.Errorf("a repeated key: %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	blog := func(rest string) string { return `{"flags":{"blog":{` + rest + `}}}` }
	for give, want := range map[string]string{
		``:                                    "no valid JSON of flags",
		`[]`:                                  "no valid JSON of flags",
		`{}`:                                  `has no "flags"`,
		`{"flags":null}`:                      `has no "flags"`,
		`{"flags":[]}`:                        "no valid JSON of flags",
		`{"flags":{}} {}`:                     "goes on after its end",
		`{"flags":{}}}`:                       "goes on after its end",
		`{"flags":{},"$evaluators":{"a":{}}}`: `$evaluators[a] is empty; write a JSON Logic rule or remove the evaluator`,
		`{"flags":{"":{"state":"ENABLED","variants":{"a":true}}}}`: "key is empty",
		blog(``):                                                                      `flag "blog": state is ""; use ENABLED or DISABLED`,
		blog(`"state":"on"`):                                                          `state is "on"`,
		blog(`"state":"ENABLED"`):                                                     `flag "blog": variants is empty`,
		blog(`"state":"ENABLED","variants":{}`):                                       `variants is empty`,
		blog(`"state":"ENABLED","variants":{"a":null}`):                               `variants[a] is nothing`,
		blog(`"state":"ENABLED","variants":{"a":[1]}`):                                `variants[a] is a list`,
		blog(`"state":"ENABLED","variants":{"a":true,"b":1}`):                         `variants[b].value is a number (1) in a flag of type Boolean`,
		blog(`"state":"ENABLED","variants":{"a":true},"defaultVariant":"b"`):          `defaultVariant "b" is not a variant; use one of: a`,
		blog(`"state":"ENABLED","variants":{"a":true},"defaultVariant":""`):           `defaultVariant is empty`,
		blog(`"state":"ENABLED","variants":{"a":true},"targeting":{"if":[true,"b"]}`): `targeting.if[1] gives "b", which is not a variant; use one of: a`,
		blog(`"state":"ENABLED","variants":{"a":true},"metadata":{"a":{}}`):           `metadata[a] is neither text, number nor boolean`,
		strings.Repeat(" ", MaxFileBytes+1):                                           "at most 1048576 are read",
	} {
		set, err := Parse([]byte(give))
		if err == nil || !strings.Contains(err.Error(), want) || set != nil {
			t.Errorf("Parse(%.80q) = %v, %v; want an error with %q", give, set, err, want)
		}
	}
}

func TestParseAcceptsWhatOthersWrite(t *testing.T) {
	t.Parallel()
	set, err := Parse([]byte(`{
	  "$schema": "https://flagd.dev/schema/v0/flags.json",
	  "metadata": {"version": "7"},
	  "$evaluators": {},
	  "flags": {
	    "a": {"state": "ENABLED", "variants": {"x": 1, "y": 2.5}, "defaultVariant": "y", "targeting": {}, "metadata": {"n": 1, "b": true, "s": ""}},
	    "b": {"state": "ENABLED", "variants": {"x": true}, "defaultVariant": null, "targeting": null}
	  }
	}`))
	if err != nil {
		t.Fatal(err)
	}
	if value, result := set.Number("a", nil); value != 2.5 || result.Reason != Static {
		t.Errorf("a: %v %+v", value, result)
	}
	if _, result := set.Boolean("b", nil); result.Reason != Default || result.OK() {
		t.Errorf("b: %+v", result)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(write(f, sample()))
	f.Add([]byte(`{"flags":{}}`))
	f.Add([]byte(`{"flags":{"a":{"state":"DISABLED","variants":{"x":{"y":[1e5,"\ud800"]}},"defaultVariant":"x","metadata":{"z":-0}}}}`))
	f.Add([]byte(`{"flags":{"é\u0000":{"State":"ENABLED","variants":{"\u2028":1E-7},"defaultVariant":null}},"flags":{}}`))
	f.Add([]byte(`{"$evaluators":{"a":{"!":{"var":"x"}},"b":{"and":[{"$ref":"a"},1]}},"flags":{"a":{"state":"ENABLED","variants":{"x":1},"targeting":{"if":[{"$ref":"b"},"x"]}}}}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		definitions, err := Decode(file)
		if err != nil {
			return
		}
		set, err := Compile(definitions)
		if err != nil {
			t.Fatalf("decoded but not compiled: %v", err)
		}
		if set.Len() != len(definitions) {
			t.Fatalf("%d definitions made %d flags", len(definitions), set.Len())
		}
		canonical := write(t, definitions)
		if len(canonical) > MaxFileBytes {
			return // escapes can be longer than what they stand for
		}
		again, err := Decode(canonical)
		if err != nil {
			t.Fatalf("cannot read what was written: %v\n%s", err, canonical)
		}
		if diff := cmp.Diff(string(canonical), string(write(t, again))); diff != "" {
			t.Fatalf("not canonical:\n%s", diff)
		}
	})
}

// BenchmarkMapLookup is the least that finding a flag by name can cost.
func BenchmarkMapLookup(b *testing.B) {
	flags := map[string]bool{}
	for _, d := range sample() {
		flags[d.Key] = true
	}
	b.ReportAllocs()
	for b.Loop() {
		if !flags["blog"] {
			b.Fatal("no answer")
		}
	}
}

func BenchmarkParse1000(b *testing.B) {
	definitions := make([]Definition, 1000)
	for i := range definitions {
		definitions[i] = sample()[1]
		definitions[i].Key = fmt.Sprintf("flag_%d", i)
	}
	file := write(b, definitions)
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(file); err != nil {
			b.Fatal(err)
		}
	}
}
