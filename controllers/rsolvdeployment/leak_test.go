package rsolvdeployment

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"
	batchv1 "k8s.io/api/batch/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/render/workload"
)

// values of a run, each to be found nowhere but in Secrets. The password has
// characters that a URL escapes.
var (
	leakPassword = "p@ss/word#7f3a9c"
	leakURL      = "postgres://rsolv:" + url.QueryEscape(leakPassword) + "@db.internal:5432/rsolv"
	leakStripe   = "sk_live_Zq81mB77x"
	leakPEM      = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\n9w0BAQEFAASCBKcwggSj\n-----END KEY-----"
	leakHalf     = "todo: rotate whsec_4411aa99" // a placeholder with something real in it
)

// TestNoSecretIsEverPrinted takes an app through a life in which everything
// goes wrong that can, with pods that say their secrets aloud, and searches the
// log at its most verbose, the events, every status on the way and every object
// that is no Secret.
func TestNoSecretIsEverPrinted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var printed strings.Builder
	f.log = funcr.New(func(prefix, args string) { printed.WriteString(prefix + " " + args + "\n") }, funcr.Options{Verbosity: 10})
	f.each = func() {
		raw, err := json.Marshal(f.rd().Status)
		f.must(err)
		printed.Write(raw)
		printed.WriteString("\n")
	}
	aloud := strings.Join([]string{"could not connect to", leakURL, "with", leakPassword, "nor", leakStripe, "nor\n" + leakPEM}, " ")
	problem := contract.Problem{Check: contract.CheckConfiguration, Message: aloud}

	good := map[string]string{"STRIPE_API_KEY": leakStripe, "STRIPE_WEBHOOK_SECRET": leakPEM}
	f.secret("rsolv-db", map[string]string{"database-url": leakURL})
	f.secret("rsolv-stripe", map[string]string{"STRIPE_API_KEY": leakStripe, "STRIPE_WEBHOOK_SECRET": leakHalf})
	f.create(platform).reconcile() // a placeholder
	f.secret("rsolv-db", map[string]string{"database-url": leakURL + " "})
	f.reconcile() // white space beside it
	f.secret("rsolv-db", map[string]string{"database-url": "host=db password=" + leakPassword})
	f.secret("rsolv-stripe", good)
	f.reconcile() // no URL
	f.secret("rsolv-db", map[string]string{"database-url": leakURL})
	f.reconcile()
	f.failPreflight(problem)
	f.reconcile()
	f.retry("1")
	f.reconcile()
	f.passPreflight()
	f.reconcile()
	f.failWith(aloud) // the migrations
	f.reconcile()
	f.retry("2")
	f.reconcile()
	f.passPreflight()
	f.reconcile()
	f.finishJobs(batchv1.JobComplete, "")
	f.reconcile()
	f.rollOut()
	f.reconcile()
	f.failSmokeTest(problem)
	f.reconcile() // there is nothing to go back to
	f.retry("3")
	f.ready()
	f.image(v2)
	f.testing()
	f.failSmokeTest(problem)
	f.reconcile()
	f.reconcile()                               // rolled back
	f.edit(func(rd *v1alpha1.RsolvDeployment) { // refused, with the object in the API server's words
		rd.Spec.Image = v1
		rd.Spec.Ingress.Annotations = map[string]string{"no valid key": "x"}
	})
	f.playOn()

	printed.WriteString(strings.Join(f.notes.all(), "\n"))
	for _, object := range f.objects() {
		if object.GetKind() == workload.SecretKind.Kind {
			continue
		}
		raw, err := object.MarshalJSON()
		f.must(err)
		printed.Write(raw)
	}
	text := printed.String()
	for _, phase := range []string{"SecretPlaceholder", "SecretInvalid", "PreflightFailed", "MigrationFailed", "SmokeTestFailed", "RevisionRejected", "ApplyRejected", "***"} {
		if !strings.Contains(text, phase) {
			t.Errorf("the run never came to %s, so it proves nothing", phase)
		}
	}
	for _, value := range []string{leakPassword, url.QueryEscape(leakPassword), leakURL, leakStripe, "MIIEvQIBADANBgkqhkiG", "whsec_4411aa99"} {
		for _, form := range []string{value, base64.StdEncoding.EncodeToString([]byte(value)), strings.Trim(base64.StdEncoding.EncodeToString([]byte(value)), "=")} {
			if at := strings.Index(text, form); at >= 0 {
				t.Errorf("%q is printed: …%s…", value, text[max(0, at-200):at])
			}
		}
	}
}

// playOn plays until nothing moves any more, whatever became of it.
func (f *fixture) playOn() {
	f.t.Helper()
	for range 6 {
		f.reconcile()
		f.play()
	}
	f.reconcile()
}
