package workload

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

const goodURL = "postgres://rsolv:s3cr3t%40x@db.internal:5432/rsolv?sslmode=require"

type secretData = map[string]map[string][]byte

func TestCheckSecrets(t *testing.T) {
	t.Parallel()
	stripe := v1alpha1.SecretSource{Name: "rsolv-stripe", RequiredKeys: []string{"STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET"}}
	ai := v1alpha1.SecretSource{Name: "rsolv-ai", Env: map[string]v1alpha1.SecretKey{"ANTHROPIC_API_KEY": "anthropic-api-key"}}
	good := func() secretData {
		return secretData{
			"rsolv-db":     {"database-url": []byte(goodURL)},
			"rsolv-stripe": {"STRIPE_API_KEY": []byte("sk_live_51H"), "STRIPE_WEBHOOK_SECRET": []byte("whsec_9f"), "other": []byte("todo")},
			"rsolv-ai":     {"anthropic-api-key": []byte("sk-ant-1")},
		}
	}
	goodEnv := map[string][]byte{
		"DATABASE_URL": []byte(goodURL), "STRIPE_API_KEY": []byte("sk_live_51H"),
		"STRIPE_WEBHOOK_SECRET": []byte("whsec_9f"), "ANTHROPIC_API_KEY": []byte("sk-ant-1"),
	}
	for name, test := range map[string]struct {
		sources []v1alpha1.SecretSource
		plain   []v1alpha1.EnvVar
		change  func(secretData)
		want    []string // reason and a part of the message
		env     map[string][]byte
	}{
		"good":            {sources: []v1alpha1.SecretSource{stripe, ai}, env: goodEnv},
		"database only":   {env: map[string][]byte{"DATABASE_URL": []byte(goodURL)}},
		"no such secret":  {sources: []v1alpha1.SecretSource{stripe}, change: func(d secretData) { d["rsolv-stripe"] = nil }, want: []string{`SecretNotFound|secret "rsolv-stripe" does not exist in this namespace: create it with the keys "STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET"`}},
		"no data at all":  {sources: []v1alpha1.SecretSource{ai}, change: func(d secretData) { d["rsolv-ai"] = map[string][]byte{} }, want: []string{`SecretKeyMissing|secret "rsolv-ai", key "anthropic-api-key" is missing`}},
		"empty":           {change: func(d secretData) { d["rsolv-db"]["database-url"] = nil }, want: []string{`SecretKeyEmpty|secret "rsolv-db", key "database-url" is empty`}},
		"blank":           {sources: []v1alpha1.SecretSource{ai}, change: func(d secretData) { d["rsolv-ai"]["anthropic-api-key"] = []byte(" \t\n") }, want: []string{`SecretKeyEmpty|`}},
		"binary":          {sources: []v1alpha1.SecretSource{ai}, change: func(d secretData) { d["rsolv-ai"]["anthropic-api-key"] = []byte{0xff, 0xfe} }, want: []string{`SecretInvalid|secret "rsolv-ai", key "anthropic-api-key" holds binary data`}},
		"placeholder":     {sources: []v1alpha1.SecretSource{stripe}, change: func(d secretData) { d["rsolv-stripe"]["STRIPE_API_KEY"] = []byte("changeme\n") }, want: []string{`SecretPlaceholder|secret "rsolv-stripe", key "STRIPE_API_KEY" is a placeholder: put the real value in (kubectl patch secret rsolv-stripe`}},
		"everything":      {sources: []v1alpha1.SecretSource{stripe, ai}, change: func(d secretData) { clear(d) }, want: []string{`SecretNotFound|"rsolv-db"`, `SecretNotFound|"rsolv-stripe"`, `SecretNotFound|"rsolv-ai"`}},
		"reserved":        {sources: []v1alpha1.SecretSource{{Name: "rsolv-ai", Env: map[string]v1alpha1.SecretKey{"POOL_SIZE": "anthropic-api-key"}}}, want: []string{`InvalidSpec|spec.secrets[0] declares the variable POOL_SIZE, which the operator sets (it comes from spec.database.poolSize)`}},
		"second database": {sources: []v1alpha1.SecretSource{{Name: "rsolv-db", Env: map[string]v1alpha1.SecretKey{"DATABASE_URL": "database-url"}}}, want: []string{`InvalidSpec|spec.secrets[0] declares the variable DATABASE_URL`}},
		"twice": {
			sources: []v1alpha1.SecretSource{stripe, {Name: "rsolv-ai", Env: map[string]v1alpha1.SecretKey{"STRIPE_API_KEY": "anthropic-api-key"}}},
			want:    []string{`InvalidSpec|the variable STRIPE_API_KEY is declared twice, from secret "rsolv-stripe" key "STRIPE_API_KEY" and from secret "rsolv-ai" key "anthropic-api-key"`},
		},
		"in env too": {
			sources: []v1alpha1.SecretSource{ai}, plain: []v1alpha1.EnvVar{{Name: "OTHER"}, {Name: "ANTHROPIC_API_KEY", Value: "x"}},
			want: []string{`InvalidSpec|the variable ANTHROPIC_API_KEY is declared twice, in spec.env and from secret "rsolv-ai" key "anthropic-api-key": remove it from spec.env`},
		},
		"said twice, the same": {
			sources: []v1alpha1.SecretSource{{Name: "rsolv-ai", RequiredKeys: []string{"anthropic-api-key"}, Env: map[string]v1alpha1.SecretKey{"ANTHROPIC_API_KEY": "anthropic-api-key"}}},
			env:     map[string][]byte{"DATABASE_URL": []byte(goodURL), "ANTHROPIC_API_KEY": []byte("sk-ant-1")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := &v1alpha1.RsolvDeploymentSpec{
				Database: v1alpha1.Database{SecretRef: v1alpha1.SecretKeyReference{Name: "rsolv-db", Key: "database-url"}},
				Secrets:  test.sources,
				Env:      test.plain,
			}
			data := good()
			if test.change != nil {
				test.change(data)
			}
			env, problems := CheckSecrets(&v1alpha1.RsolvDeployment{Spec: *spec}, data)
			if len(problems) != len(test.want) {
				t.Fatalf("problems %v, want %v", problems, test.want)
			}
			for i, problem := range problems {
				reason, part, _ := strings.Cut(test.want[i], "|")
				if problem.Reason != reason || !strings.Contains(problem.Message, part) {
					t.Errorf("problem %d is %s: %s; want %s: …%s…", i, problem.Reason, problem.Message, reason, part)
				}
			}
			if test.env != nil {
				if diff := cmp.Diff(test.env, env); diff != "" {
					t.Errorf("env (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestDatabaseURL(t *testing.T) {
	t.Parallel()
	const password = "hunter2-very-secret"
	builtIn := func(_, value string) bool { return contract.IsPlaceholder(value) }
	for value, want := range map[string]string{
		"postgres://u:" + password + "@h/n":         "",
		"postgresql://u:" + password + "@h:5432/n":  "",
		"postgres:///n?host=/var/run/postgresql":    "",
		"postgres://example:x9@example.com/example": "",
		"postgres://u:" + password + "@h/n\n":       "SecretInvalid|white space",
		"mysql://u:" + password + "@h/n":            "SecretInvalid|no Postgres URL",
		"host=h password=" + password:               "SecretInvalid|no Postgres URL",
		"postgres://u:" + password + "@/n":          "SecretInvalid|names no host",
		"postgres://u:" + password + "%zz@h/n":      "SecretInvalid|no valid URL",
		"postgres://u:a#" + password + "@h:5432/n":  "SecretInvalid|no valid URL",
		"postgres://u:<password>@h/n":               "SecretPlaceholder|unfilled",
		"postgres://u:${DB_PASSWORD}@h/n":           "SecretPlaceholder|unfilled",
		"postgres://u:changeme@h/n":                 "SecretPlaceholder|password",
		"postgres://u:" + password + "@REPLACE_ME/": "SecretPlaceholder|host",
	} {
		problem := checkDatabaseURL(value, builtIn)
		if want == "" {
			if problem != nil {
				t.Errorf("%s is refused: %s", value, problem.Message)
			}
			continue
		}
		reason, part, _ := strings.Cut(want, "|")
		if problem == nil || problem.Reason != reason || !strings.Contains(problem.Message, part) {
			t.Errorf("%q: %+v, want %s", value, problem, want)
			continue
		}
		if strings.Contains(fmt.Sprint(*problem), password) {
			t.Errorf("the message for %q holds the password", value)
		}
	}
}

func TestPlaceholdersOfOnesOwn(t *testing.T) {
	t.Parallel()
	rd := minimal()
	rd.Spec.Secrets = []v1alpha1.SecretSource{{Name: "s", RequiredKeys: []string{"MODE", "KEY"}}}
	data := secretData{
		"rsolv-db": {"database-url": []byte("postgres://u:acme@h/n")},
		"s":        {"MODE": []byte("none"), "KEY": []byte("TEST-1234")},
	}
	reasons := func() []string {
		_, problems := CheckSecrets(rd, data)
		var list []string
		for _, problem := range problems {
			list = append(list, problem.Reason+" "+problem.Message[:strings.IndexAny(problem.Message, ":(")])
		}
		return list
	}
	mode := `SecretPlaceholder secret "s", key "MODE" is a placeholder`
	if diff := cmp.Diff([]string{mode}, reasons()); diff != "" {
		t.Errorf("by default (-want +got):\n%s", diff)
	}
	rd.Spec.Placeholders = &v1alpha1.Placeholders{Words: []string{"acme"}, Patterns: []string{"TEST-[0-9]+"}, Exempt: []string{"MODE"}}
	want := []string{
		`SecretPlaceholder secret "rsolv-db", key "database-url" has a placeholder for its password`,
		`SecretPlaceholder secret "s", key "KEY" is a placeholder`,
	}
	if diff := cmp.Diff(want, reasons()); diff != "" {
		t.Errorf("with a list of its own (-want +got):\n%s", diff)
	}
	rd.Spec.Placeholders = &v1alpha1.Placeholders{Patterns: []string{"("}}
	_, problems := CheckSecrets(rd, data)
	if len(problems) == 0 || problems[0].Reason != v1alpha1.ReasonInvalidSpec || !strings.Contains(problems[0].Message, "spec.placeholders.patterns[0]") {
		t.Errorf("a pattern that is none: %v", problems)
	}
}

func TestSecretNames(t *testing.T) {
	t.Parallel()
	spec := &v1alpha1.RsolvDeploymentSpec{
		Database: v1alpha1.Database{SecretRef: v1alpha1.SecretKeyReference{Name: "b", Key: "k"}},
		Secrets:  []v1alpha1.SecretSource{{Name: "c"}, {Name: "a"}, {Name: "b"}},
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, SecretNames(&v1alpha1.RsolvDeployment{Spec: *spec})); diff != "" {
		t.Error(diff)
	}
}
