package flagd

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func values(pairs ...string) []Variant {
	var variants []Variant
	for i := 0; i < len(pairs); i += 2 {
		variants = append(variants, Variant{Name: pairs[i], Value: json.RawMessage(pairs[i+1])})
	}
	return variants
}

func TestKeys(t *testing.T) {
	t.Parallel()
	if got := KeyFromName("display-draft-blog-posts"); got != "display_draft_blog_posts" {
		t.Errorf("KeyFromName: %q", got)
	}
	for key, want := range map[string]bool{
		"blog": true, "a_b_testing": true, "v2_blog": true, strings.Repeat("a", 63): true,
		"": false, "Blog": false, "blogPosts": false, "_blog": false, "blog_": false, "a__b": false, "2fa": false,
		"blog-posts": false, "blog posts": false, "blög": false, "blog\n": false, strings.Repeat("a", 64): false,
	} {
		if got := ValidKey(key); got != want {
			t.Errorf("ValidKey(%q) = %v", key, got)
		}
	}
}

func TestCheckPrefix(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		key, app string
		prefixes []string
		want     string
	}{
		{"blog", "rsolv", nil, ""},
		{"rsolv", "rsolv", nil, ""},
		{"rsolvable", "rsolv", nil, ""},
		{"rsolv_blog", "rsolv", nil, `key "rsolv_blog" begins with the app name; use "blog"`},
		{"rsolv_blog", "shop", nil, `key "rsolv_blog" begins with the reserved prefix "rsolv_"; use "blog"`},
		{"rsolv_api_blog", "rsolv-api", nil, `key "rsolv_api_blog" begins with the app name; use "blog"`},
		{"prod_blog", "rsolv", []string{"prod_"}, `key "prod_blog" begins with the reserved prefix "prod_"; use "blog"`},
		{"prod_blog", "rsolv", []string{"prod"}, `key "prod_blog" begins with the reserved prefix "prod"; use "blog"`},
		{"product_page", "rsolv", []string{"prod_"}, ""},
		{"prod_rsolv_blog", "rsolv", []string{"prod_"}, `key "prod_rsolv_blog" begins with the reserved prefix "prod_"; use "blog"`},
		{"rsolv_2fa", "rsolv", nil, `key "rsolv_2fa" begins with the app name; choose a key without it`},
		{"prod_", "rsolv", []string{"prod_"}, `key "prod_" begins with the reserved prefix "prod_"; choose a key without it`},
		{"blog", "rsolv", []string{""}, ""},
	} {
		err := CheckPrefix(test.key, test.app, test.prefixes)
		if got := text(err); got != test.want {
			t.Errorf("CheckPrefix(%q, %q, %q): %q, want %q", test.key, test.app, test.prefixes, got, test.want)
		}
		if reserved := (*Reserved)(nil); err != nil && !errors.As(err, &reserved) {
			t.Errorf("CheckPrefix(%q) returned a %T", test.key, err)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestValidate(t *testing.T) {
	t.Parallel()
	tooMany := make([]Variant, MaxVariants+1)
	for i := range tooMany {
		tooMany[i] = Variant{fmt.Sprintf("v%d", i), json.RawMessage("1")}
	}
	long := `"` + strings.Repeat("x", MaxValueBytes) + `"`
	for name, test := range map[string]struct {
		give Definition
		want string
	}{
		"boolean":   {Definition{Type: Boolean, Variants: values("enabled", "true", "disabled", "false"), DefaultVariant: "enabled"}, ""},
		"text":      {Definition{Type: String, Variants: values("a", `"x"`), DefaultVariant: "a"}, ""},
		"number":    {Definition{Type: Number, Variants: values("a", "-1.5e3", "b", "0"), DefaultVariant: "b"}, ""},
		"mapping":   {Definition{Type: Object, Variants: values("a", `{"n":[1,null]}`), DefaultVariant: "a"}, ""},
		"undecided": {Definition{Type: Boolean, Variants: values("a", "true")}, ""},
		"metadata":  {Definition{Type: Boolean, Variants: values("a", "true"), Metadata: map[string]any{"a": "x", "b": true, "c": json.Number("1"), "d": 1.5}}, ""},
		"unknown default": {
			Definition{Type: Boolean, Variants: values("enabled", "true", "disabled", "false"), DefaultVariant: "on"},
			`defaultVariant "on" is not a variant; use one of: disabled, enabled`,
		},
		"text in a boolean": {
			Definition{Type: Boolean, Variants: values("a", "true", "b", `"yes"`), DefaultVariant: "a"},
			`variants[b].value is a text ("yes") in a flag of type Boolean; write true or false, without quotes`,
		},
		"number in a text": {
			Definition{Type: String, Variants: values("a", "5"), DefaultVariant: "a"},
			`variants[a].value is a number (5) in a flag of type String; put it in quotes: "5"`,
		},
		"text in a number": {
			Definition{Type: Number, Variants: values("a", `"5"`), DefaultVariant: "a"},
			`variants[a].value is a text ("5") in a flag of type Number; write a number without quotes, for example 25`,
		},
		"list": {
			Definition{Type: Object, Variants: values("a", " [1]"), DefaultVariant: "a"},
			`variants[a].value is a list ( [1]) in a flag of type Object; write a mapping, for example {limit: 10}`,
		},
		"null": {
			Definition{Type: String, Variants: values("a", "null"), DefaultVariant: "a"},
			`variants[a].value is nothing (null) in a flag of type String; write a text in quotes, for example "weekly"`,
		},
		"two problems": {
			Definition{Type: Boolean, Variants: values("a", "1"), DefaultVariant: "b"},
			`variants[a].value is a number (1) in a flag of type Boolean; write true or false, without quotes; and defaultVariant "b" is not a variant; use one of: a`,
		},
		"no JSON":       {Definition{Type: Boolean, Variants: values("a", "yes"), DefaultVariant: "a"}, `variants[a].value is no JSON value; write true or false, without quotes`},
		"no value":      {Definition{Type: Boolean, Variants: values("a", ""), DefaultVariant: "a"}, `variants[a].value is no JSON value; write true or false, without quotes`},
		"huge number":   {Definition{Type: Number, Variants: values("a", "1e999"), DefaultVariant: "a"}, `variants[a].value is a number too large to compute with; use one between -1.8e308 and 1.8e308`},
		"long value":    {Definition{Type: String, Variants: values("a", long), DefaultVariant: "a"}, `variants[a].value is 65538 bytes long; a value has at most 65536; keep large data elsewhere and let the flag name it`},
		"no type":       {Definition{Variants: values("a", "1")}, `type is ""; use Boolean, String, Number or Object`},
		"no variants":   {Definition{Type: Boolean}, `variants is empty; list the flag's possible values by name`},
		"many variants": {Definition{Type: Number, Variants: tooMany}, `variants has 33 entries; a flag has at most 32`},
		"twice":         {Definition{Type: Number, Variants: values("a", "1", "a", "2")}, `variants[a] is there twice; give each variant a name of its own`},
		"nameless":      {Definition{Type: Number, Variants: values("", "1")}, `variants[] has no name; give the variant a name`},
		"long name":     {Definition{Type: Number, Variants: values(strings.Repeat("n", 64), "1")}, `variants[` + strings.Repeat("n", 40) + `…] has too long a name; use at most 63 characters`},
		"bad metadata":  {Definition{Type: Number, Variants: values("a", "1"), Metadata: map[string]any{"owner": []any{}}}, `metadata[owner] is neither text, number nor boolean; write one of these`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, text(test.give.Validate())); diff != "" {
				t.Error(diff)
			}
		})
	}
}
