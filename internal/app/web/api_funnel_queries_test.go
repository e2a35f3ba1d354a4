package web

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/devdb/dbtest"
)

func TestFunnelQueries(t *testing.T) {
	t.Parallel()
	s := newSite(t, dbtest.URL(t), nil)
	admin := s.onboard(visitor(t), "admin@rsolv.dev")
	s.onboard(visitor(t), "ops@kiln.example")
	for _, name := range []string{"daily", "ordered", "timing", "drop-off", "cohorts", "sources", "journeys"} {
		if a := s.get("/api/v1/funnel/"+name, "X-Api-Key", admin); a.status != http.StatusForbidden {
			t.Errorf("%s without the permission: %d %s", name, a.status, a.body)
		}
	}
	if _, err := s.store.GrantPermission(t.Context(), "admin@rsolv.dev", app.PermissionAdmin); err != nil {
		t.Fatal(err)
	}
	s.forgetKeys()
	for path, list := range map[string]string{
		"daily": "days", "daily?from=2025-11-01&to=2025-11-03": "days",
		"ordered": "stages", "ordered?start=activation&window=366": "stages",
		"timing": "steps", "drop-off?after=1&limit=1": "stages",
		"cohorts?weeks=3&tz=Asia/Kathmandu": "cohorts", "sources?by=campaign": "sources",
		"journeys?completed_activation=false&since=2025-11-01": "journeys",
	} {
		a := s.get("/api/v1/funnel/"+path, "X-Api-Key", admin)
		var body map[string]any
		if err := json.Unmarshal([]byte(a.body), &body); err != nil || a.status != http.StatusOK {
			t.Errorf("%s: %d %s", path, a.status, a.body)
			continue
		}
		complete, _ := body["completeness"].(map[string]any)
		if items, _ := body[list].([]any); len(items) == 0 || complete["events"] == nil {
			t.Errorf("%s: no %s or no completeness: %s", path, list, a.body)
		}
	}
	for path, field := range map[string]string{
		"daily?from=yesterday": "from", "daily?to=2999-01-01": "to", "ordered?window=0": "window", "ordered?start=retention": "start",
		"drop-off?after=367": "after", "drop-off?limit=501": "limit", "drop-off?cursor=x": "cursor", "journeys?cursor=-1": "cursor",
		"cohorts?tz=Mars/Olympus": "tz", "cohorts?weeks=107": "weeks", "sources?by=colour": "by",
		"journeys?completed_retention=perhaps": "completed_retention", "journeys?since=once": "since",
	} {
		a := s.get("/api/v1/funnel/"+path, "X-Api-Key", admin)
		if p := a.problem(t); a.status != http.StatusUnprocessableEntity || len(p.Errors) != 1 || p.Errors[0].Field != field {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}
