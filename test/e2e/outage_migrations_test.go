//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestOutage_UnverifiedMigrations: a new version served although half of its
// schema was not there, and no one noticed until requests failed. Here the
// schema's version and shape are checked before traffic, by the migrations'
// own check at the end and by the preflight before them. A database whose shape
// somebody changed by hand holds the next version, and so does a migration that
// fails halfway; the condition says what is different or what failed, and the
// version that runs serves on. Without the checks the new pods would roll out
// and the test fail where it waits for a condition.
func TestOutage_UnverifiedMigrations(t *testing.T) {
	const app = "outage-schema"
	newApp(t, app, "sk_test_51Hq8vJ2eZ")
	waitCondition(t, "rd/"+app, "Ready", "True")
	stop := hammer(t, app)
	before := podNames(t, app)

	sql := func(statement string) string {
		t.Helper()
		out, err := cluster.Psql(t.Context(), "e2e_outage_schema", statement)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(out)
	}
	sql("alter table customers rename column email to mail")
	// Another connection pool is another environment, so the image is asked
	// again and its migrations are verified again.
	kubectl(t, "patch", "rd/"+app, "--type=merge", "-p", `{"spec":{"database":{"poolSize":7}}}`)
	var message string
	eventually(t, 2*time.Minute, func() error {
		if message = conditionMessage(t, "rd/"+app, "PreflightPassed"); !strings.Contains(message, "Schema: ") {
			return fmt.Errorf("PreflightPassed says %q, nothing of the schema", message)
		}
		return nil
	})
	mustName(t, message, "customers", "email")
	if after := podNames(t, app); after != before {
		t.Errorf("pods were replaced: %s, before: %s", after, before)
	}

	sql("alter table customers rename column mail to email")
	kubectl(t, "annotate", "rd/"+app, "rsolv.dev/retry-requested-at=now")
	waitCondition(t, "rd/"+app, "PreflightPassed", "True")
	waitCondition(t, "rd/"+app, "Ready", "True")

	// What the newest migration makes is there already, as somebody's own work.
	eventually(t, time.Minute, func() error { // the pods before have gone
		if before = podNames(t, app); len(strings.Fields(before)) != 2 {
			return fmt.Errorf("the pods are %s", before)
		}
		return nil
	})
	newest := sql("select max(version_id) from goose_db_version")
	sql("delete from goose_db_version where version_id = " + newest)
	kubectl(t, "patch", "rd/"+app, "--type=merge", "-p", `{"spec":{"database":{"poolSize":8}}}`)
	eventually(t, 4*time.Minute, func() error {
		if message = conditionMessage(t, "rd/"+app, "MigrationsComplete"); !strings.Contains(message, " failed (") {
			return fmt.Errorf("MigrationsComplete says %q, nothing of a failure", message)
		}
		return nil
	})
	mustName(t, message, "already exists")
	if after := podNames(t, app); after != before {
		t.Errorf("pods were replaced although a migration failed: %s, before: %s", after, before)
	}
	sql("insert into goose_db_version (version_id, is_applied) values (" + newest + ", true)")
	kubectl(t, "annotate", "--overwrite", "rd/"+app, "rsolv.dev/retry-requested-at=again")
	waitCondition(t, "rd/"+app, "MigrationsComplete", "True")
	waitCondition(t, "rd/"+app, "Ready", "True")
	unharmed(t, stop)
}
