package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

type healthOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Status   string `json:"status" enum:"ok,degraded"`
		Database string `json:"database" enum:"up,down"`
		Version  string `json:"version"`
	}
}

type apiHealthOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Status    string            `json:"status" enum:"healthy,degraded"`
		Service   string            `json:"service" example:"rsolv-api"`
		Version   string            `json:"version"`
		Timestamp time.Time         `json:"timestamp"`
		Database  string            `json:"database" enum:"up,down"`
		Services  map[string]string `json:"services" doc:"healthy or degraded, by name."`
	}
}

// registerHealth adds health for people, in the two shapes that programs read.
// Probes ask the admin listener.
func (s *server) registerHealth() {
	const summary = "Whether the app and its database work; answers 200 as long as the app does"
	register(s, huma.Operation{
		OperationID: "health", Method: http.MethodGet, Path: "/health", Tags: []string{"health"}, Summary: summary,
	}, func(context.Context, *struct{}) (*healthOutput, error) {
		out := &healthOutput{CacheControl: "no-store"}
		out.Body.Status, out.Body.Database, out.Body.Version = "ok", "up", s.d.Version
		if !s.d.DatabaseUp() {
			out.Body.Status, out.Body.Database = "degraded", "down"
		}
		return out, nil
	})
	register(s, huma.Operation{
		OperationID: "api-health", Method: http.MethodGet, Path: "/api/health", Tags: []string{"health"}, Summary: summary,
	}, func(context.Context, *struct{}) (*apiHealthOutput, error) {
		out := &apiHealthOutput{CacheControl: "no-store"}
		b := &out.Body
		b.Status, b.Service, b.Version, b.Timestamp, b.Database = "healthy", "rsolv-api", s.d.Version, s.d.Now().UTC(), "up"
		b.Services = map[string]string{"database": "healthy"}
		if !s.d.DatabaseUp() {
			b.Status, b.Database, b.Services["database"] = "degraded", "down", "degraded"
		}
		return out, nil
	})
}
