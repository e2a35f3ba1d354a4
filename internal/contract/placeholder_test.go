package contract

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// real are values that nobody may take for placeholders.
var real = []string{
	"sk_live_51HxxxYz0", "sk_live_51Mabc", "whsec_9f8e", "xxhash", "p4ssw0rd", "hunter2", "nonesuch", "todor", "exampleton", "changes",
	"https://hooks.slack.com/services/T0/B0/abc", "https://example.com/api", "ops@example.com", "noreply@rsolv.dev,admin@rsolv.dev",
	"$2a$10$N9qo8uLOickgx2ZMRZoMye", "<a>b</a>", `{"type":"service_account"}`, `["a","b"]`, "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----",
	"mykey-7f3a", "your-company.com", "a", "0", "false", "c2VjcmV0", "0123456789abcdef", "replacement", "setec-astronomy", "${prefix}-suffix",
	"postgres://rsolv:pw@db/example", "aGVsbG8gd29ybGQ=", "exchange-me-not", "your",
}

func TestIsPlaceholder(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		"changeme", "ChangeMe", "change-me", "CHANGE_ME", "change me", "changeme123!"[:8], "change-me-please", "change_this",
		"REPLACE_ME", "replaceme", "REPLACE_WITH_REAL_KEY", "REPLACE_STRIPE_KEY", "placeholder", "stripe-placeholder", "PLACEHOLDER_VALUE",
		"todo", "TODO", "TODO: ask ops", "tbd", " TBD ", "fixme", "dummy", "example", "none", "null", "N/A", "undefined",
		"xxx", "XXXXXXXX", "sk_test_xxxx", "sk_live_...", "whsec_…", "****", "---",
		"<your key>", "<STRIPE_API_KEY>", "${STRIPE_API_KEY}", "$(STRIPE_API_KEY)", "$STRIPE_API_KEY", "{{ .Values.key }}", "%KEY%", "[YOUR KEY]", "__KEY__",
		"your-api-key-here", "your_stripe_secret", "my-token", "insert_key_here", "key goes here", `"changeme"`, "  todo\n",
	} {
		if !IsPlaceholder(value) {
			t.Errorf("%q is taken for a real value", value)
		}
	}
	for _, value := range real {
		if IsPlaceholder(value) {
			t.Errorf("%q is taken for a placeholder", value)
		}
	}
}

func TestPlaceholdersOfOnesOwn(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		list            Placeholders
		variable, value string
		want            bool
	}{
		"built in":             {Placeholders{}, "A", "changeme", true},
		"a word":               {Placeholders{Words: []string{"acme-default"}}, "A", " Acme Default\n", true},
		"beside the built in":  {Placeholders{Words: []string{"acme"}}, "A", "changeme", true},
		"part of a word":       {Placeholders{Words: []string{"acme"}}, "A", "acme-7f3a", false},
		"a pattern":            {Placeholders{Patterns: []string{"TEST-.*"}}, "A", "TEST-1234", true},
		"alternatives, whole":  {Placeholders{Patterns: []string{"a|b"}}, "A", "ax", false},
		"part of a pattern":    {Placeholders{Patterns: []string{"TEST"}}, "A", "TEST-1234", false},
		"instead of the built": {Placeholders{Replace: true, Words: []string{"acme"}}, "A", "changeme", false},
		"its own instead":      {Placeholders{Replace: true, Words: []string{"acme"}}, "A", "acme", true},
		"exempt":               {Placeholders{Exempt: []string{"MODE"}}, "MODE", "none", false},
		"another is exempt":    {Placeholders{Exempt: []string{"MODE"}}, "A", "none", true},
		"a part of a value":    {Placeholders{Exempt: []string{""}}, "", "none", true},
	} {
		read, err := ParsePlaceholders(test.list.String())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(test.list, read); diff != "" {
			t.Errorf("%s: what the app reads (-want +got):\n%s", name, diff)
		}
		check, err := read.Compile()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := check(test.variable, test.value); got != test.want {
			t.Errorf("%s: %q counts as a placeholder: %t", name, test.value, got)
		}
	}
}

func TestBadPlaceholders(t *testing.T) {
	t.Parallel()
	if _, err := (Placeholders{Patterns: []string{"ok", "(x"}}).Compile(); err == nil || !strings.Contains(err.Error(), `patterns[1], "(x", is no regular expression`) {
		t.Errorf("Compile() = %v", err)
	}
	if _, err := ParsePlaceholders("changeme"); err == nil {
		t.Error("words alone are read as JSON")
	}
	if list, err := ParsePlaceholders(""); err != nil || !cmp.Equal(list, Placeholders{}) {
		t.Errorf("ParsePlaceholders(\"\") = %+v, %v", list, err)
	}
}

func TestHasHole(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{
		"postgres://u:<password>@h/n": true, "postgres://u:${DB_PASSWORD}@h/n": true, "postgres://u:{{ .p }}@h/n": true, "postgres://u:p@h/n": false,
	} {
		if got := HasHole(value); got != want {
			t.Errorf("HasHole(%q) = %t", value, got)
		}
	}
}
